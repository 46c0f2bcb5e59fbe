"""Statistics for proportions: small functions, each naming its source."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

Interval = tuple[float, float]


@dataclass(frozen=True)
class Paired:
    """Difference of two proportions on the same rows: first minus second.

    Attributes:
        mean: the difference; ci: its interval at `ci_level`; p: one-sided, against "no better".
        n: rows; wins, losses: rows that only the first, or only the second, got right.
    """

    mean: float
    ci: Interval
    ci_level: float
    p: float
    n: int
    wins: int
    losses: int


def wilson(right: int, n: int, *, level: float = 0.95) -> Interval:
    """Score interval of a proportion (Wilson 1927).

    Raises:
        ValueError: unless 0 <= right <= n, n >= 1 and 0 < level < 1.
    """
    _check_level(level)
    if not 0 <= right <= n or n < 1:
        raise ValueError(f"{right} of {n} is no proportion")
    z = NormalDist().inv_cdf((1 + level) / 2)
    share = right / n
    middle = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    low = 0.0 if right == 0 else max(0.0, (middle - half) / scale)
    high = 1.0 if right == n else min(1.0, (middle + half) / scale)
    return low, high


def paired_difference(first: Sequence[bool], second: Sequence[bool], *, level: float = 0.95) -> Paired:
    """Difference of two proportions over the same rows.

    Interval: Newcombe (1998), Statistics in Medicine 17, 2635, method 10. p: exact
    McNemar test, one-sided: P(X >= wins) for X binomial with wins + losses trials at 1/2.

    Args:
        first, second: right or wrong by row, in the same order; shape (n,) each.
        level: of the interval.

    Raises:
        ValueError: lengths differ, there are no rows, or the level is not within (0, 1).
    """
    _check_level(level)
    a = np.asarray(first, dtype=bool)
    b = np.asarray(second, dtype=bool)
    if a.shape != b.shape or a.ndim != 1 or a.size == 0:
        raise ValueError("two rows of right or wrong of the same length are needed, at least one long")
    n = int(a.size)
    both, neither = int((a & b).sum()), int((~a & ~b).sum())
    wins, losses = int((a & ~b).sum()), int((~a & b).sum())
    share1, share2 = (both + wins) / n, (both + losses) / n
    low1, high1 = wilson(both + wins, n, level=level)
    low2, high2 = wilson(both + losses, n, level=level)
    phi = _phi(both, wins, losses, neither)
    mean = (wins - losses) / n

    def reach(d1: float, d2: float) -> float:
        return math.sqrt(max(0.0, d1 * d1 - 2 * phi * d1 * d2 + d2 * d2))

    ci = (mean - reach(share1 - low1, high2 - share2), mean + reach(high1 - share1, share2 - low2))
    return Paired(mean, ci, level, _at_least(wins, wins + losses), n, wins, losses)


def binomial_lower(right: int, n: int, *, delta: float) -> float:
    """Lower bound of a proportion that fails with probability at most delta (Clopper and Pearson 1934)."""
    if not 0 <= right <= n or not 0 < delta < 1:
        raise ValueError("0 <= right <= n and 0 < delta < 1 are needed")
    if right == 0:
        return 0.0
    from scipy.stats import beta

    return float(beta.ppf(delta, right, n - right + 1))


def threshold_with_guarantee(
    confidence: NDArray[np.float64], right: NDArray[np.bool_], *, target: float, delta: float = 0.05
) -> float | None:
    """The lowest confidence above which accuracy is at least `target`, with probability 1 - delta.

    Ten candidates are tried: those that answer the most confident 100 %, 90 %, ... 10 % of
    the rows. Each is tested by the exact binomial bound at delta / 10 (Bonferroni), so that
    the bound stays valid after the choice.

    Args:
        confidence, right: by row; shape (n,) each.

    Returns:
        The threshold, or None where no candidate reaches the target.

    Raises:
        ValueError: lengths differ, or delta is not within (0, 1).
    """
    _check_pairs(confidence, right)
    if not 0 < delta < 1:
        raise ValueError(f"delta lies between 0 and 1, not {delta}")
    n = len(confidence)
    if n == 0:
        return None
    order = np.argsort(-confidence, kind="stable")
    shares = [step / 10 for step in range(10, 0, -1)]
    for share in shares:
        k = max(1, int(n * share))
        cut = float(confidence[order[k - 1]])
        chosen = confidence >= cut
        if binomial_lower(int(right[chosen].sum()), int(chosen.sum()), delta=delta / len(shares)) >= target:
            return cut if share < 1 else 0.0
    return None


def expected_calibration_error(confidence: NDArray[Any], right: NDArray[Any], *, bins: int = 10) -> float:
    """Mean gap between confidence and accuracy over bins of equal size (Naeini et al. 2015).

    Raises:
        ValueError: there are no rows, or lengths differ.
    """
    _check_pairs(confidence, right)
    if len(confidence) == 0:
        raise ValueError("no rows")
    order = np.argsort(confidence, kind="stable")
    gaps = [
        abs(float(confidence[part].mean()) - float(right[part].mean())) * len(part)
        for part in np.array_split(order, min(bins, len(order)))
    ]
    return sum(gaps) / len(confidence)


def _at_least(wins: int, trials: int) -> float:
    """P(X >= wins) for X ~ Binomial(trials, 1/2), exactly."""
    if trials == 0:
        return 1.0
    from scipy.stats import binom

    return float(binom.sf(wins - 1, trials, 0.5))


def _phi(both: int, wins: int, losses: int, neither: int) -> float:
    """Correlation of the two, with Newcombe's continuity correction."""
    margins = (both + wins) * (losses + neither) * (both + losses) * (wins + neither)
    if margins == 0:
        return 0.0
    n = both + wins + losses + neither
    cross = both * neither - wins * losses
    return (max(cross - n / 2, 0.0) if cross > 0 else cross) / math.sqrt(margins)


def _check_pairs(confidence: NDArray[Any], right: NDArray[Any]) -> None:
    if len(confidence) != len(right):
        raise ValueError("confidence and right or wrong of the same length are needed")


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise ValueError(f"a level lies between 0 and 1, not {level}")
