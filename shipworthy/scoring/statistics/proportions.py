"""Intervals of one proportion from counts. Counts may be arrays of one shape, for simulations and for
tables of many rows; scalars give floats.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import ScoringError
from .checks import checked_counts, checked_level, plain

Interval = tuple[float, float]
Limits = tuple[Any, Any]
"""Low and high: floats for scalar counts, else arrays of the counts' shape."""


def wilson(right: ArrayLike, n: ArrayLike, *, level: float = 0.95) -> Limits:
    """Score interval of a proportion (Wilson 1927, J. Am. Stat. Assoc. 22, 209).

    Args:
        right, n: rows that are right, and all rows; scalars or arrays that broadcast.
        level: two-sided.

    Returns:
        Low and high within [0, 1], of the counts' shape; exactly 0 or 1 where none or all are right.

    Raises:
        ScoringError: unless 0 <= right <= n and n >= 1, whole numbers, and 0 < level < 1.
    """
    z = normal_quantile(level)
    x, total = _counts(right, n)
    share = x / total
    middle = share + z * z / (2 * total)
    half = z * np.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    # At the ends the limits are 0 and 1 in exact arithmetic; rounding would leave 1e-17.
    low = np.where(x == 0, 0.0, np.clip((middle - half) / scale, 0.0, share))
    high = np.where(x == total, 1.0, np.clip((middle + half) / scale, share, 1.0))
    return plain(low), plain(high)


def clopper_pearson(right: ArrayLike, n: ArrayLike, *, level: float = 0.95) -> Limits:
    """Exact interval of a proportion (Clopper and Pearson 1934, Biometrika 26, 404).

    Covers with at least `level` whatever the proportion, and with more for few rows.

    Args:
        right, n: rows that are right, and all rows; scalars or arrays that broadcast.
        level: two-sided.

    Raises:
        ScoringError: as `wilson`.
    """
    tail = (1 - checked_level(level)) / 2
    x, total = _counts(right, n)
    return plain(_exact_lower(x, total, tail)), plain(1 - _exact_lower(total - x, total, tail))


def binomial_lower(right: ArrayLike, n: ArrayLike, *, delta: float) -> Any:
    """Lower bound of a proportion that fails with probability at most delta (Clopper and Pearson 1934).

    Args:
        right, n: rows that are right, and all rows; scalars or arrays that broadcast.
        delta: one-sided error rate.

    Raises:
        ScoringError: unless 0 <= right <= n and n >= 1, whole numbers, and 0 < delta < 1.
    """
    tail = checked_level(delta, name="delta")
    x, total = _counts(right, n)
    return plain(_exact_lower(x, total, tail))


def normal_quantile(level: float) -> float:
    """z of a two-sided level: 1.96 at 0.95.

    Raises:
        ScoringError: unless 0 < level < 1.
    """
    # From the tail, which keeps its digits at levels as high as 1 - 1e-12.
    return -NormalDist().inv_cdf((1 - checked_level(level)) / 2)


def _exact_lower(x: NDArray[np.float64], total: NDArray[np.float64], tail: float) -> NDArray[np.float64]:
    from scipy.special import betaincinv

    bound = betaincinv(np.maximum(x, 1), total - x + 1, tail)
    return np.where(x == 0, 0.0, bound)


def _counts(right: ArrayLike, n: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x, total = checked_counts(right=right, n=n)
    if not np.all((x <= total) & (total >= 1)):
        raise ScoringError(
            f"{right!r} of {n!r} is no proportion",
            hint="at least one row is needed, and no more can be right than there are",
        )
    return x, total
