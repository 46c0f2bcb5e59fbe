"""How far confidences are from what they promise: Brier scores and calibration errors with intervals, and
the points of a reliability plot. An interval here errs, if at all, towards being too wide; what it covers
was measured (benchmarks/statistics_selection.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ScoringError
from .checks import binary_scores, checked_level, graded_scores, one_a_row, same_length
from .proportions import Interval, clopper_pearson, normal_quantile

Floats = NDArray[np.float64]

_ROUNDING = 1e-9
"""Exponentials of log-probabilities may exceed 1 by this much; anything more is no confidence."""

_SUM = 1e-6
"""Probabilities of classes may miss a sum of 1 by this much."""


@dataclass(frozen=True)
class Estimate:
    """A figure with its interval.

    Attributes:
        value: the estimate; ci: its interval at `ci_level`; n: rows that it rests on.
    """

    value: float
    ci: Interval
    ci_level: float
    n: int


@dataclass(frozen=True)
class CurvePoint:
    """One bin of a reliability plot.

    Attributes:
        confidence, accuracy: means over the rows of the bin.
        ci: exact interval of the accuracy at the level asked for, for this bin alone.
        n: rows of the bin.
    """

    confidence: float
    accuracy: float
    ci: Interval
    n: int


def expected_calibration_error(confidence: Any, right: Any, *, bins: int = 10) -> float:
    """Mean gap between confidence and accuracy over bins of equal size (Naeini et al. 2015, AAAI).

    As it is usually reported, and biased upwards: chance alone opens gaps, so that perfect confidences on
    300 rows show about 0.06 (Broecker 2012, Climate Dynamics 39, 655). `calibration_error` corrects it.

    Args:
        confidence: by row, within [0, 1]; shape (n,), n >= 1. Equal ones share a bin, whatever their order.
        right: right or wrong by row; shape (n,).
        bins: at most so many.

    Raises:
        ScoringError: no rows, lengths differ, a confidence is outside [0, 1] or missing, a row is neither
            right nor wrong, or bins is no whole number of at least 1.
    """
    accuracies, confidences, sizes = _means(*_binned(confidence, right, bins))
    return float(np.sum(np.abs(accuracies - confidences) * sizes) / np.sum(sizes))


def calibration_error(confidence: Any, right: Any, *, bins: int = 10, level: float = 0.95) -> Estimate:
    """Expected calibration error less its bias, with an interval that also holds for few rows.

    The value is twice the error as measured less its mean when every bin's accuracy is drawn anew about the
    measured one (Kumar, Liang and Ma 2019, NeurIPS; here the folded normal distribution in closed form
    stands for the draws), and at least 0. That takes away two fifths of the bias or so, never
    all of it: with 300 rows, perfect confidences still show about 0.03.

    The bootstrap's interval misses the truth almost always where confidences are good, for its draws only
    add gaps. This one follows from the triangle inequality. Noise raises the error by at most the size of
    all bins' noise together: the lower limit is the measured error less the upper quantile of that, a gamma
    distribution with its mean and variance. It lowers the error by at most a signed sum over bins, which is
    normal: hence the upper limit. Both allow for the worst case and are too wide rather than too narrow.
    Bins' standard errors come from accuracies with one row added on either side (Laplace's rule).

    It is the error of bins of equal size, not of single confidences, which can hide within a bin
    (Kumar et al. 2019).

    Args:
        confidence, right, bins: as for `expected_calibration_error`.
        level: two-sided.

    Raises:
        ScoringError: as `expected_calibration_error`, or unless 0 < level < 1.
    """
    from scipy.special import gammaincinv, ndtr

    z = normal_quantile(level)
    accuracies, confidences, sizes = _means(*_binned(confidence, right, bins))
    n = int(np.sum(sizes))
    weights, gaps = sizes / n, accuracies - confidences
    measured = float(np.sum(weights * np.abs(gaps)))

    # The variance of a single row cannot be seen; its confidence says what it would be.
    alone = confidences * (1 - confidences)
    variances = np.where(sizes > 1, accuracies * (1 - accuracies) / np.maximum(sizes - 1, 1), alone)
    spread = np.sqrt(np.maximum(variances, 1e-300))
    at = gaps / spread
    redrawn = spread * math.sqrt(2 / math.pi) * np.exp(-(at**2) / 2) + gaps * (1 - 2 * ndtr(-at))
    value = 2 * measured - float(np.sum(weights * redrawn))

    careful = (accuracies * sizes + 1) / (sizes + 2)
    parts = weights * np.sqrt(careful * (1 - careful) / sizes)
    mean, variance = np.sum(parts) * math.sqrt(2 / math.pi), np.sum(parts**2) * (1 - 2 / math.pi)
    most_added = float(gammaincinv(mean**2 / variance, (1 + level) / 2) * variance / mean)
    low = max(0.0, measured - most_added)
    high = min(1.0, measured + z * float(np.sqrt(np.sum(parts**2))))
    return Estimate(min(max(value, low), high), (low, high), level, n)


def brier_score(confidence: Any, right: Any, *, level: float = 0.95) -> Estimate:
    """Mean squared distance of the confidence from right (1) or wrong (0) (Brier 1950); 0 is best, 1 worst.

    Interval: Student's, after adding pseudo-rows of the best and the worst outcome that the confidences
    allow, z^2/4 of each, as Agresti and Coull (1998, Am. Stat. 52, 119) do for proportions with z^2/2.
    Without them the interval is far too narrow where a confident program happens to have made no mistake.

    Args:
        confidence: by row, within [0, 1]; shape (n,), n >= 1.
        right: right or wrong by row; shape (n,).
        level: two-sided.

    Returns:
        The score with its interval, which is [0, 1] for a single row.

    Raises:
        ScoringError: as `expected_calibration_error`, or unless 0 < level < 1.
    """
    values, hits = checked_confidences(confidence), binary_scores(right, name="right")
    same_length(values, hits)
    near, far = np.minimum(values, 1 - values) ** 2, np.maximum(values, 1 - values) ** 2
    return _score((values - hits) ** 2, near, far, level, most=1.0)


def multiclass_brier(probabilities: Any, truth: Any, *, level: float = 0.95) -> Estimate:
    """Mean over rows of the squared distance of all classes' probabilities from the truth (Brier 1950).

    Within [0, 2]; for two classes it is twice `brier_score`. Its interval is made as there.

    Args:
        probabilities: of every class by row, each row adding up to 1; shape (n, classes), two or more.
        truth: index of the right class by row; shape (n,).
        level: two-sided.

    Raises:
        ScoringError: no rows, other shapes, a probability outside [0, 1] or missing, a row that does not
            add up to 1, an index of no class, or unless 0 < level < 1.
    """
    table = _probabilities(probabilities)
    classes = one_a_row(truth, name="truth")
    same_length(table, classes)
    odd = np.flatnonzero((classes % 1 != 0) | (classes < 0) | (classes >= table.shape[1]))
    if odd.size:
        raise ScoringError(
            f"truth is the index of one of {table.shape[1]} classes; row {int(odd[0])} has {classes[odd[0]]}",
            hint="count classes from 0, in the order of the columns of probabilities",
            where="truth",
        )
    squares = np.sum(table**2, axis=1) + 1
    given = table[np.arange(len(table)), classes.astype(np.intp)]
    losses = [squares - 2 * chosen for chosen in (given, table.max(axis=1), table.min(axis=1))]
    return _score(losses[0], losses[1], losses[2], level, most=2.0)


def calibration_curve(
    confidence: Any, right: Any, *, bins: int = 10, level: float = 0.95
) -> tuple[CurvePoint, ...]:
    """The points of a reliability plot, from the least confident bin to the most confident.

    Intervals are exact (Clopper and Pearson 1934) for each bin alone: of ten bins of perfect confidences,
    one in two or three plots has a point that is off at 95 %.

    Args:
        confidence, right, bins: as for `expected_calibration_error`.
        level: two-sided.

    Raises:
        ScoringError: as `expected_calibration_error`, or unless 0 < level < 1.
    """
    checked_level(level)
    points = []
    for values, hits in zip(*_binned(confidence, right, bins), strict=True):
        n, good = len(values), int(np.sum(hits))
        ci = clopper_pearson(good, n, level=level)
        points.append(CurvePoint(float(np.mean(values)), good / n, ci, n))
    return tuple(points)


def checked_confidences(confidence: Any) -> Floats:
    """Confidences within [0, 1], rounding of log-probabilities forgiven; shape (n,), n >= 1.

    Raises:
        ScoringError: no rows, not one number a row, or a number that is missing or outside [0, 1].
    """
    values = one_a_row(confidence, name="confidence")
    above = (values > 1) & (values <= 1 + _ROUNDING)
    return graded_scores(np.where(above, 1.0, values), name="confidence")


def _binned(confidence: Any, right: Any, bins: int) -> tuple[list[Floats], list[NDArray[np.bool_]]]:
    """Confidences and outcomes by bin: as many rows in each as can be, equal confidences in the same one."""
    if isinstance(bins, bool) or not isinstance(bins, int | np.integer) or bins < 1:
        raise ScoringError(f"bins are counted: a whole number of at least 1, not {bins!r}", where="bins")
    values, hits = checked_confidences(confidence), binary_scores(right, name="right")
    same_length(values, hits)
    order = np.argsort(values, kind="stable")
    values, hits = values[order], hits[order]
    ends = np.cumsum([len(part) for part in np.array_split(order, min(int(bins), len(order)))])
    # To the end of the run of equal confidences, so that the order of the rows cannot matter.
    ends = np.unique(np.searchsorted(values, values[ends - 1], side="right"))
    return np.split(values, ends[:-1]), np.split(hits, ends[:-1])


def _means(values: list[Floats], hits: list[NDArray[np.bool_]]) -> tuple[Floats, Floats, Floats]:
    """By bin: accuracy, mean confidence, rows."""
    accuracies = np.array([np.mean(part) for part in hits])
    confidences = np.array([np.mean(part) for part in values])
    return accuracies, confidences, np.array([float(len(part)) for part in hits])


def _score(losses: Floats, near: Floats, far: Floats, level: float, *, most: float) -> Estimate:
    from scipy.special import stdtrit

    added = normal_quantile(level) ** 2 / 2
    n = len(losses)
    value = float(np.mean(losses))
    if n == 1:
        return Estimate(value, (0.0, most), level, 1)
    columns = np.array([np.mean(losses), np.mean(near), np.mean(far)])
    squares = np.array([np.mean(losses**2), np.mean(near**2), np.mean(far**2)])
    weights = np.array([n, added / 2, added / 2]) / (n + added)
    middle = float(weights @ columns)
    variance = max(0.0, float(weights @ squares) - middle**2)
    half = -float(stdtrit(n - 1, (1 - level) / 2)) * math.sqrt(variance / (n + added))
    # The pseudo-rows pull towards the middle; the measured value stays within its own interval.
    return Estimate(
        value, (max(0.0, min(value, middle - half)), min(most, max(value, middle + half))), level, n
    )


def _probabilities(probabilities: Any) -> Floats:
    try:
        shape = np.shape(probabilities)
    except ValueError:
        shape = ()
    if len(shape) != 2 or shape[1] < 2:
        raise ScoringError(
            "probabilities have a row for each row and a column for each of two or more classes",
            hint="for right or wrong alone, use brier_score",
            where="probabilities",
        )
    flat = np.ma.ravel(probabilities) if np.ma.isMaskedArray(probabilities) else np.ravel(probabilities)
    table = graded_scores(flat, name="probabilities").reshape(shape)
    odd = np.flatnonzero(np.abs(table.sum(axis=1) - 1) > _SUM)
    if odd.size:
        raise ScoringError(
            f"probabilities of a row add up to 1; row {int(odd[0])} adds up to {table[odd[0]].sum():.6g}",
            hint="give all classes, normalised",
            where="probabilities",
        )
    return table
