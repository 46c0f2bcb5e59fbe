"""An LM that fails on purpose, in the ways in which LMs fail, so that what a program does then is measured.

Where it fails follows from the seed, from what was asked and from the number of the
attempt, and from nothing else: the same calls fail whoever asks first, and a call that
fails at 1 % fails at 5 % too. Its failures are those of a hosted LM: the provider layer's own
errors, sat out by the retries of production and told by its translation.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np

from ..errors import InputError
from ..examples import digest_of
from ..lms import (
    LM,
    PATIENCE,
    Blank,
    Chosen,
    Generation,
    Prompt,
    Question,
    Retries,
    Scores,
    States,
    Token,
    import_dspy,
    time_left,
    translated,
)

CALLS = ("refused", "rate_limit", "server_error", "stall")
"""Kinds in which any call may fail; a retry may help against them."""
TEXTS = ("cut", "malformed", "wrong_type", "empty")
"""Kinds in which what is written may be spoilt."""
SCORES = ("nan", "missing")
"""Kinds in which log-probabilities may be spoilt."""
KINDS = (*CALLS, *TEXTS, *SCORES)
STALL_S = 120.0
"""So long a hosted LM is waited for in silence, where no deadline ends that."""
RETRY_AFTER_S = (1, 2, 5, 20)
"""Pauses that a busy provider asks for; one is drawn."""
JUNK = (
    "I am sorry, but I cannot help with that.",
    "<html><head><title>502 Bad Gateway</title></head><body></body></html>",
    "null",
    '{"error": {"message": "The server had an error while processing your request"}}',
)

T = TypeVar("T")


@dataclass
class SimulatedRow:
    """The time of one row, which passes only where somebody waits, and what befell the row.

    Attributes:
        now: seconds since the row's work began.
        open_to: kinds that could have struck one of its calls.
        faults, retries: of all its calls.
    """

    now: float = 0.0
    open_to: set[str] = field(default_factory=set)
    faults: int = 0
    retries: int = 0

    def __call__(self) -> float:
        """The clock."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


_ROW: ContextVar[SimulatedRow | None] = ContextVar("simulated_row", default=None)


@contextlib.contextmanager
def simulated() -> Iterator[SimulatedRow]:
    """Inside, a `FaultyLM` waits on the row's clock alone; a call takes what it took when it was made."""
    row = SimulatedRow()
    token = _ROW.set(row)
    try:
        yield row
    finally:
        _ROW.reset(token)


class FaultyLM:
    """An LM of which a share of the calls fails. See `LM` for what its methods promise.

    It has the id of the LM behind it, so that heads fit.

    Args:
        lm: answers what does not fail.
        rate: share of the attempts that fail, within [0, 1].
        kinds: of `KINDS`; one of those that can strike a call is drawn.
        seed: another one, other failures.
        patience: seconds to wait between retries, all together.

    Raises:
        InputError: a kind is not known, or the rate lies outside [0, 1].
        MissingExtraError: dspy is not installed.
    """

    def __init__(
        self,
        lm: LM,
        *,
        rate: float,
        kinds: Sequence[str] = KINDS,
        seed: int = 0,
        patience: float = PATIENCE,
    ) -> None:
        unknown = [kind for kind in kinds if kind not in KINDS]
        if unknown or isinstance(kinds, str):
            raise InputError(
                f"no such kind of fault: {unknown or kinds}", hint=f"the kinds are {', '.join(KINDS)}"
            )
        if not 0 <= rate <= 1:
            raise InputError(f"a share of calls lies within 0 and 1, not {rate}", hint="write 5 % as 0.05")
        self.lm = lm
        self.id = lm.id
        self.workers = lm.workers
        self.reads_logprobs = lm.reads_logprobs
        self.context = lm.context
        self._rate = rate
        self._kinds = tuple(kinds)
        self._seed = seed
        self._patience = patience
        self._lm15 = import_dspy().lm15

    def tokenize(self, text: str) -> list[int]:
        """As the LM itself, which never fails at it."""
        return self.lm.tokenize(text)

    def score(self, prompt: Prompt, questions: Sequence[Question]) -> list[Scores]:
        """As the LM itself, unless it fails."""
        asked = ["score", vars(prompt), [vars(question) for question in questions]]
        return self._call(
            asked,
            (*CALLS, *SCORES),
            lambda: self.lm.score(prompt, questions),
            took_ms=lambda found: sum(scores.usage.ms for scores in found),
            spoil=_spoilt_scores,
        )

    def choose(self, prompt: Prompt, blanks: Sequence[Blank]) -> list[Chosen]:
        """As the LM itself, unless it fails."""
        return self._call(
            ["choose", vars(prompt), [vars(blank) for blank in blanks]],
            (*CALLS, *SCORES),
            lambda: self.lm.choose(prompt, blanks),
            took_ms=lambda found: sum(chosen.usage.ms for chosen in found),
            spoil=_spoilt_choices,
        )

    def states(self, text: str, ends: Sequence[int]) -> States:
        """As the LM itself, unless it fails."""
        return self._call(
            ["states", text, list(ends)],
            (*CALLS, *SCORES),
            lambda: self.lm.states(text, ends),
            took_ms=lambda found: found.usage.ms,
            spoil=_spoilt_states,
        )

    def generate(
        self,
        prompt: Prompt,
        *,
        max_tokens: int = 256,
        schema: dict[str, Any] | None = None,
        logprobs: bool = False,
    ) -> Generation:
        """As the LM itself, unless it fails."""
        return self._call(
            ["generate", vars(prompt), max_tokens, schema, logprobs],
            (*CALLS, *TEXTS, *(SCORES if logprobs else ())),
            lambda: self.lm.generate(prompt, max_tokens=max_tokens, schema=schema, logprobs=logprobs),
            took_ms=lambda generation: generation.usage.ms,
            spoil=_spoilt_text,
        )

    def close(self) -> None:
        """Close the LM behind it."""
        self.lm.close()

    def _call(
        self,
        asked: list[Any],
        open_to: Sequence[str],
        ask: Callable[[], T],
        *,
        took_ms: Callable[[T], float],
        spoil: Callable[[T, str, random.Random], T],
    ) -> T:
        row = _ROW.get()
        kinds = [kind for kind in self._kinds if kind in open_to]
        name = f"{self._seed}/{','.join(kinds)}/{digest_of(asked)}"
        numbers = itertools.count()
        if row is not None:
            row.open_to.update(open_to)

        def attempt() -> T:
            number = next(numbers)
            draw = random.Random(f"{name}/{number}")
            struck = bool(kinds) and draw.random() < self._rate
            kind = draw.choice(kinds) if struck else ""
            if row is not None:
                row.faults += struck
                row.retries += number > 0
            if kind in CALLS:
                raise self._failure(kind, draw, row)
            reply = ask()
            if row is not None:
                row.sleep(took_ms(reply) / 1e3)
            return spoil(reply, kind, draw) if kind else reply

        retries = Retries(
            self.id,
            self._lm15.RETRYABLE_ERRORS,
            self._patience,
            time.sleep if row is None else row.sleep,
            uniform=random.Random(f"{name}/waits").uniform,
        )
        try:
            return retries.call(attempt)
        except self._lm15.LM15Error as error:
            raise translated(error, self.id) from error

    def _failure(self, kind: str, draw: random.Random, row: SimulatedRow | None) -> Exception:
        lm15 = self._lm15
        found: Exception
        if kind == "refused":
            found = lm15.TransportError("failed to connect: connection refused (on purpose)")
        elif kind == "rate_limit":
            pause = draw.choice(RETRY_AFTER_S)
            found = lm15.RateLimitError("too many requests (on purpose)", retry_after=float(pause))
        elif kind == "server_error":
            found = lm15.ServerError("internal server error (on purpose)")
        else:
            left = time_left()
            (time.sleep if row is None else row.sleep)(STALL_S if left is None else min(STALL_S, left))
            found = lm15.TransportError("read timed out (on purpose)")
        return found


def _spoilt_scores(found: list[Scores], kind: str, draw: random.Random) -> list[Scores]:
    """One question's log-probabilities: one or all of them NaN, or the last ones or all missing."""
    at = draw.randrange(len(found))
    logprobs = found[at].logprobs.copy()
    one = draw.random() < 0.5
    if kind == "missing":
        if not one:
            return found[:at] + found[at + 1 :]
        logprobs = logprobs[: len(logprobs) // 2]
    elif one:
        logprobs[draw.randrange(len(logprobs))] = np.nan
    else:
        logprobs[:] = np.nan
    return [*found[:at], replace(found[at], logprobs=logprobs), *found[at + 1 :]]


def _spoilt_choices(found: list[Chosen], kind: str, draw: random.Random) -> list[Chosen]:
    """One blank's log-probability NaN, or the last blanks missing."""
    at = draw.randrange(len(found))
    if kind == "missing":
        return found[:at]
    return [*found[:at], replace(found[at], logprob=math.nan), *found[at + 1 :]]


def _spoilt_states(found: States, kind: str, draw: random.Random) -> States:
    """One place's state NaN, or the last ones missing."""
    at = draw.randrange(len(found.vectors))
    if kind == "missing":
        return replace(found, vectors=found.vectors[:at])
    vectors = found.vectors.copy()
    vectors[at] = np.nan
    return replace(found, vectors=vectors)


def _spoilt_text(said: Generation, kind: str, draw: random.Random) -> Generation:
    if kind == "missing":
        return replace(said, tokens=None)
    if kind == "nan":
        tokens = said.tokens and tuple(replace(token, logprob=math.nan) for token in said.tokens)
        return replace(said, tokens=tokens)
    if kind == "cut":
        # Not every provider says that an answer was cut.
        text, finished = said.text[: draw.randrange(max(1, len(said.text)))], draw.random() < 0.5
    else:
        finished = said.finished
        text = (
            ""
            if kind == "empty"
            else draw.choice(JUNK)
            if kind == "malformed"
            else _other_types(said.text, draw)
        )
    tokens = None if said.tokens is None else (Token(text, 0.0, ((text, 0.0),)),)
    return replace(said, text=text, finished=finished, tokens=tokens)


def _other_types(text: str, draw: random.Random) -> str:
    """A JSON answer with values of other types; of what is no JSON, a number."""
    try:
        value = json.loads(text)
    except ValueError:
        return "7"
    if isinstance(value, dict):
        return json.dumps({key: _other_type(own, draw) for key, own in value.items()}, ensure_ascii=False)
    return json.dumps(_other_type(value, draw), ensure_ascii=False)


def _other_type(value: Any, draw: random.Random) -> Any:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return draw.choice(["seven" if number else 7, [value], {"value": value}])
