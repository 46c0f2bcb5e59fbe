"""Quantiles: the value itself, and limits that hold whatever the distribution."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from shipworthy.errors import ScoringError
from shipworthy.scoring import quantile


def test_the_value_is_the_smallest_that_the_share_does_not_exceed() -> None:
    values = np.arange(1, 21)[::-1]
    assert [quantile(values, share).value for share in (0.05, 0.5, 0.95, 0.96)] == [1, 10, 19, 20]
    assert quantile([3.0], 0.5).value == 3.0


def test_the_limits_are_the_published_ones_of_the_median() -> None:
    # Conover 1999, Practical Nonparametric Statistics, table A3: for n = 16, ranks 4 and 13.
    assert quantile(np.arange(1, 17), 0.5).ci == (4, 13)


@pytest.mark.parametrize("share", [0.5, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("n", [1, 5, 40, 500, 5000])
def test_each_side_errs_with_at_most_half_and_no_closer_value_would_do(n: int, share: float) -> None:
    low, high = quantile(np.arange(1, n + 1), share).ci
    below = binom(n, share).cdf
    if low is not None:
        assert below(low - 1) <= 0.025
    assert below(low or 0) > 0.025
    if high is not None:
        assert below(high - 1) >= 0.975
    assert below((high or n + 1) - 2) < 0.975


def test_too_few_values_set_no_limit() -> None:
    assert quantile(range(100), 0.99).ci[1] is None
    assert quantile(range(1, 400), 0.99).ci[1] is not None
    assert quantile([1.0, 2.0], 0.5).ci == (None, None)


def test_it_covers() -> None:
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(1000):
        low, high = quantile(rng.exponential(size=200), 0.9).ci
        hits += (low or 0) <= np.log(10) <= (high or np.inf)
    assert hits >= 940


@pytest.mark.parametrize(
    ("values", "share", "level"),
    [([], 0.5, 0.95), ([1.0, float("nan")], 0.5, 0.95), ([1.0], 1.0, 0.95), ([1.0], 0.5, 1.0)],
)
def test_what_no_quantile_can_be_taken_of_is_refused(values: list[float], share: float, level: float) -> None:
    with pytest.raises(ScoringError):
        quantile(values, share, level=level)
