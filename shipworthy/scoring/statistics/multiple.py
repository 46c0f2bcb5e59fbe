"""Many looks, many comparisons: what each may claim so that all together keep their error rate."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import ScoringError
from .checks import checked_level, one_a_row


def look_level(look: int, *, error: float = 0.05) -> float:
    """Level of the interval at the k-th look at the same rows: 1 - error / (k (k + 1)).

    The shares 1 / (k (k + 1)) add up to 1 over all looks, however many there will be, so by the union
    bound (Bonferroni 1936) an interval of any look is wrong with probability `error` at most. The first
    look spends half of it. The series is the gate's own choice; any that adds up to 1 would be valid.

    Args:
        look: k, from 1.
        error: two-sided, over all looks together.

    Raises:
        ScoringError: the look is no whole number of at least 1, or the error lies outside (0, 1).
    """
    checked_level(error, name="error")
    if isinstance(look, bool) or not isinstance(look, int | np.integer) or look < 1:
        raise ScoringError(f"looks are counted from 1, not {look!r}", where="look")
    k = int(look)
    return 1 - error / (k * (k + 1))


def holm(p_values: ArrayLike | Any) -> NDArray[np.float64]:
    """Adjusted p-values (Holm 1979, Scand. J. Stat. 6, 65): reject those at or below the error rate.

    The chance of rejecting any true hypothesis stays below that rate, whatever their dependence.

    Args:
        p_values: one a hypothesis; shape (m,).

    Returns:
        In the order given; shape (m,).

    Raises:
        ScoringError: there are none, or one is missing or lies outside [0, 1].
    """
    p = one_a_row(p_values, name="p_values")
    if p.min() < 0 or p.max() > 1:
        raise ScoringError("p-values lie within [0, 1]", where="p_values")
    order = np.argsort(p, kind="stable")
    # The smallest counts m times, the next m - 1 times, and none may fall below one before it.
    stepped = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted
