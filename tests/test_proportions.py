"""Intervals of one proportion against published values and other libraries, and what holds for any counts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from shipworthy.errors import ScoringError
from shipworthy.scoring import binomial_lower, clopper_pearson, wilson

LEVELS = st.floats(0.5, 0.9999)
COUNTS = st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
NO_PROPORTION: list[tuple[Any, Any]] = [
    (-1, 5), (6, 5), (0, 0), (1, -1), (1.5, 5), (math.nan, 5), (1, math.inf), (True, 5), ("1", 5),
    (1j, 5), (None, 5), ([1, 2], [3, 4, 5]), ([[1], [1, 2]], 5),
]  # fmt: skip
NO_LEVEL: list[Any] = [0.0, 1.0, -0.5, 95, math.nan, math.inf, True, None, "0.95", [0.9], 1j]


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_gives_the_published_values(right: int, n: int, low: float, high: float) -> None:
    """Table I of Newcombe (1998), Statistics in Medicine 17, 857, method 3."""
    assert wilson(right, n) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [(81, 263, 0.2527, 0.3676), (15, 148, 0.0578, 0.1617), (0, 20, 0.0, 0.1684), (1, 29, 0.0009, 0.1776)],
)
def test_clopper_pearson_gives_the_published_values(right: int, n: int, low: float, high: float) -> None:
    """Table I of Newcombe (1998), Statistics in Medicine 17, 857, method 5."""
    assert clopper_pearson(right, n) == pytest.approx((low, high), abs=5e-5)


def test_clopper_pearson_gives_the_value_of_r() -> None:
    """13 of 16 in the tests of R's contingencytables 3.0 (Fagerland, Lydersen and Laake 2017)."""
    assert clopper_pearson(13, 16) == pytest.approx((0.5435, 0.9595), abs=5e-5)


@given(COUNTS, LEVELS)
def test_the_intervals_are_those_of_scipy_and_statsmodels(counts: tuple[int, int], level: float) -> None:
    right, n = counts
    for ours, scipys, statsmodels in (
        (wilson, "wilson", "wilson"),
        (clopper_pearson, "exact", "beta"),
    ):
        found = ours(right, n, level=level)
        expected = stats.binomtest(right, n).proportion_ci(level, method=scipys)
        assert found == pytest.approx((expected.low, expected.high), abs=1e-9)
        assert found == pytest.approx(proportion_confint(right, n, 1 - level, statsmodels), abs=1e-9)


@given(COUNTS, LEVELS)
def test_an_interval_holds_the_share_and_mirrors(counts: tuple[int, int], level: float) -> None:
    right, n = counts
    for interval in (wilson, clopper_pearson):
        low, high = interval(right, n, level=level)
        assert 0 <= low <= right / n <= high <= 1
        assert interval(n - right, n, level=level) == pytest.approx((1 - high, 1 - low))


@given(COUNTS, LEVELS, LEVELS)
def test_an_interval_is_wider_at_a_higher_level(counts: tuple[int, int], one: float, other: float) -> None:
    for interval in (wilson, clopper_pearson):
        narrow, wide = (interval(*counts, level=level) for level in sorted((one, other)))
        assert wide[0] <= narrow[0] + 1e-12
        assert wide[1] >= narrow[1] - 1e-12


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
    assert binomial_lower(0, 7, delta=0.05) == 0.0


def test_arrays_of_counts_give_arrays_and_scalars_give_floats() -> None:
    right, n = np.array([[0, 3, 10], [5, 1, 2]]), np.array([10, 10, 10])
    for function in (wilson, clopper_pearson):
        low, high = function(right, n)
        assert low.shape == high.shape == (2, 3)
        one = function(int(right[1, 2]), 10)
        assert (low[1, 2], high[1, 2]) == one
        assert all(type(end) is float for end in one)
    bounds = binomial_lower(right, 10, delta=0.1)
    assert bounds[0, 1] == binomial_lower(np.int64(3), 10, delta=0.1)


@pytest.mark.parametrize("counts", NO_PROPORTION)
def test_what_is_no_proportion_is_a_scoring_error(counts: tuple[Any, Any]) -> None:
    for compute in (wilson, clopper_pearson, lambda right, n: binomial_lower(right, n, delta=0.1)):
        with pytest.raises(ScoringError):
            compute(*counts)


@pytest.mark.parametrize("level", NO_LEVEL)
def test_a_level_outside_0_and_1_is_a_scoring_error(level: Any) -> None:
    for interval in (wilson, clopper_pearson):
        with pytest.raises(ScoringError, match="level"):
            interval(1, 2, level=level)
    with pytest.raises(ScoringError, match="delta"):
        binomial_lower(1, 2, delta=level)


def test_a_level_in_percent_is_told_how_to_write_it() -> None:
    with pytest.raises(ScoringError) as caught:
        wilson(1, 2, level=95)
    assert "0.95" in caught.value.hint
