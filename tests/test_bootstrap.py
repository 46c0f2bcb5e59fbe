"""Bootstraps of graded scores against scipy, and what must hold for any scores."""

from __future__ import annotations

import math
import time
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from shipworthy.errors import ScoringError
from shipworthy.scoring import clustered_bootstrap, paired_bootstrap
from shipworthy.scoring.statistics import bootstrap

SCORES = st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.5, 1.0]), st.floats(0, 1)), min_size=2, max_size=25)
METHODS = st.sampled_from(["bca", "percentile"])


def columns(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.beta(4, 0.5, n), rng.beta(1.5, 0.5, n)


@pytest.mark.parametrize(("method", "scipys"), [("bca", "BCa"), ("percentile", "percentile")])
@pytest.mark.parametrize("n", [12, 80])
def test_the_interval_is_that_of_scipy(method: Any, scipys: str, n: int) -> None:
    """`scipy.stats.bootstrap` with other draws: equal but for the noise of 40,000 resamples."""
    first, second = columns(n)
    found = paired_bootstrap(first, second, method=method, resamples=40_000)
    expected = stats.bootstrap(
        (first - second,), np.mean, n_resamples=40_000, method=scipys, rng=np.random.default_rng(1)
    )
    width = found.ci[1] - found.ci[0]
    interval = expected.confidence_interval
    assert found.ci == pytest.approx((interval.low, interval.high), abs=0.025 * width)


def test_bca_corrects_by_the_published_formulas() -> None:
    """Efron (1987), equations 2.3 and 6.6: skewness / (6 sqrt n) is the acceleration of a mean."""
    first, second = columns(40)
    gaps = first - second
    residuals = gaps - gaps.mean()
    means = np.random.default_rng(0).normal(gaps.mean(), 0.01, 100_000)
    at = bootstrap._bca(means, gaps.mean(), residuals, np.ones(40), np.array([0.025, 0.975]))
    acceleration = stats.skew(gaps) / 6 / math.sqrt(40)
    z = stats.norm.ppf([0.025, 0.975])
    assert at == pytest.approx(stats.norm.cdf(z / (1 - acceleration * z)), abs=2e-3)


def test_clusters_of_one_row_are_rows() -> None:
    first, second = columns(50)
    assert clustered_bootstrap(first, second, range(50)).ci == paired_bootstrap(first, second).ci


def test_rows_that_repeat_within_clusters_add_nothing() -> None:
    first, second = columns(40)
    once = paired_bootstrap(first, second)
    thrice = clustered_bootstrap(np.repeat(first, 3), np.repeat(second, 3), np.repeat(np.arange(40), 3))
    assert thrice.ci == pytest.approx(once.ci, abs=1e-12)
    assert (thrice.n, thrice.clusters) == (120, 40)


def test_clusters_of_different_sizes_are_a_ratio_of_sums() -> None:
    """Against a plain loop with the same draws."""
    rng = np.random.default_rng(5)
    names = rng.integers(0, 12, 60)
    names[:12] = np.arange(12)  # so that clusters are numbered as they come
    first, second = columns(60)
    gaps = first - second
    found = clustered_bootstrap(first, second, names, method="percentile", resamples=500, seed=9)
    draws = np.random.default_rng(9).integers(12, size=(500, 12))
    means = [np.concatenate([gaps[names == cluster] for cluster in drawn]).mean() for drawn in draws]
    assert found.ci == pytest.approx(np.quantile(means, [0.025, 0.975]))
    assert found.mean == pytest.approx(gaps.mean())


@settings(max_examples=50)
@given(SCORES, METHODS, st.floats(0.5, 0.98))
def test_an_interval_lies_within_the_rows_and_mirrors(rows: Any, method: Any, level: float) -> None:
    first, second = (list(column) for column in zip(*rows, strict=True))
    found = paired_bootstrap(first, second, method=method, level=level, resamples=400)
    gaps = np.subtract(first, second)
    assert gaps.min() - 1e-9 <= found.ci[0] <= found.ci[1] <= gaps.max() + 1e-9
    assert found.mean == pytest.approx(gaps.mean())
    mirrored = paired_bootstrap(second, first, method=method, level=level, resamples=400)
    assert mirrored.ci == pytest.approx((-found.ci[1], -found.ci[0]), abs=1e-6)


@settings(max_examples=50)
@given(SCORES, METHODS, st.floats(0.5, 0.98), st.floats(0.5, 0.98))
def test_an_interval_is_wider_at_a_higher_level(rows: Any, method: Any, one: float, other: float) -> None:
    first, second = (list(column) for column in zip(*rows, strict=True))
    narrow, wide = (
        paired_bootstrap(first, second, method=method, level=level, resamples=400).ci
        for level in sorted((one, other))
    )
    assert wide[0] <= narrow[0] + 1e-12
    assert wide[1] >= narrow[1] - 1e-12


def test_a_seed_fixes_the_interval_and_memory_does_not_change_it(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = columns(37)
    found = paired_bootstrap(first, second, seed=4)
    assert found == paired_bootstrap(first, second, seed=4)
    assert found.ci != paired_bootstrap(first, second, seed=5).ci
    monkeypatch.setattr(bootstrap, "DRAWS_AT_ONCE", 100)
    assert paired_bootstrap(first, second, seed=4) == found


@pytest.mark.parametrize("method", ["bca", "percentile"])
def test_where_nothing_varies_the_interval_is_the_value(method: Any) -> None:
    found = paired_bootstrap([0.9, 0.3, 0.7], [0.7, 0.1, 0.5], method=method)
    assert found.ci == (found.mean, found.mean)
    assert found.mean == pytest.approx(0.2)
    same = clustered_bootstrap([1, 1, 1], [1, 1, 1], ["a", "a", "b"], method=method)
    assert same.ci == (0.0, 0.0)


def test_booleans_count_as_0_and_1() -> None:
    first, second = [True, False, True, True], [False, False, True, False]
    assert paired_bootstrap(first, second) == paired_bootstrap([1, 0, 1, 1], [0, 0, 1, 0])


def test_names_of_clusters_are_compared_as_they_are() -> None:
    assert clustered_bootstrap([0.1, 0.4, 0.3], [0, 0, 0], [1, "1", ("a", 2)]).clusters == 3


def test_ten_thousand_resamples_of_a_thousand_rows_take_less_than_a_second() -> None:
    first, second = columns(1000)
    paired_bootstrap(first, second, resamples=100)  # imports
    taken = []
    for _ in range(2):
        begun = time.process_time()
        paired_bootstrap(first, second)
        taken.append(time.process_time() - begun)
    assert min(taken) < 1


def test_memory_stays_small() -> None:
    first, second = columns(20_000)
    tracemalloc.start()
    paired_bootstrap(first, second, resamples=1000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60e6


# Errors


def test_one_row_is_a_scoring_error() -> None:
    with pytest.raises(ScoringError, match="one row"):
        paired_bootstrap([0.5], [0.4])


def test_one_cluster_is_a_scoring_error_that_says_so() -> None:
    with pytest.raises(ScoringError, match="of one cluster"):
        clustered_bootstrap([0.5, 0.6, 1], [0.4, 0.1, 0], ["a", "a", "a"])


@pytest.mark.parametrize(
    "clusters",
    [["a"], ["a", "b", "c"], ["a", None], ["a", math.nan], 5, None, [["a"], ["b"]], np.array([[1], [2]])],
)
def test_clusters_that_do_not_name_each_row_are_a_scoring_error(clusters: Any) -> None:
    with pytest.raises(ScoringError):
        clustered_bootstrap([0.5, 0.6], [0.4, 0.1], clusters)


@pytest.mark.parametrize(
    "scores",
    [[], [0.5], [0.5, math.nan], [0.5, math.inf], [0.5, 1.1], [-0.1, 0.5], [0.5, None], ["a", "b"],
     [0.5, 1j], [[0.5], [0.5]], [[0.5], [0.5, 0.6]], 0.5, None, np.ma.masked_array([0.5, 0.6], [0, 1])],
)  # fmt: skip
def test_scores_that_are_no_shares_are_a_scoring_error(scores: Any) -> None:
    for first, second in ((scores, [0.5, 0.6]), ([0.5, 0.6], scores)):
        with pytest.raises(ScoringError):
            paired_bootstrap(first, second)
        with pytest.raises(ScoringError):
            clustered_bootstrap(first, second, ["a", "b"])


@pytest.mark.parametrize(
    "wrong",
    [{"level": 0}, {"level": 95}, {"level": math.nan}, {"level": 0.9999}, {"resamples": 0}, {"resamples": 10},
     {"resamples": 2.5}, {"method": "basic"}, {"seed": -1}, {"seed": 1.5}, {"seed": None}, {"seed": True}],
)  # fmt: skip
def test_settings_that_make_no_sense_are_a_scoring_error(wrong: dict[str, Any]) -> None:
    with pytest.raises(ScoringError):
        paired_bootstrap([0.5, 0.6], [0.4, 0.1], **wrong)
