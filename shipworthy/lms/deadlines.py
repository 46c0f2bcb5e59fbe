"""A row's deadline, known to everything that waits on the row's behalf.

It lies in the context of the thread that works on the row, so that no signature between
`Program.answer` and a socket has to carry it. Whoever waits (for a retry, a reply, a free
worker) waits no longer than what is left of it, and gives up with a `DeadlineError`.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass

from ..errors import DeadlineError, InputError

Clock = Callable[[], float]


@dataclass(frozen=True)
class _Deadline:
    seconds: float
    until: float
    clock: Clock


_CURRENT: ContextVar[_Deadline | None] = ContextVar("deadline", default=None)


@contextlib.contextmanager
def deadline(seconds: float | None, *, clock: Clock = time.monotonic) -> Iterator[None]:
    """What happens inside has so many seconds; within an earlier deadline, that one holds.

    Nothing is killed: a hosted LM's reply is no longer waited for and its connection is
    closed, while the embedded engine, which cannot be interrupted, ends the call that it is
    in. What comes then is late and no answer, so that an embedded LM can be late by one call.

    Args:
        seconds: None for no deadline.
        clock: tells seconds; `time_left` inside asks the same.

    Raises:
        InputError: seconds are not positive.
    """
    if seconds is None:
        yield
        return
    if not seconds > 0:
        raise InputError(f"a deadline lies ahead, not {seconds} s", hint="give seconds above 0")
    before = _CURRENT.get()
    if before is not None and before.until - before.clock() <= seconds:
        yield
        return
    token = _CURRENT.set(_Deadline(seconds, clock() + seconds, clock))
    try:
        yield
    finally:
        _CURRENT.reset(token)


def time_left() -> float | None:
    """Seconds until the deadline, negative once it has passed; None where there is none."""
    current = _CURRENT.get()
    return None if current is None else current.until - current.clock()


def check_deadline() -> None:
    """Give up if the deadline has passed.

    Raises:
        DeadlineError: it has.
    """
    current = _CURRENT.get()
    if current is not None and current.clock() >= current.until:
        raise past_deadline()


def past_deadline(why: str = "") -> DeadlineError:
    """The error of a row that cannot be answered in time."""
    current = _CURRENT.get()
    within = f" within {current.seconds:g} s" if current is not None else " in time"
    return DeadlineError(
        f"not answered{within}{': ' if why else ''}{why}",
        hint="allow more time, or send fewer rows at once",
    )
