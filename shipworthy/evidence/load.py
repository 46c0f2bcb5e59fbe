"""The battery of load: what a program in this process does at its capacity, below it and far beyond.

The load is open: requests arrive when they arrive, whether or not the ones before were
answered, and are timed from then. A load that waits for answers before it sends more slows
down with what it measures, and hides the slowness (coordinated omission: Tene 2015, How NOT to
Measure Latency).
"""

from __future__ import annotations

import contextlib
import itertools
import math
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DeadlineError, LMError, OverloadedError, RowError
from ..lms import deadline
from ..runtime import Admission, Progress, ordered_map
from ..scoring import Row, quantile
from .shares import share_json

FACTORS = (0.1, 1.0, 10.0)
"""Of the measured capacity: a tenth of it, 10 times that and 100 times that."""
MOST = 20_000
"""Arrivals at one rate; a faster one is kept up for a shorter time."""
TICK_S = 0.25
MEMORY_EVERY_S = 0.05
ANSWERED, LATE, SHED = "answered", "late", "shed"


@dataclass(frozen=True)
class Request:
    """How a request went.

    Attributes:
        due_s: when it arrived; end_s: when it was answered or given up.
        end: `answered`, `late` (not answered within the deadline), `shed` (turned away at once),
            or the name of the error that it ended in.
    """

    due_s: float
    end_s: float
    end: str


def load(
    answer: Callable[[Row], Any],
    rows: Sequence[Row],
    *,
    workers: int,
    seconds_each: float = 20.0,
    deadline_s: float = 10.0,
    factors: Sequence[float] = FACTORS,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Measure the capacity with a closed loop, then offer shares and multiples of it in an open one.

    Closed: each worker asks again as soon as it is answered. Open: Poisson arrivals, drawn by
    the seed, through an `Admission` that sheds who could not be answered in time. An interrupt
    (Ctrl-C) ends it when the calls under way have ended; no thread is left behind.

    Args:
        answer: answers a row on the real LM; one that answers from a journal has no speed.
        rows: asked in turn, in an order drawn by the seed.
        workers: calls that the LM serves at once.
        seconds_each: for the capacity and for each rate, besides the time in which what waits
            at its end is answered; arrivals at one rate are `MOST` at most.
        deadline_s: seconds from arrival within which an answer is of use.
        factors: of the capacity.

    Returns:
        JSON: `capacity`, and `levels`, an entry a factor: requests `offered` and `accepted`; of
        the offered the share `answered` in time, `shed`, `late`, ended in another `error`, with
        Wilson's interval; `ms` of the accepted from arrival to answer or error, as p50, p95 and
        p99 with intervals that take them for independent (they wait behind one another, so that
        the true ones are wider); what was answered a second; how many waited at most and how many
        may (`queue_bound`, `queue_peak`); resident memory of the whole process; by how much the
        sender was late itself (`behind_ms`). Null, with a `why`, where nothing could be measured.

    Raises:
        LMError: the LM fails while the capacity is measured; later on that is a request's end.
        InputError: workers or deadline are not positive.
    """
    progress = progress or Progress()
    data: dict[str, Any] = {
        "workers": workers,
        "deadline_s": deadline_s,
        "seconds_each": seconds_each,
        "seed": seed,
        "rows": len(rows),
        "level": 0.95,
        "why": None,
    }
    if not rows:
        return {**data, "capacity": None, "levels": [], "why": "there are no rows"}
    rng = np.random.default_rng(seed)
    shuffled = [rows[i] for i in rng.permutation(len(rows))]
    each, before = max(1, round(seconds_each)), 0
    memory: list[float | None] = []

    def told(at: float) -> None:
        memory.append(_resident_mb())
        progress.advance(before + min(each, round(at)))

    progress.start("measuring under load", each * (1 + len(factors)))
    try:
        took = closed_loop(answer, shuffled, workers=workers, seconds=seconds_each, on_time=told)
        # Every worker was busy all the time, so that the rate follows without the loop's own ends.
        rate = workers * len(took) / math.fsum(took)
        levels = []
        for factor in factors:
            before += each
            memory[:] = [_resident_mb()]
            admission = Admission(workers=workers, deadline_s=deadline_s, service_s=workers / rate)
            requests, behind_s = open_loop(
                answer,
                shuffled,
                poisson(rate * factor, seconds_each, rng),
                admission=admission,
                workers=workers,
                deadline_s=deadline_s,
                on_time=told,
            )
            levels.append(
                {
                    "factor": factor,
                    "rate_per_s": rate * factor,
                    **figures(requests),
                    "queue_bound": admission.bound,
                    "queue_peak": admission.peak,
                    "behind_ms": behind_s * 1e3,
                    "rss_mb": _memory(memory),
                }
            )
    finally:
        progress.finish()
    return {**data, "capacity": {"per_s": rate, "ms": _percentiles(took)}, "levels": levels}


def poisson(rate: float, seconds: float, rng: np.random.Generator) -> list[float]:
    """When requests arrive, in seconds from the start: `MOST` at most."""
    expected = rate * seconds
    many = min(MOST, math.ceil(expected + 10 * math.sqrt(expected) + 10))
    times = np.cumsum(rng.exponential(1 / rate, size=many))
    return [float(at) for at in times[times < seconds]]


def closed_loop(
    answer: Callable[[Row], Any],
    rows: Sequence[Row],
    *,
    workers: int,
    seconds: float,
    on_time: Callable[[float], None] = lambda _: None,
) -> list[float]:
    """Seconds that each answer took while every worker was always busy.

    A first answer of each worker, which pays for what is set up once, counts for nothing.
    """
    list(ordered_map(answer, [rows[i % len(rows)] for i in range(workers)], workers=workers))
    stop = threading.Event()
    cycle = itertools.cycle(rows)
    lock = threading.Lock()
    took: list[float] = []

    def work() -> None:
        while True:
            with lock:
                row = next(cycle)
            begun = time.monotonic()
            with contextlib.suppress(RowError):  # a row that ends in an error takes its time too
                answer(row)
            took.append(time.monotonic() - begun)
            if stop.is_set():
                return

    start = time.monotonic()
    with _threads(work, workers, stop):
        while not stop.wait(min(TICK_S, seconds)) and time.monotonic() - start < seconds:
            on_time(time.monotonic() - start)
    return took


def open_loop(
    answer: Callable[[Row], Any],
    rows: Sequence[Row],
    arrivals: Sequence[float],
    *,
    admission: Admission,
    workers: int,
    deadline_s: float,
    on_time: Callable[[float], None] = lambda _: None,
) -> tuple[list[Request], float]:
    """How each arrival went, and the most seconds by which one was sent late."""
    tasks: queue.SimpleQueue[tuple[float, Row] | None] = queue.SimpleQueue()
    stop = threading.Event()
    requests: list[Request] = []

    def work() -> None:
        while (task := tasks.get()) is not None:
            due, row = task
            end = _served(answer, row, due + deadline_s, admission)
            now = time.monotonic()
            requests.append(Request(due, now, LATE if now > due + deadline_s else end))

    behind = 0.0
    with _threads(work, workers, stop):
        start = told = time.monotonic()
        try:
            for offset, row in zip(arrivals, itertools.cycle(rows), strict=False):
                due = start + offset
                while (wait := due - time.monotonic()) > 0 and not stop.wait(min(wait, TICK_S)):
                    on_time(time.monotonic() - start)
                if stop.is_set():
                    break
                now = time.monotonic()
                behind = max(behind, now - due)
                if now - told >= MEMORY_EVERY_S:
                    on_time(now - start)
                    told = now
                try:
                    admission.enter()
                except OverloadedError:
                    requests.append(Request(due, now, SHED))
                else:
                    tasks.put((due, row))
        except BaseException:
            with contextlib.suppress(queue.Empty):
                while True:  # what waits is given up
                    tasks.get_nowait()
            raise
        finally:
            for _ in range(workers):
                tasks.put(None)
    return requests, behind


def figures(requests: Sequence[Request]) -> dict[str, Any]:
    """What the certificate shows of requests at one rate."""
    ends = Counter(request.end for request in requests)
    accepted = [request for request in requests if request.end != SHED]
    seconds = max(r.end_s for r in requests) - min(r.due_s for r in requests) if requests else 0.0
    n = len(requests)
    others = {name: count for name, count in sorted(ends.items()) if name not in (ANSWERED, LATE, SHED)}
    return {
        "why": None if requests else "no request arrived: give more seconds",
        "offered": n,
        "accepted": len(accepted),
        "seconds": seconds,
        **{end: share_json(ends[end], n) for end in (ANSWERED, SHED, LATE)},
        "error": share_json(sum(others.values()), n),
        "errors": others,
        "per_s": ends[ANSWERED] / seconds if seconds else None,
        "ms": _percentiles([request.end_s - request.due_s for request in accepted]),
    }


@contextlib.contextmanager
def _threads(work: Callable[[], None], n: int, stop: threading.Event) -> Iterator[None]:
    """Threads that work beside what is inside, and have ended when it has; their errors are raised."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # raised below, by whoever waits
            failed.append(error)
            stop.set()

    threads = [threading.Thread(target=run, daemon=True) for _ in range(n)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    if failed:
        raise failed[0]


def _served(answer: Callable[[Row], Any], row: Row, until: float, admission: Admission) -> str:
    """How the service of a request ended."""
    left = until - time.monotonic()
    if left <= 0:
        admission.withdraw()
        return LATE
    try:
        with admission.serving(), deadline(left):
            answer(row)
    except DeadlineError:
        return LATE
    except (RowError, LMError) as error:  # the LM was up when the capacity was measured
        return type(error).__name__
    return ANSWERED


def _percentiles(seconds: Iterable[float]) -> dict[str, Any]:
    """p50, p95 and p99 in milliseconds; None of nothing."""
    ms = [1e3 * value for value in seconds]
    found: dict[str, Any] = {"n": len(ms)}
    for share in (50, 95, 99):
        own = quantile(ms, share / 100) if ms else None
        found[f"p{share}"] = None if own is None else {"value": own.value, "ci": list(own.ci)}
    return found


def _resident_mb() -> float | None:
    """Resident memory of this process; None where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    import resource

    return pages * resource.getpagesize() / 1e6


def _memory(seen: Sequence[float | None]) -> dict[str, Any]:
    known = [own for own in seen if own is not None]
    if not known:
        why = "this system does not tell a process its resident memory"
        return {"before": None, "peak": None, "why": why}
    return {"before": known[0], "peak": max(known), "why": None}
