"""Who is let in: as many as can be answered in time, and the others are told so at once.

A queue without a bound turns overload into answers that all come too late. Here the bound
follows from the deadline and from the speed that is being measured, so that what is let in
is, as a rule, answered in time, and the work done under overload is of use.
"""

from __future__ import annotations

import bisect
import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator

from ..errors import InputError, OverloadedError

WEIGHT = 1 / 32
"""Of the newest request in the mean and variance of how long one takes."""
DOUBT = WEIGHT / (2 - WEIGHT)
"""Variance of such a mean, as a share of a single request's."""
CAUTION = 2.0
"""Standard deviations of the time until the answer that are kept free before the deadline."""
MOST = 10_000
"""Requests may wait, however fast they are served."""


class Admission:
    """Counts who waits and who is served, and lets in who can still be answered in time.

    `enter` for each request as it comes; then `serving` around its service, or `withdraw`
    where it is never served. Safe for threads.

    Args:
        workers: requests served at once.
        deadline_s: seconds from arrival within which an answer is of use.
        service_s: seconds that a request takes, as measured before; what it takes from now on
            is measured here, up to the deadline (mean and variance, exponentially weighted: Finch 2009,
            Incremental calculation of weighted mean and variance).
        clock: seconds.

    Attributes:
        peak: the most that have waited at once.

    Raises:
        InputError: an argument is not positive.
    """

    def __init__(
        self,
        *,
        workers: int,
        deadline_s: float,
        service_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not (workers >= 1 and deadline_s > 0 and service_s > 0):
            raise InputError(
                f"{workers} workers, a deadline of {deadline_s} s and {service_s} s a request cannot be",
                hint="give numbers above 0",
            )
        self.peak = 0
        self._workers = workers
        self._deadline_s = deadline_s
        self._mean = service_s
        self._variance = service_s**2  # as widely spread as exponential times, until it is known better
        self._clock = clock
        self._waiting = 0
        self._serving = 0
        self._lock = threading.Lock()

    def enter(self) -> None:
        """Let a request in; it waits until `serving` or `withdraw`.

        While a worker is free everybody is let in, so that a speed that was once too low is
        measured again.

        Raises:
            OverloadedError: it could not be answered in time, as far as can be foreseen.
        """
        with self._lock:
            before = self._waiting + self._serving - self._workers + 1
            if before > 0 and (self._time(before) > self._deadline_s or self._waiting >= MOST):
                raise OverloadedError(
                    f"{self._waiting} requests wait: no answer is likely within {self._deadline_s:g} s",
                    hint=f"try again in {max(1, math.ceil(self._time(before) - self._deadline_s))} s",
                )
            self._waiting += 1
            self.peak = max(self.peak, self._waiting)

    @contextlib.contextmanager
    def serving(self) -> Iterator[None]:
        """Around the service of a request that was let in; how long it takes is measured."""
        with self._lock:
            self._waiting -= 1
            self._serving += 1
        begun = self._clock()
        try:
            yield
        finally:
            # Beyond the deadline it does not matter how long: one stall must not close the door for long.
            took = min(self._clock() - begun, self._deadline_s)
            with self._lock:
                self._serving -= 1
                away = took - self._mean
                self._mean += WEIGHT * away
                self._variance = (1 - WEIGHT) * (self._variance + WEIGHT * away**2)

    def withdraw(self) -> None:
        """A request that was let in is given up before it is served."""
        with self._lock:
            self._waiting -= 1

    @property
    def service_s(self) -> float:
        """Seconds that a request takes."""
        return self._mean

    @property
    def bound(self) -> int:
        """How many may wait at the present speed."""
        with self._lock:
            return bisect.bisect_right(range(1, MOST + 1), self._deadline_s, key=self._time)

    def _time(self, before: int) -> float:
        """Seconds until the answer of who comes next, behind so many that must end first."""
        rounds = before / self._workers + 1
        chance = before / self._workers**2 + 1  # of those before and of its own service
        doubt = DOUBT * rounds**2  # of the mean itself, which is then wrong for all of them
        return self._mean * rounds + CAUTION * math.sqrt(self._variance * (chance + doubt))
