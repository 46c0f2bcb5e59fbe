"""Calibration errors, Brier scores and reliability plots: values, what holds for any rows, bad input."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.calibration import calibration_curve as reference_curve
from sklearn.metrics import brier_score_loss

from shipworthy.errors import ScoringError
from shipworthy.scoring import (
    brier_score,
    calibration_curve,
    calibration_error,
    expected_calibration_error,
    multiclass_brier,
    wilson,
)

ROWS = st.lists(
    st.tuples(st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.5, 0.9, 1.0])), st.booleans()),
    min_size=1,
    max_size=60,
)
BINS = st.integers(1, 12)
LEVELS = st.floats(0.5, 0.999)


def columns(rows: list[tuple[float, bool]]) -> tuple[Any, Any]:
    return np.array([row[0] for row in rows]), np.array([row[1] for row in rows])


# Values


def test_calibration_error_is_the_mean_gap_over_bins_of_equal_size() -> None:
    confidence = np.array([0.9, 0.2, 0.8, 0.3])
    right = np.array([True, False, False, True])
    assert expected_calibration_error(confidence, right, bins=2) == pytest.approx((0.25 + 0.35) / 2)
    assert expected_calibration_error(confidence, right, bins=1) == pytest.approx(0.05)
    assert expected_calibration_error(np.ones(5), np.ones(5, bool)) == 0.0
    assert expected_calibration_error(np.ones(5), np.zeros(5, bool)) == 1.0


def test_equal_confidences_share_a_bin() -> None:
    right = np.tile([True, False], 50)
    assert expected_calibration_error(np.full(100, 0.5), right) == 0.0
    assert len(calibration_curve(np.full(100, 0.5), right)) == 1
    assert [point.n for point in calibration_curve(np.repeat([0.2, 0.9], [30, 70]), right)] == [30, 70]


def test_the_correction_is_that_of_many_redrawn_accuracies() -> None:
    """Kumar, Liang and Ma (2019) draw them; the mean of a folded normal distribution is the same."""
    rng = np.random.default_rng(0)
    confidence = np.sort(rng.uniform(size=500))
    right = rng.uniform(size=500) < confidence**1.5
    parts = np.array_split(np.arange(500), 10)
    accuracy = np.array([right[part].mean() for part in parts])
    means = np.array([confidence[part].mean() for part in parts])
    draws = rng.normal(accuracy, np.sqrt(accuracy * (1 - accuracy) / 49), size=(200_000, 10))
    measured = np.abs(accuracy - means).mean()
    expected = 2 * measured - np.abs(draws - means).mean()
    assert expected_calibration_error(confidence, right) == pytest.approx(measured)
    assert calibration_error(confidence, right).value == pytest.approx(expected, abs=2e-4)


@given(ROWS)
def test_the_brier_score_is_that_of_scikit_learn(rows: list[tuple[float, bool]]) -> None:
    confidence, right = columns(rows)
    assert brier_score(confidence, right).value == pytest.approx(
        brier_score_loss(right, confidence, pos_label=True)
    )


def test_the_brier_score_of_several_classes_is_that_of_the_definition() -> None:
    """Brier (1950): all on the right class is 0, all on a wrong one 2, even odds of k classes 1 - 1/k."""
    assert multiclass_brier([[1, 0, 0], [0, 1, 0]], [0, 1]).value == 0
    assert multiclass_brier([[1, 0, 0], [0, 1, 0]], [1, 2]).value == 2
    assert multiclass_brier(np.full((7, 4), 0.25), np.arange(7) % 4).value == pytest.approx(0.75)
    assert multiclass_brier([[0.7, 0.2, 0.1]], [1]).value == pytest.approx(0.49 + 0.64 + 0.01)


@given(ROWS, LEVELS)
def test_with_two_classes_it_is_twice_the_binary_score(rows: list[tuple[float, bool]], level: float) -> None:
    confidence, right = columns(rows)
    both = multiclass_brier(np.stack([1 - confidence, confidence], axis=1), right.astype(int), level=level)
    one = brier_score(confidence, right, level=level)
    assert (both.value, *both.ci) == pytest.approx((2 * one.value, 2 * one.ci[0], 2 * one.ci[1]), abs=1e-9)


def test_the_interval_of_sure_answers_is_about_that_of_a_proportion() -> None:
    """Where every confidence is 0 or 1, the Brier score is the share of wrong answers."""
    right = np.arange(400) % 20 != 0
    found = brier_score(np.ones(400), right)
    assert found.value == 0.05
    assert found.ci == pytest.approx(wilson(20, 400), abs=0.006)


def test_no_mistake_so_far_is_not_taken_for_certainty() -> None:
    """Student's interval alone would be 0.0001 to 0.0001, though 1 in 20 wrong often shows none of 50."""
    found = brier_score(np.full(50, 0.99), np.ones(50, bool))
    assert found.value == pytest.approx(0.0001)
    assert found.ci[0] <= 0.0001
    assert found.ci[1] > 0.05
    assert brier_score([0.9], [True]).ci == (0.0, 1.0)
    assert multiclass_brier([[0.9, 0.1]], [0]).ci == (0.0, 2.0)


@given(BINS)
def test_the_curve_is_that_of_scikit_learn_where_no_confidences_tie(bins: int) -> None:
    n = bins * 5
    rng = np.random.default_rng(n)
    confidence = rng.permutation((np.arange(n) + 0.5) / n)
    right = rng.uniform(size=n) < confidence
    shares, means = reference_curve(right, confidence, n_bins=bins, strategy="quantile")
    points = calibration_curve(confidence, right, bins=bins)
    assert [point.accuracy for point in points] == pytest.approx(shares)
    assert [point.confidence for point in points] == pytest.approx(means)
    for point in points:
        exact = stats.binomtest(round(point.accuracy * point.n), point.n).proportion_ci(0.95, method="exact")
        assert point.ci == pytest.approx((exact.low, exact.high), abs=1e-9)


# What must hold for any rows


@given(ROWS, BINS)
def test_calibration_error_lies_between_the_overall_gap_and_1(rows: Any, bins: int) -> None:
    confidence, right = columns(rows)
    error = expected_calibration_error(confidence, right, bins=bins)
    assert abs(confidence.mean() - right.mean()) - 1e-9 <= error <= 1 + 1e-9
    points = calibration_curve(confidence, right, bins=bins)
    assert sum(point.n for point in points) == len(rows)
    assert error == pytest.approx(
        sum(abs(point.accuracy - point.confidence) * point.n for point in points) / len(rows)
    )


@given(ROWS, BINS, LEVELS, LEVELS)
def test_intervals_hold_the_estimate_and_widen_with_the_level(
    rows: Any, bins: int, one: float, other: float
) -> None:
    for figure in (
        lambda level: calibration_error(*columns(rows), bins=bins, level=level),
        lambda level: brier_score(*columns(rows), level=level),
    ):
        narrow, wide = (figure(level) for level in sorted((one, other)))
        assert 0 <= narrow.ci[0] <= narrow.value <= narrow.ci[1] <= 1
        assert wide.ci[0] <= narrow.ci[0] + 1e-9
        assert wide.ci[1] >= narrow.ci[1] - 1e-9
        assert narrow.n == len(rows)
        assert narrow.ci_level == min(one, other)


@given(ROWS, BINS, st.randoms())
def test_the_order_of_the_rows_does_not_count(rows: Any, bins: int, random: Any) -> None:
    mixed = rows[:]
    random.shuffle(mixed)
    first, second = (calibration_error(*columns(some), bins=bins) for some in (rows, mixed))
    assert (first.value, *first.ci) == pytest.approx((second.value, *second.ci))
    one, other = (brier_score(*columns(some)) for some in (rows, mixed))
    assert (one.value, *one.ci) == pytest.approx((other.value, *other.ci))


@pytest.mark.parametrize(("n", "excess"), [(30, 0.0), (300, 0.0), (300, 0.05)])
def test_intervals_cover_and_the_correction_lessens_the_bias(n: int, excess: float) -> None:
    """benchmarks/statistics_selection.py has the long version."""
    rng = np.random.default_rng(1)
    covered, biases = [], []
    # Confidences from 0.5 to 1 that are too high by `excess` throughout.
    brier = (0.25 - 1 / 12) + excess * 0.5 if excess else 1 / 6
    for _ in range(400):
        confidence = rng.uniform(0.5, 1.0, n)
        right = rng.uniform(size=n) < confidence - excess
        error, score = calibration_error(confidence, right), brier_score(confidence, right)
        covered.append((error.ci[0] <= excess <= error.ci[1], score.ci[0] <= brier <= score.ci[1]))
        biases.append((error.value - excess, expected_calibration_error(confidence, right) - excess))
    assert np.all(np.mean(covered, axis=0) >= 0.95 - 3 * math.sqrt(0.05 * 0.95 / 400))
    corrected, measured = np.mean(biases, axis=0)
    assert abs(corrected) < 0.7 * measured


# Bad input


@pytest.mark.parametrize(
    "confidence",
    [
        [],
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
    for figure in (expected_calibration_error, calibration_error, brier_score, calibration_curve):
        with pytest.raises(ScoringError):
            figure(confidence, [True])


def test_rounding_of_log_probabilities_is_forgiven() -> None:
    assert expected_calibration_error([1 + 1e-12], [True]) == 0.0
    assert brier_score([1 + 1e-12], [True]).value == 0.0


@pytest.mark.parametrize("right", [[], True, [0.5], [2], [math.nan], ["yes"], [None], [[True]]], ids=repr)
def test_outcomes_that_are_none_are_an_error(right: Any) -> None:
    for figure in (expected_calibration_error, calibration_error, brier_score, calibration_curve):
        with pytest.raises(ScoringError):
            figure([0.5], right)


@given(st.one_of(st.floats(max_value=0), st.floats(min_value=1), st.just(math.nan), st.text(max_size=3)))
def test_a_level_outside_0_and_1_is_an_error(level: Any) -> None:
    for figure in (calibration_error, brier_score, calibration_curve):
        with pytest.raises(ScoringError):
            figure([0.5, 0.6], [True, False], level=level)
    with pytest.raises(ScoringError):
        multiclass_brier([[0.5, 0.5]], [0], level=level)


@pytest.mark.parametrize("bins", [0, -1, 2.5, math.nan, "ten", True, None])
def test_bins_that_are_no_count_are_an_error(bins: Any) -> None:
    for figure in (expected_calibration_error, calibration_error, calibration_curve):
        with pytest.raises(ScoringError):
            figure([0.5], [True], bins=bins)


@pytest.mark.parametrize(
    ("probabilities", "truth"),
    [
        ([], []),
        ([0.5, 0.5], [0, 1]),
        ([[1.0]], [0]),
        ([[0.5, 0.4]], [0]),
        ([[0.5, 0.5]], [2]),
        ([[0.5, 0.5]], [-1]),
        ([[0.5, 0.5]], [0.5]),
        ([[0.5, 0.5]], [0, 1]),
        ([[0.5, 0.5]], []),
        ([[1.5, -0.5]], [0]),
        ([[math.nan, 1.0]], [0]),
        ([[0.5, 0.5], [1.0]], [0, 0]),
        ([["a", "b"]], [0]),
        ([[0.5 + 1j, 0.5]], [0]),
        (np.ma.array([[0.5, 0.5]], mask=[[0, 1]]), [0]),
    ],
    ids=repr,
)
def test_probabilities_that_are_none_are_an_error(probabilities: Any, truth: Any) -> None:
    with pytest.raises(ScoringError):
        multiclass_brier(probabilities, truth)
