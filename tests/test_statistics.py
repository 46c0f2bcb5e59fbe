"""Statistics of proportions against other ways of computing them, and what must hold for any data."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

from shipworthy.scoring import (
    Interval,
    binomial_lower,
    expected_calibration_error,
    paired_difference,
    threshold_with_guarantee,
    wilson,
)

LEVELS = st.floats(0.5, 0.999)
COUNTS = st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
TABLES = st.tuples(*[st.integers(0, 60)] * 4).filter(any)


def rows_of(both: int, wins: int, losses: int, neither: int) -> tuple[list[bool], list[bool]]:
    first = [True] * (both + wins) + [False] * (losses + neither)
    second = [True] * both + [False] * wins + [True] * losses + [False] * neither
    return first, second


def newcombe(a: int, b: int, c: int, d: int, z: float) -> Interval:
    """Method 10, written out from the definition: limits are roots of the score equation."""

    def score_limits(x: int, n: int) -> Interval:
        roots = np.roots([n * n + n * z * z, -(2 * x * n + n * z * z), x * x]).real
        return float(roots.min()), float(roots.max())

    n = a + b + c + d
    p1, p2 = (a + b) / n, (a + c) / n
    (l1, u1), (l2, u2) = score_limits(a + b, n), score_limits(a + c, n)
    phi = 0.0
    if (a + b) and (c + d) and (a + c) and (b + d):
        top = a * d - b * c
        if top > 0:
            top = max(top - n / 2, 0)
        phi = top / math.sqrt((a + b) * (c + d) * (a + c) * (b + d))
    below = (p1 - l1) ** 2 - 2 * phi * (p1 - l1) * (u2 - p2) + (u2 - p2) ** 2
    above = (p2 - l2) ** 2 - 2 * phi * (p2 - l2) * (u1 - p1) + (u1 - p1) ** 2
    return p1 - p2 - math.sqrt(max(below, 0)), p1 - p2 + math.sqrt(max(above, 0))


# One proportion


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_gives_the_published_values(right: int, n: int, low: float, high: float) -> None:
    """Table I of Newcombe (1998), Statistics in Medicine 17, 857, method 3."""
    assert wilson(right, n) == pytest.approx((low, high), abs=5e-5)


@given(COUNTS, LEVELS)
def test_wilson_is_that_of_scipy_and_holds_the_estimate(counts: tuple[int, int], level: float) -> None:
    right, n = counts
    low, high = wilson(right, n, level=level)
    expected = stats.binomtest(right, n).proportion_ci(level, method="wilson")
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert 0 <= low <= right / n <= high <= 1
    assert wilson(n - right, n, level=level) == pytest.approx((1 - high, 1 - low))


@given(COUNTS, LEVELS, LEVELS)
def test_wilson_is_wider_at_a_higher_level(counts: tuple[int, int], one: float, other: float) -> None:
    narrow, wide = (wilson(*counts, level=level) for level in sorted((one, other)))
    assert wide[0] <= narrow[0] + 1e-12
    assert wide[1] >= narrow[1] - 1e-12


@pytest.mark.parametrize(("right", "n"), [(-1, 5), (6, 5), (0, 0), (1, -1)])
def test_no_proportion_is_a_value_error(right: int, n: int) -> None:
    with pytest.raises(ValueError, match="is no proportion"):
        wilson(right, n)


@pytest.mark.parametrize("level", [0.0, 1.0, -0.5, 95, math.nan])
def test_a_level_outside_0_and_1_is_a_value_error(level: float) -> None:
    with pytest.raises(ValueError, match="a level lies between 0 and 1"):
        wilson(1, 2, level=level)
    with pytest.raises(ValueError, match="a level lies between 0 and 1"):
        paired_difference([True], [False], level=level)


@given(COUNTS, st.floats(0.001, 0.5))
def test_the_lower_bound_is_exact(counts: tuple[int, int], delta: float) -> None:
    right, n = counts
    bound = binomial_lower(right, n, delta=delta)
    expected = stats.binomtest(right, n, alternative="greater").proportion_ci(1 - delta, method="exact")
    assert bound == pytest.approx(expected.low, abs=1e-9)
    assert 0 <= bound <= right / n
    if right:
        assert stats.binom.sf(right - 1, n, bound) == pytest.approx(delta, rel=1e-6)


def test_all_right_has_the_bound_of_the_closed_form() -> None:
    assert binomial_lower(59, 59, delta=0.05) == pytest.approx(0.05 ** (1 / 59))
    assert binomial_lower(0, 0, delta=0.05) == 0.0


@pytest.mark.parametrize(
    ("right", "n", "delta"), [(-1, 5, 0.1), (6, 5, 0.1), (1, 5, 0.0), (1, 5, 1.0), (1, 5, math.nan)]
)
def test_a_bound_of_nothing_sensible_is_a_value_error(right: int, n: int, delta: float) -> None:
    with pytest.raises(ValueError, match="are needed"):
        binomial_lower(right, n, delta=delta)


# Two proportions on the same rows


@given(TABLES, LEVELS)
def test_the_interval_is_newcombes_method_10(table: tuple[int, int, int, int], level: float) -> None:
    found = paired_difference(*rows_of(*table), level=level)
    z = NormalDist().inv_cdf((1 + level) / 2)
    assert found.ci == pytest.approx(newcombe(*table, z), abs=1e-7)


def test_the_interval_of_a_published_table() -> None:
    """Hyper-responsiveness of airways: 1, 1, 7, 12; Fagerland, Lydersen and Laake (2014)."""
    found = paired_difference(*rows_of(1, 1, 7, 12))
    assert found.mean == pytest.approx(-0.286, abs=5e-4)
    assert found.ci == pytest.approx((-0.507, -0.026), abs=5e-4)


@given(TABLES)
def test_p_is_the_exact_mcnemar_test(table: tuple[int, int, int, int]) -> None:
    found = paired_difference(*rows_of(*table))
    _, wins, losses, _ = table
    assert (found.n, found.wins, found.losses) == (sum(table), wins, losses)
    assert found.mean == pytest.approx((wins - losses) / sum(table))
    if wins + losses:
        assert found.p == pytest.approx(
            stats.binomtest(wins, wins + losses, 0.5, alternative="greater").pvalue
        )
    else:
        assert found.p == 1.0


@given(TABLES, LEVELS)
def test_the_interval_holds_the_difference_and_stays_within_bounds(table: Any, level: float) -> None:
    found = paired_difference(*rows_of(*table), level=level)
    low, high = found.ci
    assert -1 - 1e-12 <= low <= found.mean <= high <= 1 + 1e-12
    assert 0 <= found.p <= 1
    assert found.ci_level == level


@given(TABLES, LEVELS)
def test_swapping_the_programs_mirrors_the_result(table: Any, level: float) -> None:
    first, second = rows_of(*table)
    one, other = paired_difference(first, second, level=level), paired_difference(second, first, level=level)
    assert other.mean == -one.mean
    assert other.ci == pytest.approx((-one.ci[1], -one.ci[0]), abs=1e-12)
    assert (other.wins, other.losses) == (one.losses, one.wins)
    assert one.p + other.p >= 1


@given(TABLES, LEVELS, LEVELS)
def test_the_interval_is_wider_at_a_higher_level(table: Any, one: float, other: float) -> None:
    rows = rows_of(*table)
    narrow, wide = (paired_difference(*rows, level=level).ci for level in sorted((one, other)))
    assert wide[0] <= narrow[0] + 1e-9
    assert wide[1] >= narrow[1] - 1e-9


@given(TABLES, st.randoms())
def test_the_order_of_the_rows_does_not_count(table: Any, random: Any) -> None:
    first, second = rows_of(*table)
    pairs = list(zip(first, second, strict=True))
    random.shuffle(pairs)
    assert paired_difference(*zip(*pairs, strict=True)) == paired_difference(first, second)


def test_a_program_against_itself_differs_by_nothing() -> None:
    found = paired_difference([True] * 30 + [False] * 10, [True] * 30 + [False] * 10)
    assert found.mean == 0
    assert found.ci[0] == pytest.approx(-found.ci[1])
    assert found.p == 1.0


@pytest.mark.parametrize(
    ("first", "second"), [([], []), ([True], []), ([True, False], [True]), ([[True]], [[True]])]
)
def test_rows_that_do_not_pair_are_a_value_error(first: Any, second: Any) -> None:
    with pytest.raises(ValueError, match="of the same length"):
        paired_difference(first, second)


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
    assert binomial_lower(int(right[answered].sum()), int(answered.sum()), delta=delta / 10) >= target


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
def test_a_delta_outside_0_and_1_is_a_value_error(delta: float) -> None:
    with pytest.raises(ValueError, match="delta"):
        threshold_with_guarantee(np.ones(3), np.ones(3, bool), target=0.5, delta=delta)


def test_confidences_without_their_outcomes_are_a_value_error() -> None:
    with pytest.raises(ValueError, match="same length"):
        threshold_with_guarantee(np.ones(3), np.ones(2, bool), target=0.5)
    for right in (np.ones(2, bool), np.ones(4, bool)):
        with pytest.raises(ValueError, match="same length"):
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


def test_calibration_error_of_no_rows_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="no rows"):
        expected_calibration_error(np.array([]), np.array([]))


def test_the_reference_solves_the_score_equation() -> None:
    """The reference of this file's tests, held to a root finder."""
    z = 1.959964
    low, high = newcombe(0, 7, 0, 13, z)

    def score(p: float) -> float:
        return abs(7 / 20 - p) - z * math.sqrt(p * (1 - p) / 20)

    l1, u1 = optimize.brentq(score, 1e-9, 0.35), optimize.brentq(score, 0.35, 1 - 1e-9)
    u2 = z * z / (20 + z * z)
    assert low == pytest.approx(0.35 - math.hypot(0.35 - l1, u2))
    assert high == pytest.approx(u1)
