"""Many rows at once, results in order, and Ctrl-C obeyed at once."""

from __future__ import annotations

import contextvars
import itertools
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from ..errors import RowError, ShipworthyError

In = TypeVar("In")
Out = TypeVar("Out")


@dataclass(frozen=True)
class Outcome(Generic[Out]):
    """The result of one item, or the error that it raised."""

    value: Out | None = None
    error: ShipworthyError | None = None

    def unwrap(self) -> Out:
        """The value; raises the error if there is one."""
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]


def ordered_map(
    function: Callable[[In], Out],
    items: Iterable[In],
    *,
    workers: int,
    ahead: int = 4,
    keep: tuple[type[ShipworthyError], ...] = (RowError,),
) -> Iterator[Outcome[Out]]:
    """Apply `function` to each item on `workers` threads; yield outcomes in the items' order.

    Memory is bounded: at most `workers * ahead` items are under way or waiting. An
    error of a kind in `keep` becomes that item's outcome; any other ends the iteration. The
    threads are daemons, so that an interrupt does not wait for a call that is under way; they
    start as items come, so that a thousand workers for three items are three threads. What lies
    in the caller's context, such as a deadline, holds for them too.
    """
    tasks: queue.SimpleQueue[
        tuple[In, queue.SimpleQueue[Outcome[Out] | BaseException], contextvars.Context] | None
    ]
    tasks = queue.SimpleQueue()
    stop = threading.Event()

    def work() -> None:
        while (task := tasks.get()) is not None and not stop.is_set():
            item, reply, context = task
            try:
                reply.put(Outcome(context.run(function, item)))
            except keep as error:
                reply.put(Outcome(error=error))
            except BaseException as error:  # handed to the caller, who raises it
                reply.put(error)

    workers = max(1, workers)
    threads = 0
    waiting: deque[queue.SimpleQueue[Outcome[Out] | BaseException]] = deque()
    source = iter(items)
    try:
        while True:
            for item in itertools.islice(source, workers * ahead - len(waiting)):
                if threads < workers:
                    threads += _started(work, needed=threads == 0)
                reply: queue.SimpleQueue[Outcome[Out] | BaseException] = queue.SimpleQueue()
                waiting.append(reply)
                tasks.put((item, reply, contextvars.copy_context()))
            if not waiting:
                return
            result = waiting.popleft().get()
            if isinstance(result, BaseException):
                raise result
            yield result
    finally:
        stop.set()
        for _ in range(threads):
            tasks.put(None)


def _started(work: Callable[[], None], *, needed: bool) -> bool:
    """Start one more thread; a system that allows no more of them is only an error where one is needed."""
    try:
        threading.Thread(target=work, daemon=True).start()
    except RuntimeError:
        if needed:
            raise
        return False
    return True
