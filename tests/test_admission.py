"""Admission: who can be answered in time is let in, and nobody else while all workers are busy."""

from __future__ import annotations

import contextlib
import threading

import pytest

from shipworthy.errors import InputError, OverloadedError
from shipworthy.runtime import Admission


class Time:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def admission(clock: Time | None = None, **more: float) -> Admission:
    options = {"workers": 2, "deadline_s": 10.0, "service_s": 1.0, **more}
    return Admission(clock=clock or Time(), **options)  # type: ignore[arg-type]


def let_in(gate: Admission, n: int) -> int:
    """How many of n that come at once are let in."""
    done = 0
    for _ in range(n):
        with contextlib.suppress(OverloadedError):
            gate.enter()
            done += 1
    return done


def serve(gate: Admission, clock: Time, seconds: float, times: int = 1) -> None:
    for _ in range(times):
        gate.enter()
        with gate.serving():
            clock.now += seconds


def test_as_many_may_wait_as_can_be_answered_before_the_deadline() -> None:
    clock = Time()
    gate = admission(clock, deadline_s=10.1)
    serve(gate, clock, 1.0, times=500)  # the spread is known to be nothing by now
    # Two at once, a second each: the last of 20 is answered after 10 s.
    assert gate.bound == 18
    assert let_in(gate, 100) == gate.peak == 20


def test_until_the_spread_is_known_fewer_are_let_in() -> None:
    assert 5 < let_in(admission(), 100) < 19


def test_who_is_turned_away_is_told_when_to_come_again() -> None:
    gate = admission()
    let_in(gate, 100)
    with pytest.raises(OverloadedError) as caught:
        gate.enter()
    assert "within 10 s" in caught.value.message
    assert caught.value.hint == "try again in 1 s"


def test_who_is_served_or_gives_up_makes_room() -> None:
    clock = Time()
    gate = admission(clock)
    full = let_in(gate, 100)
    gate.withdraw()
    gate.withdraw()
    assert let_in(gate, 100) == 2
    for _ in range(full):
        with gate.serving():
            pass
    assert let_in(gate, 1) == 1


def test_a_slower_program_lets_fewer_in() -> None:
    clock = Time()
    gate = admission(clock)
    before = gate.bound
    serve(gate, clock, 3.0, times=200)
    assert gate.bound < before / 2
    assert gate.service_s == pytest.approx(3.0, rel=0.01)


def test_after_a_stall_the_speed_is_measured_again() -> None:
    clock = Time()
    gate = admission(clock, workers=1)
    before = gate.bound
    serve(gate, clock, 600.0)
    assert gate.bound < before
    serve(gate, clock, 1.0, times=200)  # with a free worker everybody is let in
    assert gate.bound > before


def test_an_answer_that_fails_takes_its_time_too() -> None:
    clock = Time()
    gate = admission(clock)
    for _ in range(100):
        gate.enter()
        with contextlib.suppress(ValueError), gate.serving():
            clock.now += 4.0
            raise ValueError("a bad row")
    assert gate.service_s == pytest.approx(4.0, rel=0.05)


def test_a_deadline_shorter_than_one_answer_lets_in_whom_a_free_worker_takes() -> None:
    gate = admission(deadline_s=0.5)
    assert let_in(gate, 10) == 2


def test_threads_may_share_it() -> None:
    gate = admission(workers=4, deadline_s=1000.0)

    def many() -> None:
        for _ in range(500):
            gate.enter()
            with gate.serving():
                pass

    threads = [threading.Thread(target=many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (gate._waiting, gate._serving) == (0, 0)


@pytest.mark.parametrize("bad", [{"workers": 0}, {"deadline_s": 0.0}, {"service_s": float("nan")}])
def test_what_cannot_be_is_refused(bad: dict[str, float]) -> None:
    with pytest.raises(InputError):
        admission(**bad)
