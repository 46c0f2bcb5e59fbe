"""Trying again while a failure may pass: the one place where that is done."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from ..errors import LMError
from .deadlines import check_deadline, past_deadline, time_left

PATIENCE = 7.5
"""Seconds of waiting between retries, all together, before a failure counts: four retries."""
FIRST_WAIT = 0.5
"""Seconds before the first retry; doubled each time, up to `LARGEST_STEP`, with jitter."""
LARGEST_STEP = 15.0
WORTH_SAYING = 4.0
"""A wait of so many seconds is told."""
LONGEST_WAIT = 60.0
"""A provider that asks for a longer pause than this (in seconds) is not waited for."""

T = TypeVar("T")


@dataclass(frozen=True)
class Retries:
    """How long failures are sat out.

    Args:
        name: of the LM, for what is said.
        passing: errors that may pass; one may hold in `retry_after` the seconds that it asks for.
        patience: seconds to wait between retries, all together.
        sleep: called with seconds between retries.
        say: told of long waits.
        uniform: a number between two, for the jitter.
    """

    name: str
    passing: tuple[type[Exception], ...]
    patience: float = PATIENCE
    sleep: Callable[[float], None] = time.sleep
    say: Callable[[str], None] = lambda _: None
    uniform: Callable[[float, float], float] = random.uniform

    def call(self, ask: Callable[[], T]) -> T:
        """What `ask` gives, asked again after waits while its failures may pass.

        Raises:
            DeadlineError: the next wait would outlast the row's deadline, or it has passed.
            Exception: the last one that `ask` raised.
        """
        waited = 0.0
        for attempt in itertools.count():
            check_deadline()
            try:
                return ask()
            except self.passing as error:
                wait = self._wait_after(error, attempt, waited)
                fails = f"{self.name} fails for now ({type(error).__name__})"
                left = time_left()
                if left is not None and (left <= 0 or (wait is not None and wait >= left)):
                    raise past_deadline(fails) from error
                if wait is None:
                    raise
                waited += wait
                if wait >= WORTH_SAYING:
                    self.say(f"{fails}; trying again in {wait:.0f} s")
                self.sleep(wait)
        raise LMError(f"{self.name}: no reply")

    def _wait_after(self, error: Exception, attempt: int, waited: float) -> float | None:
        """Seconds to wait before the next attempt, or None where there is none."""
        asked: float = getattr(error, "retry_after", None) or 0.0
        share = self.uniform(0.5, 1.0)
        step = min(FIRST_WAIT * 2.0 ** min(attempt, 30), LARGEST_STEP)
        wait = asked + share * FIRST_WAIT if asked else share * step
        # What the provider asks for is waited for once, however little patience there is.
        if asked > LONGEST_WAIT or waited + wait > max(self.patience, 0.0 if waited else asked + step):
            return None
        return wait
