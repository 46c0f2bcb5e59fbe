"""Load: requests arrive whether or not the ones before were answered, and are timed from then."""

from __future__ import annotations

import contextlib
import heapq
import json
import math
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from shipworthy.errors import LMError, OutputError, OverloadedError
from shipworthy.evidence.load import MOST, Request, closed_loop, figures, load, open_loop, poisson
from shipworthy.lms import time_left
from shipworthy.runtime import Admission, Progress

ROWS = [{"text": f"row {i}"} for i in range(7)]


def sleeps(seconds: float) -> Callable[[Mapping[str, Any]], str]:
    def answer(row: Mapping[str, Any]) -> str:
        time.sleep(seconds)
        return str(row["text"])

    return answer


# ── queueing theory, on a simulated clock ────────────────────────────────────


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def simulated(
    rate: float, *, workers: int, deadline_s: float, n: int = 20_000, exponential: bool = True, seed: int = 0
) -> list[Request]:
    """A queue with the real admission, whose requests take a second on average, event by event."""
    rng = np.random.default_rng(seed)
    clock = Time()
    gate = Admission(workers=workers, deadline_s=deadline_s, service_s=1.0, clock=clock)
    waiting: deque[float] = deque()
    served: list[tuple[float, int, float, contextlib.ExitStack]] = []
    found: list[Request] = []
    numbers = iter(range(10 * n))

    def begin(due: float) -> None:
        stack = contextlib.ExitStack()
        stack.enter_context(gate.serving())
        took = float(rng.exponential()) if exponential else 1.0
        heapq.heappush(served, (clock.now + took, next(numbers), due, stack))

    def end_until(at: float) -> None:
        while served and served[0][0] <= at:
            clock.now, _, due, stack = heapq.heappop(served)
            stack.close()
            found.append(Request(due, clock.now, "late" if clock.now > due + deadline_s else "answered"))
            if waiting:
                begin(waiting.popleft())
        clock.now = at

    for due in np.cumsum(rng.exponential(1 / rate, size=n)):
        end_until(float(due))
        try:
            gate.enter()
        except OverloadedError:
            found.append(Request(clock.now, clock.now, "shed"))
            continue
        if len(served) < workers:
            begin(clock.now)
        else:
            waiting.append(clock.now)
    end_until(math.inf if not served else max(entry[0] for entry in served) + 1e9)
    return found


def test_below_capacity_times_are_those_of_queueing_theory_and_nobody_is_shed() -> None:
    found = figures(simulated(0.5, workers=1, deadline_s=1e6))
    assert found["shed"]["count"] == found["late"]["count"] == 0
    # M/M/1: the time from arrival to answer is exponential with rate mu - lambda.
    for share in (50, 95, 99):
        exact = -math.log(1 - share / 100) / (1.0 - 0.5) * 1e3
        assert found["ms"][f"p{share}"]["value"] == pytest.approx(exact, rel=0.15)


@pytest.mark.parametrize("exponential", [True, False])
@pytest.mark.parametrize("workers", [1, 4])
def test_far_beyond_capacity_the_rest_is_shed_and_the_accepted_are_in_time(
    workers: int, exponential: bool
) -> None:
    found = figures(simulated(10.0 * workers, workers=workers, deadline_s=20.0, exponential=exponential))
    assert found["shed"]["share"] == pytest.approx(0.9, abs=0.02)
    assert found["late"]["count"] < (0.1 if exponential else 0.001) * found["accepted"]
    assert found["per_s"] == pytest.approx(workers, rel=0.08)
    assert found["ms"]["p50"]["value"] < 20_000


def test_percentiles_count_from_the_arrival_and_leave_out_who_was_shed() -> None:
    requests = [Request(float(i), float(i) + 0.010, "answered") for i in range(99)]
    requests += [Request(99.0, 101.0, "late"), *[Request(99.0, 99.0, "shed")] * 100]
    found = figures(requests)
    assert (found["offered"], found["accepted"]) == (200, 100)
    assert found["ms"]["p50"]["value"] == pytest.approx(10.0)
    assert found["ms"]["p99"]["value"] == pytest.approx(10.0)
    assert found["ms"]["p99"]["ci"][1] is None  # one in a hundred says nothing of how slow the slowest are
    assert found["shed"]["share"] == 0.5


def test_arrivals_are_random_and_those_of_the_seed() -> None:
    times = poisson(50.0, 100.0, np.random.default_rng(3))
    assert times == poisson(50.0, 100.0, np.random.default_rng(3))
    assert len(times) == pytest.approx(5000, rel=0.06)
    gaps = np.diff([0.0, *times])
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.06)  # exponential: bursts and pauses
    assert len(poisson(1e6, 100.0, np.random.default_rng(3))) == MOST


# ── with threads ─────────────────────────────────────────────────────────────


def test_a_program_is_loaded_below_at_and_beyond_its_capacity() -> None:
    before = set(threading.enumerate())
    data = load(sleeps(0.02), ROWS, workers=2, seconds_each=1.0, deadline_s=0.5)
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert 0 < data["capacity"]["per_s"] <= 100
    light, full, heavy = data["levels"]
    assert [level["factor"] for level in data["levels"]] == [0.1, 1.0, 10.0]
    for level in data["levels"]:
        ends = [level[end]["count"] for end in ("answered", "shed", "late", "error")]
        assert sum(ends) == level["offered"] == level["accepted"] + level["shed"]["count"]
    assert light["shed"]["share"] <= full["shed"]["share"] <= heavy["shed"]["share"]
    assert heavy["shed"]["share"] > 0.5
    assert heavy["queue_peak"] > light["queue_peak"]
    assert heavy["rss_mb"]["peak"] >= heavy["rss_mb"]["before"] > 0
    assert not set(threading.enumerate()) - before


def test_arrivals_do_not_wait_for_answers() -> None:
    gate, offered = threading.Event(), []

    class Counts(Admission):
        def enter(self) -> None:
            super().enter()
            offered.append(1)
            if len(offered) == 20:
                gate.set()

    def stuck(row: Mapping[str, Any]) -> bool:
        return gate.wait(60)

    admission = Counts(workers=1, deadline_s=1e4, service_s=0.001)
    # Would a request wait for the answer before it, none would ever come.
    requests, _ = open_loop(stuck, ROWS, [0.001] * 20, admission=admission, workers=1, deadline_s=1e4)
    assert [request.end for request in requests] == ["answered"] * 20


def test_who_waited_past_the_deadline_is_not_served_any_more() -> None:
    served: list[str] = []

    def slow(row: Mapping[str, Any]) -> None:
        served.append(row["text"])
        assert time_left() is not None
        time.sleep(max(0.0, time_left() or 0.0) + 0.01)

    admission = Admission(workers=1, deadline_s=1e4, service_s=0.001)
    requests, _ = open_loop(slow, ROWS, [0.0] * 5, admission=admission, workers=1, deadline_s=0.1)
    assert [request.end for request in requests] == ["late"] * 5
    assert len(served) == 1


def test_rows_that_end_in_an_error_are_counted_by_its_name() -> None:
    def fails(row: Mapping[str, Any]) -> None:
        raise OutputError("no JSON")

    data = load(fails, ROWS, workers=2, seconds_each=0.05, factors=(0.01,))
    assert data["levels"][0]["errors"] == {"OutputError": data["levels"][0]["offered"]}
    assert data["levels"][0]["per_s"] == 0


@pytest.mark.parametrize("error", [LMError("down"), ZeroDivisionError("a bug")])
def test_what_is_down_and_what_is_wrong_in_us_is_raised_and_no_thread_is_left(error: Exception) -> None:
    before = set(threading.enumerate())
    left = [1] * 6

    def breaks(row: Mapping[str, Any]) -> None:
        time.sleep(0.001)
        if not left:
            raise error
        left.pop()

    with pytest.raises(type(error)):
        load(breaks, ROWS, workers=2, seconds_each=0.2)
    assert not set(threading.enumerate()) - before


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C as at a terminal: a shell's background jobs ignore it, and so do tests that run in one."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("loop", ["closed", "open"])
def test_an_interrupt_ends_it_and_leaves_no_thread(loop: str) -> None:
    before = set(threading.enumerate())
    calls: list[int] = []

    def interrupted(row: Mapping[str, Any]) -> None:
        calls.append(1)
        time.sleep(0.001)
        if len(calls) == 10:
            signal.raise_signal(signal.SIGINT)

    def run() -> None:
        if loop == "closed":
            closed_loop(interrupted, ROWS, workers=2, seconds=60.0)
            return
        admission = Admission(workers=2, deadline_s=1e4, service_s=0.001)
        arrivals = [0.002 * i for i in range(30_000)]
        open_loop(interrupted, ROWS, arrivals, admission=admission, workers=2, deadline_s=1e4)

    with pytest.raises(KeyboardInterrupt):
        run()
    assert not set(threading.enumerate()) - before


def test_progress_is_told_and_no_rows_are_no_load() -> None:
    told: list[int] = []

    class Listens(Progress):
        def start(self, task: str, total: int) -> None:
            told.append(total)

        def advance(self, done: int) -> None:
            told.append(done)

    load(sleeps(0.001), ROWS, workers=1, seconds_each=1.0, factors=(0.1,), progress=Listens())
    assert told[0] == 2
    assert told[1:] == sorted(told[1:])
    assert told[-1] <= 2
    data = load(sleeps(0.001), [], workers=1)
    assert (data["capacity"], data["levels"], data["why"]) == (None, [], "there are no rows")
