"""Many rows at once: in order, in bounded memory, errors kept or raised."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipworthy.errors import LMError, OutputError, RowInputError
from shipworthy.runtime import ordered_map


@given(st.lists(st.integers(), max_size=40), st.integers(0, 5), st.integers(1, 3))
@settings(max_examples=40)
def test_outcomes_come_in_the_order_of_the_items(items: list[int], workers: int, ahead: int) -> None:
    outcomes = ordered_map(lambda item: item * 2, items, workers=workers, ahead=ahead)
    assert [outcome.unwrap() for outcome in outcomes] == [item * 2 for item in items]


def test_order_holds_where_later_items_are_done_first() -> None:
    later = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            assert later.wait(10)
        elif item == 3:
            later.set()
        return item

    assert [outcome.unwrap() for outcome in ordered_map(work, range(8), workers=4)] == list(range(8))


def test_items_are_worked_on_at_the_same_time() -> None:
    meeting = threading.Barrier(4)
    outcomes = ordered_map(lambda item: meeting.wait(10) >= 0, range(8), workers=4)
    assert all(outcome.unwrap() for outcome in outcomes)


def test_an_endless_iterator_is_read_only_a_little_ahead() -> None:
    read = itertools.count()
    taken = 0

    def endless() -> Iterator[int]:
        nonlocal taken
        for item in read:
            taken = item + 1
            yield item

    outcomes = ordered_map(lambda item: item, endless(), workers=2, ahead=3)
    assert taken == 0
    for expected in range(100):
        assert next(outcomes).unwrap() == expected
        assert taken <= expected + 6
    outcomes.close()


def test_an_error_of_a_row_is_kept_in_its_place() -> None:
    def work(item: int) -> int:
        if item % 2:
            raise OutputError(f"row {item}")
        return item

    outcomes = list(ordered_map(work, range(4), workers=2))
    assert [outcome.value for outcome in outcomes] == [0, None, 2, None]
    assert [str(outcome.error) for outcome in outcomes] == ["None", "row 1", "None", "row 3"]
    with pytest.raises(OutputError, match="row 1"):
        outcomes[1].unwrap()


@pytest.mark.parametrize("error", [LMError("down"), ZeroDivisionError("a bug"), KeyboardInterrupt()])
def test_any_other_error_ends_the_iteration_after_the_rows_before_it(error: BaseException) -> None:
    def work(item: int) -> int:
        if item == 2:
            raise error
        return item

    outcomes = ordered_map(work, range(100), workers=2)
    assert [next(outcomes).unwrap(), next(outcomes).unwrap()] == [0, 1]
    with pytest.raises(type(error)):
        next(outcomes)
    assert list(outcomes) == []


def test_which_errors_are_kept_is_the_callers_choice() -> None:
    def work(item: int) -> int:
        raise LMError("down") if item else RowInputError("missing")

    kept = list(ordered_map(work, range(2), workers=1, keep=(LMError, RowInputError)))
    assert [type(outcome.error) for outcome in kept] == [RowInputError, LMError]
    with pytest.raises(RowInputError):
        list(ordered_map(work, range(2), workers=1, keep=(LMError,)))


def test_an_error_of_the_items_themselves_is_raised() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("the file ended badly")

    with pytest.raises(ValueError, match="ended badly"):
        list(ordered_map(lambda item: item, items(), workers=2))


def test_threads_end_when_the_caller_stops_early() -> None:
    before = set(threading.enumerate())
    outcomes = ordered_map(lambda item: item, itertools.count(), workers=3)
    next(outcomes)
    outcomes.close()
    until = time.monotonic() + 10
    while set(threading.enumerate()) - before and time.monotonic() < until:
        time.sleep(0.005)
    assert not set(threading.enumerate()) - before
