"""Thresholds with a guarantee, and calibration error: what they keep, and what must hold for any data."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipworthy.errors import ScoringError
from shipworthy.scoring import binomial_lower, expected_calibration_error, threshold_with_guarantee

# Thresholds


def test_a_threshold_answers_as_much_as_the_rows_can_carry() -> None:
    confidence = np.linspace(0.0, 1.0, 1000)
    right = confidence >= 0.3
    threshold = threshold_with_guarantee(confidence, right, target=0.97)
    assert threshold == pytest.approx(0.3, abs=0.01)
    assert threshold_with_guarantee(confidence, right, target=0.5) == 0.0
    assert threshold_with_guarantee(confidence, ~right, target=0.9) is None


def test_a_few_rows_carry_no_high_guarantee() -> None:
    assert threshold_with_guarantee(np.full(20, 0.9), np.ones(20, bool), target=0.97) is None
    assert threshold_with_guarantee(np.full(200, 0.9), np.ones(200, bool), target=0.97) == 0.0
    assert threshold_with_guarantee(np.array([]), np.array([], bool), target=0.5) is None


@given(
    st.lists(st.tuples(st.sampled_from([0.1, 0.5, 0.5, 0.7, 0.9]), st.booleans()), min_size=1, max_size=80),
    st.floats(0.1, 0.95),
    st.floats(0.01, 0.3),
)
def test_what_is_answered_meets_the_bound(
    rows: list[tuple[float, bool]], target: float, delta: float
) -> None:
    confidence, right = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    threshold = threshold_with_guarantee(confidence, right, target=target, delta=delta)
    if threshold is None:
        assert binomial_lower(int(right.sum()), len(rows), delta=delta / 10) < target
        return
    answered = confidence >= threshold
    assert binomial_lower(int(right[answered].sum()), int(answered.sum()), delta=delta) >= target


def test_the_guarantee_holds_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    broken = 0
    for _ in range(300):
        confidence = rng.uniform(0.5, 1.0, 150)
        right = rng.uniform(size=150) < confidence
        threshold = threshold_with_guarantee(confidence, right, target=0.8, delta=0.1)
        if threshold is not None:
            true_accuracy = (max(threshold, 0.5) + 1.0) / 2
            broken += true_accuracy < 0.8
    assert broken <= 30


@pytest.mark.parametrize("delta", [0.0, 1.0, -1.0, 20.0, math.nan])
def test_a_delta_outside_0_and_1_is_a_scoring_error(delta: float) -> None:
    with pytest.raises(ScoringError, match="delta"):
        threshold_with_guarantee(np.ones(3), np.ones(3, bool), target=0.5, delta=delta)


def test_confidences_without_their_outcomes_are_a_scoring_error() -> None:
    with pytest.raises(ScoringError, match="same length"):
        threshold_with_guarantee(np.ones(3), np.ones(2, bool), target=0.5)
    for right in (np.ones(2, bool), np.ones(4, bool)):
        with pytest.raises(ScoringError, match="same length"):
            expected_calibration_error(np.ones(3), right)


# Calibration


def test_calibration_error_is_the_mean_gap_over_bins_of_equal_size() -> None:
    confidence = np.array([0.9, 0.2, 0.8, 0.3])
    right = np.array([True, False, False, True])
    assert expected_calibration_error(confidence, right, bins=2) == pytest.approx((0.25 + 0.35) / 2)
    assert expected_calibration_error(confidence, right, bins=1) == pytest.approx(0.05)
    assert expected_calibration_error(np.ones(5), np.ones(5, bool)) == 0.0
    assert expected_calibration_error(np.ones(5), np.zeros(5, bool)) == 1.0


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=50), st.integers(1, 12))
def test_calibration_error_lies_between_the_overall_gap_and_1(rows: Any, bins: int) -> None:
    confidence, right = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    error = expected_calibration_error(confidence, right, bins=bins)
    assert abs(confidence.mean() - right.mean()) - 1e-9 <= error <= 1 + 1e-9


def test_calibrated_confidences_have_a_small_error() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.uniform(size=20_000)
    assert expected_calibration_error(confidence, rng.uniform(size=20_000) < confidence) < 0.02


def test_calibration_error_of_no_rows_is_a_scoring_error() -> None:
    with pytest.raises(ScoringError, match="no rows"):
        expected_calibration_error(np.array([]), np.array([]))
