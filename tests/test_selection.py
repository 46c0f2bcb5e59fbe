"""Thresholds and accuracies that are promised: what they keep, and what must hold for any rows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from shipworthy.errors import ScoringError
from shipworthy.scoring import (
    binomial_lower,
    outlier_threshold,
    promises,
    rows_needed,
    threshold_with_guarantee,
)

ROWS = st.lists(
    st.tuples(st.one_of(st.floats(0, 1), st.sampled_from([0.5, 0.7, 0.9])), st.booleans()),
    min_size=1,
    max_size=120,
)
TARGETS = st.floats(0.05, 0.95)
DELTAS = st.floats(0.01, 0.4)


def columns(rows: list[tuple[float, bool]]) -> tuple[Any, Any]:
    return np.array([row[0] for row in rows]), np.array([row[1] for row in rows])


# Thresholds


def test_a_threshold_answers_as_much_as_the_rows_can_carry() -> None:
    confidence = np.linspace(0.0, 1.0, 1000)
    right = confidence >= 0.3
    assert threshold_with_guarantee(confidence, right, target=0.97) == pytest.approx(0.3, abs=0.03)
    assert threshold_with_guarantee(confidence, right, target=0.5) == 0.0
    assert threshold_with_guarantee(confidence, ~right, target=0.9) is None


def test_a_few_rows_carry_no_high_guarantee() -> None:
    assert threshold_with_guarantee(np.full(20, 0.9), np.ones(20, bool), target=0.97) is None
    assert threshold_with_guarantee(np.full(200, 0.9), np.ones(200, bool), target=0.97) == 0.0
    assert threshold_with_guarantee([0.9], [True], target=0.5) is None
    assert threshold_with_guarantee([], [], target=0.5) is None


def test_all_right_is_answered_and_all_wrong_is_not() -> None:
    confidence = np.linspace(0.5, 1.0, 300)
    assert threshold_with_guarantee(confidence, np.ones(300, bool), target=0.95) == 0.0
    assert threshold_with_guarantee(confidence, np.zeros(300, bool), target=0.05) is None


def test_two_confidences_are_told_apart_half_way() -> None:
    confidence = np.repeat([0.9, 0.3], 200)
    right = np.concatenate([np.ones(200), np.tile([0, 1], 100)])
    assert threshold_with_guarantee(confidence, right, target=0.95) == pytest.approx(0.6)


def test_accurate_rows_are_answered_where_confidence_says_nothing() -> None:
    """A mistake among the most confident rows ends the way down; answering all is tried besides."""
    confidence = np.linspace(0.5, 1.0, 1000)
    right = np.ones(1000, bool)
    right[-20:] = False
    assert threshold_with_guarantee(confidence, right, target=0.95) == 0.0


@given(ROWS, TARGETS, DELTAS)
def test_what_is_answered_passes_the_exact_test(
    rows: list[tuple[float, bool]], target: float, delta: float
) -> None:
    confidence, right = columns(rows)
    threshold = threshold_with_guarantee(confidence, right, target=target, delta=delta)
    if threshold is None:
        assert binomial_lower(int(right.sum()), len(rows), delta=delta / 10) < target + 1e-9
        return
    answered = confidence >= threshold
    test = stats.binomtest(int(right[answered].sum()), int(answered.sum()), target, alternative="greater")
    assert test.pvalue <= delta + 1e-9


@given(ROWS, TARGETS, st.randoms())
def test_the_order_of_the_rows_does_not_count(
    rows: list[tuple[float, bool]], target: float, random: Any
) -> None:
    mixed = rows[:]
    random.shuffle(mixed)
    found = [threshold_with_guarantee(*columns(some), target=target) for some in (rows, mixed)]
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("name", "n", "target"),
    [("calibrated", 100, 0.8), ("calibrated", 300, 0.9), ("overconfident", 200, 0.9), ("ties", 100, 0.9)],
)
def test_the_guarantee_breaks_in_no_more_than_delta_of_the_runs(name: str, n: int, target: float) -> None:
    """benchmarks/statistics_selection.py has the long version."""
    rng = np.random.default_rng(0)
    grid = (np.arange(20_000) + 0.5) / 20_000

    def world(u: Any) -> tuple[Any, Any]:
        if name == "calibrated":
            return 0.5 + 0.5 * u, 0.5 + 0.5 * u
        if name == "overconfident":
            return 1 - 0.5 * (1 - u) ** 3, 0.6 + 0.38 * u
        return np.floor(5 * u) / 5, 0.8 + 0.24 * np.floor(5 * u) / 5

    confidences, accuracies = world(grid)
    broken = 0
    for _ in range(1000):
        confidence, accuracy = world(rng.uniform(size=n))
        cut = threshold_with_guarantee(confidence, rng.uniform(size=n) < accuracy, target=target, delta=0.1)
        if cut is not None:
            broken += float(accuracies[confidences >= cut].mean()) < target
    assert broken / 1000 <= 0.1 + 3 * math.sqrt(0.1 * 0.9 / 1000)


# Promises


@given(ROWS, DELTAS)
def test_promises_are_exact_bounds_of_what_would_be_answered(
    rows: list[tuple[float, bool]], delta: float
) -> None:
    confidence, right = columns(rows)
    for asked, promise in zip(
        (1.0, 0.6, 0.2), promises(*columns(rows), coverages=(1.0, 0.6, 0.2), delta=delta), strict=True
    ):
        if not promise.n:
            assert (promise.coverage, promise.guaranteed) == (0.0, 0.0)
            continue
        answered = confidence >= promise.threshold
        assert promise.n == answered.sum()
        assert promise.right == right[answered].sum()
        assert promise.coverage == promise.n / len(rows) <= asked + 1e-9
        assert promise.accuracy == promise.right / promise.n
        assert promise.guaranteed == pytest.approx(binomial_lower(promise.right, promise.n, delta=delta / 3))


def test_all_promises_hold_together_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    broken = 0
    for _ in range(500):
        confidence = rng.uniform(0.5, 1.0, 200)
        made = promises(confidence, rng.uniform(size=200) < confidence, delta=0.1)
        # The true accuracy above a cut is the mean confidence above it.
        broken += any((max(one.threshold, 0.5) + 1) / 2 < one.guaranteed for one in made)
    assert broken / 500 <= 0.1


# Rows that are still needed


@given(st.integers(1, 400), st.integers(0, 40), st.integers(0, 200), st.floats(0.5, 0.99))
def test_the_rows_needed_are_enough_and_one_less_is_not(
    right: int, wrong: int, unanswered: int, target: float
) -> None:
    n, total = right + wrong, right + wrong + unanswered
    more = rows_needed(right, n, total, target)
    if more is None:
        grown = 1000
        assert right / n <= target or stats.beta.ppf(0.05, right * grown, wrong * grown + 1) < target + 1e-6
        return

    def bound(rows: int) -> float:
        grown = (total + rows) / total
        return float(stats.beta.ppf(0.05, right * grown, wrong * grown + 1))

    assert bound(more) >= target - 1e-9
    assert more == 0 or bound(more - 1) < target + 1e-9
    assert (more == 0) == (binomial_lower(right, n, delta=0.05) >= target)


def test_no_number_of_rows_helps_where_accuracy_is_too_low() -> None:
    assert rows_needed(90, 100, 100, 0.95) is None
    assert rows_needed(90, 100, 100, 0.9) is None
    assert rows_needed(0, 0, 100, 0.9) is None
    assert rows_needed(90_001, 100_000, 100_000, 0.90000999) is None


def test_all_right_needs_the_rows_of_the_closed_form() -> None:
    """0.95 to the power of n is at most 0.05 from n = 59 on (the rule of three, exactly)."""
    assert rows_needed(20, 20, 20, 0.95) == 59 - 20
    assert rows_needed(59, 59, 59, 0.95) == 0


# Bad input


@given(st.one_of(st.floats(max_value=0), st.floats(min_value=1), st.just(math.nan), st.text(max_size=3)))
def test_a_target_or_delta_outside_0_and_1_is_an_error(value: Any) -> None:
    for call in (
        lambda: threshold_with_guarantee([0.5], [True], target=value),
        lambda: threshold_with_guarantee([0.5], [True], target=0.5, delta=value),
        lambda: promises([0.5], [True], delta=value),
        lambda: rows_needed(1, 1, 1, value),
        lambda: rows_needed(1, 1, 1, 0.5, delta=value),
    ):
        with pytest.raises(ScoringError):
            call()


@pytest.mark.parametrize(
    "confidence",
    [
        [math.nan],
        [math.inf],
        [-0.1],
        [1.1],
        [1 + 2j],
        ["a"],
        [None],
        [[0.5]],
        0.5,
        [0.5, 0.6],
        np.ma.array([0.5], mask=[1]),
    ],
    ids=repr,
)
def test_confidences_that_are_none_are_an_error(confidence: Any) -> None:
    with pytest.raises(ScoringError):
        threshold_with_guarantee(confidence, [True], target=0.5)
    with pytest.raises(ScoringError):
        promises(confidence, [True])


@pytest.mark.parametrize("right", [True, [0.5], [math.nan], ["yes"], [None], [[True]], []], ids=repr)
def test_outcomes_that_are_none_are_an_error(right: Any) -> None:
    with pytest.raises(ScoringError):
        threshold_with_guarantee([0.5], right, target=0.5)
    with pytest.raises(ScoringError):
        promises([0.5], right)


@pytest.mark.parametrize("coverages", [[], [0.0], [1.1], [math.nan], ["all"]], ids=repr)
def test_coverages_that_are_none_are_an_error(coverages: Any) -> None:
    with pytest.raises(ScoringError):
        promises([0.5], [True], coverages=coverages)


@pytest.mark.parametrize(
    "counts", [(2, 1, 3), (1, 2, 1), (-1, 2, 3), (0.5, 1, 1), (math.nan, 1, 1), ("1", 1, 1)]
)
def test_counts_that_cannot_be_are_an_error(counts: Any) -> None:
    with pytest.raises(ScoringError):
        rows_needed(*counts, 0.9)


def test_no_rows_promise_nothing_and_are_an_error() -> None:
    with pytest.raises(ScoringError):
        promises([], [])


# Outliers


@pytest.mark.parametrize(("n", "share"), [(19, 0.05), (60, 0.05), (90, 0.1), (400, 0.02)])
def test_a_row_like_the_others_is_taken_for_an_outlier_no_more_often_than_stated(
    n: int, share: float
) -> None:
    rng = np.random.default_rng(n)
    below = [rng.beta(9, 1) < outlier_threshold(rng.beta(9, 1, n), share=share) for _ in range(4000)]
    assert np.mean(below) <= share + 3 * np.sqrt(share / 4000)


def test_too_few_rows_for_the_share_hand_over_nothing() -> None:
    assert outlier_threshold(np.full(18, 0.9), share=0.05) == 0.0
    assert outlier_threshold([], share=0.05) == outlier_threshold([0.3, 0.4], share=0.0) == 0.0


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_a_share_of_outliers_lies_from_zero_to_below_one(share: float) -> None:
    with pytest.raises(ScoringError, match="from 0 to below 1"):
        outlier_threshold([0.5], share=share)
