"""What a program may promise of the rows that it answers itself: thresholds of confidence chosen with a
guarantee that outlives the choice, or that rows of another kind fall below; the accuracy that can be
promised at each coverage, and the rows that a wanted promise still needs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence, Sized
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ScoringError
from .calibration import checked_confidences
from .checks import binary_scores, checked_counts, checked_level, one_a_row, same_length
from .proportions import binomial_lower

_STEPS = 40
_LEAST_SHARE = 0.1
_SPARED_FOR_ALL = 0.1
_MOST_FACTOR = 1000


@dataclass(frozen=True)
class Promise:
    """What holds of the rows at or above a threshold of confidence.

    Attributes:
        coverage: the share of rows that are answered; it may fall short of the one asked for, because rows
            of equal confidence are answered together or not at all.
        threshold: answer where confidence is at least this; 0 where all rows are answered.
        accuracy: of the rows at hand that are answered.
        guaranteed: what accuracy on rows like these is at least.
        n, right: rows that are answered, and those of them that are right.
    """

    coverage: float
    threshold: float
    accuracy: float
    guaranteed: float
    n: int
    right: int


def threshold_with_guarantee(
    confidence: Any, right: Any, *, target: float, delta: float = 0.05
) -> float | None:
    """The lowest confidence above which accuracy is at least `target`, with probability 1 - delta.

    Fixed-sequence testing (Angelopoulos et al. 2021, Learn then Test): cuts are tried from
    the most confident rows downwards, in 40 steps of coverage, each by the exact binomial test at the same
    level, until the first that fails. The first is the tenth of the rows, or as many as may hold one
    mistake and still pass. A tenth of delta is kept to try answering all rows at once: where confidence
    says little and accuracy is high, the long way down fails on the way.

    The probability is over rows drawn like these, and as exact as the binomial test if the accuracy of
    what is answered does not rise again below the cut at which it first falls under the target; where it
    does, it was measured (benchmarks/statistics_selection.py).

    Args:
        confidence: by row, within [0, 1]; shape (n,).
        right: right or wrong by row; shape (n,).
        target: accuracy wanted of answered rows, within (0, 1).
        delta: how often the true accuracy may be below the target all the same.

    Returns:
        The threshold, half way between the lowest confidence that is answered and the next below, or 0.0
        where all rows are answered; None where no cut reaches the target, as for no rows at all.

    Raises:
        ScoringError: lengths differ, a confidence is outside [0, 1] or missing, a row is neither right nor
            wrong, or target or delta is not within (0, 1).
    """
    checked_level(target, name="target")
    checked_level(delta, name="delta")
    if _no_rows(confidence) and _no_rows(right):
        return None
    ranked, hits = _ranked(confidence, right)
    n = ranked.size
    chain = delta * (1 - _SPARED_FOR_ALL)
    first = max(_fewest_rows(target, chain, n), math.ceil(n * _LEAST_SHARE))
    sizes = _whole_ties(ranked, np.ceil(np.arange(1, _STEPS + 1) * n / _STEPS).astype(np.intp))
    sizes = sizes[sizes >= first]
    passed = _at_least_p(hits[sizes - 1], sizes, target) <= chain
    reached = int(sizes.size if passed.all() else passed.argmin())
    if _at_least_p(hits[-1], n, target) <= delta * _SPARED_FOR_ALL:
        return 0.0
    return _cut(ranked, int(sizes[reached - 1])) if reached else None


def outlier_threshold(confidence: Any, *, share: float) -> float:
    """A confidence that a row drawn like these falls below with probability at most `share`.

    Conformal outlier detection (Bates et al. 2023, Annals of Statistics 51): among n + 1 rows drawn
    alike each place in the order of confidences is as probable as any other. Rows of another kind,
    such as questions that no label fits, fall below it far more often where the program is less sure
    of them.

    Args:
        confidence: by row, within [0, 1]; shape (n,).
        share: of rows like these that may be taken for others, within [0, 1).

    Returns:
        0.0, which no row falls below, where there are too few rows for so small a share.

    Raises:
        ScoringError: a confidence is outside [0, 1] or missing, or the share is not within [0, 1).
    """
    if not 0 <= share < 1:
        raise ScoringError(f"a share of outliers lies from 0 to below 1, not {share}", where="share")
    if _no_rows(confidence):
        return 0.0
    found = np.sort(checked_confidences(confidence))
    spared = math.floor(share * (found.size + 1) + 1e-9)
    return float(found[spared - 1]) if spared else 0.0


def promises(
    confidence: Any,
    right: Any,
    *,
    coverages: Sequence[float] = (1.0, 0.9, 0.8, 0.7, 0.5),
    delta: float = 0.05,
) -> tuple[Promise, ...]:
    """The accuracy that can be promised when the most confident share of the rows is answered.

    All of them hold together with probability 1 - delta, so one may pick after having seen them: each is
    the exact lower bound (Clopper and Pearson 1934) at delta over the number of coverages (Bonferroni).

    Args:
        confidence: by row, within [0, 1]; shape (n,), n >= 1.
        right: right or wrong by row; shape (n,).
        coverages: shares of rows to answer, within (0, 1], named before looking at the rows.
        delta: how often one of the promises may be false.

    Returns:
        One for each coverage, in the order given; those of which no whole group of equal confidences fits
        into the coverage have n = 0, threshold 1 and promise nothing.

    Raises:
        ScoringError: as `threshold_with_guarantee`, for no rows, or for a coverage outside (0, 1].
    """
    checked_level(delta, name="delta")
    shares = one_a_row(coverages, name="coverages")
    if shares.min() <= 0 or shares.max() > 1:
        raise ScoringError(
            f"coverages lie above 0 and at most at 1, not {shares.tolist()}",
            hint="90 % of the rows are 0.9",
            where="coverages",
        )
    ranked, hits = _ranked(confidence, right)
    n = ranked.size
    return tuple(_promise(ranked, hits, _fitting(ranked, n * share), delta / shares.size) for share in shares)


def rows_needed(right: int, n: int, total: int, target: float, *, delta: float = 0.05) -> int | None:
    """Test rows to add before `target` could be guaranteed, if coverage and accuracy stay as they are.

    The guarantee is the exact lower bound at `delta`, of a threshold that was set without these rows. Rows
    between whole numbers are allowed for, so the answer is a plan and no promise: chance decides.

    Args:
        right, n: rows that are right, of those that are answered.
        total: all test rows, answered or not.
        target: accuracy wanted of answered rows, within (0, 1).

    Returns:
        0 where the rows at hand are enough; None where more of the same would not do (accuracy is at most
        the target, or nothing is answered), or not below 1,000 times as many.

    Raises:
        ScoringError: unless 0 <= right <= n <= total, whole numbers, and target and delta within (0, 1).
    """
    checked_level(target, name="target")
    checked_level(delta, name="delta")
    counts = [float(count) for count in checked_counts(right=right, n=n, total=total)]
    if not counts[0] <= counts[1] <= counts[2]:
        raise ScoringError(
            f"{right} right of {n} answered of {total} rows cannot be", where="right, n, total"
        )
    if not counts[1] or counts[0] / counts[1] <= target:
        return None
    most = int(total) * _MOST_FACTOR
    short, enough = int(total) - 1, most + 1
    while enough - short > 1:
        tried = (short + enough) // 2
        if _smooth_lower(counts[0] * tried / total, counts[1] * tried / total, delta) >= target:
            enough = tried
        else:
            short = tried
    return None if enough > most else enough - int(total)


def _ranked(confidence: Any, right: Any) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Confidences from the highest down, and how many of the first 1, 2, ... n rows are right."""
    values, hits = checked_confidences(confidence), binary_scores(right, name="right")
    same_length(values, hits)
    order = np.argsort(-values, kind="stable")
    return values[order], np.cumsum(hits[order])


def _no_rows(column: Any) -> bool:
    return isinstance(column, Sized) and len(column) == 0


def _whole_ties(ranked: NDArray[np.float64], sizes: NDArray[np.intp]) -> NDArray[np.intp]:
    """The sizes cut down to where confidence changes, rising and each once; a cut within a tie is none.

    Cut down, not up: given the first confidence that is left out, the rows above it are a plain sample of
    all such rows, which is what the binomial test asks for.
    """
    ends = np.flatnonzero(np.append(ranked[:-1] > ranked[1:], True)) + 1
    below = np.searchsorted(ends, sizes, side="right") - 1
    return np.unique(ends[below[below >= 0]])


def _fitting(ranked: NDArray[np.float64], rows: float) -> int:
    # 0.7 of 10 rows is 7.000000000000001 or 6.999999999999999, and means 7.
    sizes = _whole_ties(ranked, np.array([math.floor(rows + 1e-9)], np.intp))
    return int(sizes[0]) if sizes.size else 0


def _promise(ranked: NDArray[np.float64], hits: NDArray[np.intp], size: int, delta: float) -> Promise:
    if not size:
        return Promise(0.0, 1.0, 0.0, 0.0, 0, 0)
    right = int(hits[size - 1])
    bound = binomial_lower(right, size, delta=delta)
    return Promise(size / ranked.size, _cut(ranked, size), right / size, bound, size, right)


def _cut(ranked: NDArray[np.float64], size: int) -> float:
    """Half way to the next confidence, so that another machine's last digits move no row across."""
    if size == ranked.size:
        return 0.0
    kept, left = float(ranked[size - 1]), float(ranked[size])
    middle = left + (kept - left) / 2
    return middle if left < middle else kept


def _fewest_rows(target: float, delta: float, n: int) -> int:
    """How many rows pass with one mistake, or with none where n is too few; more than n if neither."""
    sizes = np.arange(1, n + 1)
    for mistakes in (1, 0):
        enough = _at_least_p(np.maximum(sizes - mistakes, 0), sizes, target) <= delta
        if enough.any():
            return int(sizes[enough][0])
    return n + 1


def _at_least_p(right: Any, n: Any, target: float) -> Any:
    """P(X >= right) for X binomial with n rows at `target`: the p-value of accuracy below the target."""
    from scipy.special import betainc

    hits = np.asarray(right, np.float64)
    return np.where(hits == 0, 1.0, betainc(np.maximum(hits, 1), np.asarray(n) - hits + 1, target))


def _smooth_lower(right: float, n: float, delta: float) -> float:
    """The exact lower bound, continued to counts between whole numbers."""
    from scipy.special import betaincinv

    return float(betaincinv(right, n - right + 1, delta))
