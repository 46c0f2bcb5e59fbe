"""How long work reports how far it is; silent unless somebody listens."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any


class Progress:
    """Told what happens. This one says nothing; the command line and notebooks have others."""

    def say(self, text: str) -> None:
        """A line of news."""

    def start(self, task: str, total: int) -> None:
        """A task of `total` equal pieces begins."""

    def advance(self, done: int) -> None:
        """So many pieces of the task are done."""

    def status(self, text: str) -> None:
        """What was spent and what is left, to be shown beside the task."""

    def standings(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """How a race stands: each candidate's `name`, `rows`, `mean`, `difference`, `interval`, `state`."""

    def finish(self) -> None:
        """The task is done."""


class Pace:
    """How long a task will take, from its pace so far.

    The first piece counts for nothing: it pays for what is set up once.

    Args:
        total: pieces.
        clock: seconds.
    """

    def __init__(self, total: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.total = total
        self._clock = clock
        self._begun = clock()
        self._first = 0
        self._first_at = 0.0

    def words(self, done: int) -> str:
        """`12 of 50, 30 s left`; without the time until a second piece is done."""
        now = self._clock()
        if not self._first:
            self._first, self._first_at = done, now
        text = f"{done} of {self.total}"
        if done > self._first:
            left = (now - self._first_at) / (done - self._first) * max(0, self.total - done)
            text += f", {duration(left)} left"
        return text

    def taken(self) -> str:
        """How long it has taken so far, in words."""
        return duration(self._clock() - self._begun)


def duration(seconds: float) -> str:
    """Seconds in words: `40 s`, `3 min 05 s`, `1.5 h`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{seconds / 3600:.1f} h"


def standing_cells(row: Mapping[str, Any]) -> list[str]:
    """A candidate of a race as table cells: name, state, rows, score, difference with its interval."""
    low, high = (100 * bound for bound in row["interval"])
    difference = (
        "" if row["state"] == "leads" else f"{100 * row['difference']:+.1f} ({low:+.0f} to {high:+.0f})"
    )
    score = f"{100 * row['mean']:.1f}" if row["mean"] == row["mean"] else ""
    return [str(row["name"])[:40], str(row["state"]), str(row["rows"]), score, difference]


STANDING_HEADERS = ["candidate", "", "rows", "score", "to the leader, points"]
