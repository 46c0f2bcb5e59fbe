"""Quantiles, such as the 95th percentile of a latency, with intervals from the order of the values alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .checks import checked_level, one_a_row


@dataclass(frozen=True)
class Quantile:
    """A quantile of `n` values.

    Attributes:
        value: the smallest value that at least the share asked for does not exceed.
        ci: low and high; None on a side on which so few values set no limit.
    """

    value: float
    ci: tuple[float | None, float | None]
    n: int


def quantile(values: Any, share: float, *, level: float = 0.95) -> Quantile:
    """The value that a share of a population does not exceed, from a sample of it.

    The limits are two of the values themselves: how many lie below the true quantile is
    binomial, whatever the distribution (David and Nagaraja 2003, Order Statistics, 7.1). Each
    side errs with at most half of 1 - level.

    Args:
        values: finite numbers, independent of one another; shape (n,), n >= 1.
        share: within (0, 1); 0.95 for the 95th percentile.
        level: two-sided.

    Raises:
        ScoringError: there are no values, one is not finite, or share or level is not within (0, 1).
    """
    from scipy.special import bdtr

    checked_level(share, name="a share")
    tail = (1 - checked_level(level)) / 2
    ordered = np.sort(one_a_row(values, name="values"))
    n = ordered.size
    below = bdtr(np.arange(n), n, share)  # chance that at most 0, 1, ... n - 1 values lie below it
    low = int((below <= tail).sum())  # the largest rank that is below it all but surely
    high = int((below < 1 - tail).sum()) + 1
    return Quantile(
        float(ordered[max(0, math.ceil(n * share - 1e-9) - 1)]),  # 0.95 of 20 is 19, not 19.000000001
        (float(ordered[low - 1]) if low else None, float(ordered[high - 1]) if high <= n else None),
        n,
    )
