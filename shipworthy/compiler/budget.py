"""What compiling may spend, and how much of it is left: calls, tokens, US$ and minutes, whichever ends first.

What is left is told in calls, since calls are what passes decide about; tokens and US$
are turned into calls by what the calls so far took on average. Calls that the journal
answers count as if they were made, so that a compile that was interrupted ends as one
that was not. Minutes are those of this run alone.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from ..errors import InputError
from ..lms import Recorded, Usage

FIRST = 8
"""Calls made before tokens, US$ or minutes are turned into calls."""
SHARE = 0.9
"""Of what seems left, so much is spent before it is reckoned anew."""
NEXT_TO_NOTHING = 1e-9
"""US$ or minutes, where none are left: a limit is a number above 0."""
EXAMPLE = "calls=500, tokens=200000, usd=2.50 or minutes=10, with commas between them"


@dataclass(frozen=True)
class Price:
    """What a hosted LM costs, in US$ for a million tokens; `cached` ones as `input` if not given."""

    input: float
    output: float
    cached: float | None = None

    def usd(self, usage: Usage) -> float:
        """Of calls with this usage."""
        cached = self.input if self.cached is None else self.cached
        fresh = usage.tokens_in - usage.tokens_cached
        return (fresh * self.input + usage.tokens_cached * cached + usage.tokens_out * self.output) / 1e6


@dataclass(frozen=True)
class Budget:
    """What compiling may spend; None is no limit.

    Attributes:
        calls: requests to the LM.
        tokens: read and written, by the LM's own count.
        usd: by the LM's price; see `Price`.
        minutes: of wall time.

    Raises:
        InputError: a limit is no number above 0.
    """

    calls: int | None = None
    tokens: int | None = None
    usd: float | None = None
    minutes: float | None = None

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if value is None:
                continue
            whole = item.name in ("calls", "tokens")
            good = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
            if not good or not math.isfinite(value) or value <= 0:
                kind = "whole number" if whole else "number"
                raise InputError(f"{item.name}={value} is no {kind} above 0", hint=f"use {EXAMPLE}")

    @classmethod
    def parse(cls, text: str) -> Budget:
        """From `calls=500,minutes=10`; `calls=10k` and `tokens=2M` are understood.

        Raises:
            InputError: a key is unknown or stands twice, or a value is no number above 0.
        """
        values: dict[str, float | int] = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            key, _, value = (piece.strip() for piece in part.partition("="))
            if key not in {item.name for item in fields(cls)}:
                raise InputError(f"a budget in {key!r} is not kept", hint=f"use {EXAMPLE}")
            if key in values:
                raise InputError(f"the budget names {key!r} twice", hint=f"use {EXAMPLE}")
            values[key] = _number(value.replace("_", ""), part, whole=key in ("calls", "tokens"))
        return cls(**values)  # type: ignore[arg-type]

    def __bool__(self) -> bool:
        return any(getattr(self, item.name) is not None for item in fields(self))

    def __str__(self) -> str:
        limits = {item.name: getattr(self, item.name) for item in fields(self)}
        return ",".join(f"{name}={value:g}" for name, value in limits.items() if value is not None)


@dataclass(frozen=True)
class Spent:
    """What was spent; `usd` is None where the LM's price is not known."""

    calls: int
    tokens: int
    usd: float | None
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """For the report."""
        return {"calls": self.calls, "tokens": self.tokens, "usd": self.usd, "seconds": self.seconds}


class Meter:
    """How much of a budget is left, from now on.

    Args:
        budget: the limits; lm: whose calls count.
        price: of the LM; needed for a budget in US$.
        also: further LMs whose calls count, with their prices.
        clock: seconds.

    Raises:
        InputError: the budget is in US$, and there is no price.
    """

    def __init__(
        self,
        budget: Budget,
        lm: Recorded,
        *,
        price: Price | None = None,
        also: Sequence[tuple[Recorded, Price | None]] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.budget = budget
        self._clock = clock
        self._start = clock()
        self._lms = [(one, cost, one.calls, one.usage) for one, cost in ((lm, price), *also)]
        for one, cost, _, _ in self._lms:
            if budget.usd is not None and cost is None:
                raise InputError(
                    f"a budget in US$ needs the price of {one.id}",
                    hint="state it in pyproject.toml, as your provider's page has it: "
                    '[tool.shipworthy.prices] "provider/model" = { input = 0.15, output = 0.60 }, '
                    "in US$ for a million tokens",
                )

    def spent(self) -> Spent:
        """So far."""
        calls = tokens = 0
        usd: float | None = 0.0
        for lm, price, calls_before, before in self._lms:
            own = Usage(
                lm.usage.tokens_in - before.tokens_in,
                lm.usage.tokens_cached - before.tokens_cached,
                lm.usage.tokens_out - before.tokens_out,
            )
            calls += lm.calls - calls_before
            tokens += own.tokens
            usd = None if usd is None or price is None else usd + price.usd(own)
        return Spent(calls, tokens, usd, self._clock() - self._start)

    def room(self) -> int | None:
        """Calls that are left before the first limit; None without limits.

        Before the first calls no more than a few are granted where tokens, US$ or minutes
        are limited, since it is not known yet what a call takes.
        """
        rooms = self._rooms()
        return min(rooms.values()) if rooms else None

    def beyond(self, kept: int) -> int | None:
        """Calls that are left if `kept` of them are kept back for later; None without limits.

        Before the first call nothing is known of what tokens, US$ or minutes would buy, so
        the few calls that tell are granted whatever is kept.
        """
        unknown = self.spent().calls == 0
        rooms = self._rooms()
        return min(
            (room if unknown and name != "calls" else max(0, room - kept) for name, room in rooms.items()),
            default=None,
        )

    def rows(self, n: int, *, each: int = 1) -> int:
        """How many of n rows to read next, at so many calls a row; 0 where none can be paid for.

        It is asked again after these rows: near a limit that is estimated it gives less
        than all, so that the estimate can be mended.
        """
        room = self.room()
        if room is None:
            return n
        most = room // each
        if self._estimates() and most < n and most > FIRST:
            most = int(most * SHARE)
        return min(n, most)

    def share(self, n: int) -> Meter:
        """Of what is left from now on, an n-th: for one of n jobs that follow; without limits, itself."""
        if not self.budget:
            return self
        spent, budget = self.spent(), self.budget
        calls = None if budget.calls is None else max(1, (budget.calls - spent.calls) // n)
        tokens = None if budget.tokens is None else max(1, (budget.tokens - spent.tokens) // n)
        usd = None if budget.usd is None else max(NEXT_TO_NOTHING, (budget.usd - (spent.usd or 0.0)) / n)
        minutes = budget.minutes
        if minutes is not None:
            minutes = max(NEXT_TO_NOTHING, (minutes - spent.seconds / 60) / n)
        (lm, price), *also = ((lm, price) for lm, price, _, _ in self._lms)
        limits = Budget(calls=calls, tokens=tokens, usd=usd, minutes=minutes)
        return Meter(limits, lm, price=price, also=also, clock=self._clock)

    def limit(self) -> str:
        """The limit that ends first, as `--budget` states it."""
        rooms = self._rooms()
        name = min(rooms, key=lambda name: rooms[name]) if rooms else ""
        return f"{name}={getattr(self.budget, name):g}" if name else ""

    def words(self) -> str:
        """What was spent, and the calls that are left, for a line of progress."""
        spent, room = self.spent(), self.room()
        text = f"{spent.calls:,} calls, {spent.tokens:,} tokens"
        if spent.usd:
            text += f", US$ {spent.usd:.2f}"
        return text if room is None else f"{text}; {room:,} calls left ({self.limit()})"

    def _estimates(self) -> bool:
        return any((self.budget.tokens, self.budget.usd, self.budget.minutes))

    def _rooms(self) -> dict[str, int]:
        spent, budget = self.spent(), self.budget
        rooms = {}
        if budget.calls is not None:
            rooms["calls"] = max(0, budget.calls - spent.calls)
        used = {"tokens": spent.tokens, "usd": spent.usd, "minutes": spent.seconds / 60}
        for name, value in used.items():
            limit = getattr(budget, name)
            if limit is None or value is None:
                continue
            if value >= limit:
                rooms[name] = 0
            elif spent.calls == 0:
                rooms[name] = FIRST
            elif value > 0:
                rooms[name] = int((limit - value) / (value / spent.calls))
        return rooms


def _number(value: str, part: str, *, whole: bool) -> float | int:
    factor = {"k": 1_000, "K": 1_000, "M": 1_000_000}.get(value[-1:], 1)
    try:
        number = float(value[:-1] if factor > 1 else value) * factor
    except ValueError:
        raise InputError(f"{part!r} has no number", hint=f"use {EXAMPLE}") from None
    if not math.isfinite(number) or number <= 0 or (whole and number != int(number)):
        kind = "whole number" if whole else "number"
        raise InputError(f"{part!r} is no {kind} above 0", hint=f"use {EXAMPLE}")
    return int(number) if whole else number
