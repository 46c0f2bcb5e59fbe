"""Intervals for the mean difference of graded scores, by resampling: rows where they are independent,
whole clusters where they are not (many questions about one document, many turns of one conversation).
For right and wrong, `paired_difference` is better: it is exact where the bootstrap is approximate.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import ScoringError
from .checks import checked_counts, checked_level, graded_scores, same_length
from .proportions import Interval

Method = Literal["bca", "percentile"]
Floats = NDArray[np.float64]

DRAWS_AT_ONCE = 2_000_000  # indices in memory at a time: 16 MB of them, and as much again of scores


@dataclass(frozen=True)
class Resampled:
    """Mean difference of graded scores on the same rows: first minus second.

    Attributes:
        mean: the difference.
        ci: its interval at `ci_level`, by `method`.
        n: rows; clusters: what was resampled, rows or whole clusters.
        resamples: how many were drawn.
    """

    mean: float
    ci: Interval
    ci_level: float
    n: int
    clusters: int
    resamples: int
    method: Method


def paired_bootstrap(
    first: ArrayLike,
    second: ArrayLike,
    *,
    level: float = 0.95,
    resamples: int = 10_000,
    method: Method = "bca",
    seed: int = 0,
) -> Resampled:
    """Interval of the mean difference of scores over the same rows, by drawing rows again.

    `percentile` takes the resamples' own quantiles; `bca` corrects them for bias and skewness (Efron
    1987, J. Am. Stat. Assoc. 82, 171). Both are approximate, and too narrow for few rows: below about 30
    read them as rough. The same arguments and seed give the same interval.

    Where all rows differ by the same amount, nothing varies and the interval is that amount, twice.

    Args:
        first, second: scores within [0, 1] by row, in the same order; shape (n,) each, n >= 2.
        level: two-sided.
        resamples: enough of them that at least one is expected in each tail.
        seed: of the draws, a whole number of at least 0.

    Raises:
        ScoringError: fewer than two rows, lengths differ, a score is missing or outside [0, 1], a level
            outside (0, 1), too few resamples for the level, an unknown method, or a seed that is none.
    """
    gaps = _gaps(first, second)
    if gaps.size < 2:
        raise ScoringError("one row says nothing of how rows vary", hint="compare on two rows or more")
    return _resampled(gaps, np.ones_like(gaps), level, resamples, method, seed)


def clustered_bootstrap(
    first: ArrayLike,
    second: ArrayLike,
    clusters: Sequence[Hashable] | NDArray[Any],
    *,
    level: float = 0.95,
    resamples: int = 10_000,
    method: Method = "bca",
    seed: int = 0,
) -> Resampled:
    """As `paired_bootstrap`, drawing whole clusters again (Davison and Hinkley 1997, section 3.8).

    The mean over rows is a ratio, the sum of differences over the number of rows, and both are drawn
    with the cluster. What counts for precision is the number of clusters, not of rows; below about 30 of
    them the interval is too narrow.

    Args:
        first, second: scores within [0, 1] by row, in the same order; shape (n,) each.
        clusters: the name of each row's cluster: text, whole numbers or anything else that can be hashed;
            shape (n,). Two clusters at least.
        level, resamples, method, seed: as in `paired_bootstrap`.

    Raises:
        ScoringError: there is one cluster only, a row has none, or as `paired_bootstrap`.
    """
    gaps = _gaps(first, second)
    codes = _codes(clusters)
    same_length(gaps, codes)
    sums: Floats = np.bincount(codes, weights=gaps).astype(np.float64)
    sizes: Floats = np.bincount(codes).astype(np.float64)
    if sums.size < 2:
        raise ScoringError(
            f"all {gaps.size} rows are of one cluster, which says nothing of how clusters vary",
            hint="collect rows of other clusters, or name finer ones",
            where="clusters",
        )
    return _resampled(sums, sizes, level, resamples, method, seed)


def _resampled(
    sums: Floats, sizes: Floats, level: float, resamples: int, method: Method, seed: int
) -> Resampled:
    tail = (1 - checked_level(level)) / 2
    draws = _resamples(resamples, tail)
    if method not in ("bca", "percentile"):
        raise ScoringError(
            f"no bootstrap is called {method!r}", hint="take bca or percentile", where="method"
        )
    mean = float(sums.sum() / sizes.sum())
    residuals = sums - mean * sizes
    # Rounding leaves residuals of 1e-17 where in truth nothing varies.
    if np.abs(residuals).max() <= 1e-12 * sizes.max():
        ci = (mean, mean)
    else:
        means = _means(sums, sizes, draws, _generator(seed))
        tails = np.array([tail, 1 - tail])
        at = _bca(means, mean, residuals, sizes, tails) if method == "bca" else tails
        low, high = np.quantile(means, at)
        ci = (float(low), float(high))
    return Resampled(mean, ci, float(level), int(sizes.sum()), sums.size, draws, method)


def _means(sums: Floats, sizes: Floats, resamples: int, rng: np.random.Generator) -> Floats:
    """Ratio of sums in each resample, in blocks that fit in memory; the draws do not depend on the blocks."""
    units = sums.size
    equal = bool(np.all(sizes == sizes[0]))
    means = np.empty(resamples)
    block = max(1, DRAWS_AT_ONCE // units)
    for start in range(0, resamples, block):
        drawn = rng.integers(units, size=(min(block, resamples - start), units))
        weight = units * sizes[0] if equal else sizes[drawn].sum(axis=1)
        means[start : start + block] = sums[drawn].sum(axis=1) / weight
    return means


def _bca(means: Floats, mean: float, residuals: Floats, sizes: Floats, tails: Floats) -> Floats:
    """The quantiles to take instead of `tails`, corrected for bias and acceleration (Efron 1987)."""
    from scipy.special import ndtr, ndtri

    # Resamples as large as the mean count half: with few distinct scores there are many, give or take
    # what rounding does to sums in another order.
    below = (np.mean(means < mean - 1e-12) + np.mean(means <= mean + 1e-12)) / 2
    edge = 0.5 / means.size
    bias = ndtri(min(max(below, edge), 1 - edge))
    # The mean without each unit, by which the jackknife estimates the skewness of the mean.
    total = sizes.sum()
    without = mean - residuals / (total - sizes)
    pull = without.mean() - without
    acceleration = (pull**3).sum() / (6 * (pull**2).sum() ** 1.5)
    shifted = bias + ndtri(tails)
    stretch = 1 - acceleration * shifted
    # At extreme levels the stretch may reach 0, beyond which the quantile is the outermost.
    corrected = np.where(stretch > 0, bias + shifted / np.where(stretch > 0, stretch, 1.0), np.inf * shifted)
    return np.asarray(ndtr(corrected), dtype=np.float64)


def _gaps(first: Any, second: Any) -> Floats:
    a, b = graded_scores(first, name="first"), graded_scores(second, name="second")
    same_length(a, b)
    return a - b


def _codes(clusters: Any) -> NDArray[np.int_]:
    """Clusters numbered in the order in which they come; by equality, so that 1 and "1" are two."""
    numbers: dict[Hashable, int] = {}
    try:
        names = clusters.tolist() if isinstance(clusters, np.ndarray) else list(clusters)
        codes = [numbers.setdefault(name, len(numbers)) for name in names]
    except TypeError:
        raise ScoringError(
            "clusters hold one name a row, such as text or a whole number", where="clusters"
        ) from None
    for name in numbers:
        if name is None or (isinstance(name, float) and math.isnan(name)):
            raise ScoringError(
                "a row has no cluster", hint="name one for every row, its own if need be", where="clusters"
            )
    return np.array(codes, dtype=np.int_)


def _resamples(resamples: Any, tail: float) -> int:
    (draws,) = checked_counts(resamples=resamples)
    if draws.ndim or draws * tail < 1:
        raise ScoringError(
            f"{resamples} resamples are too few for this level",
            hint=f"draw at least {math.ceil(1 / tail)}",
            where="resamples",
        )
    return int(draws)


def _generator(seed: Any) -> np.random.Generator:
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ScoringError(f"a seed is a whole number of at least 0, not {seed!r}", where="seed")
    return np.random.default_rng(int(seed))
