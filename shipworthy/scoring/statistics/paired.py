"""Two programs compared on the same rows, by right and wrong. What decides a gate is `gate_interval`;
the published intervals and tests that it is made of, or was chosen over, stand below it. Counts may be
arrays of one shape, so that a simulation of a million tables is one call; scalars give floats.

Throughout, `wins` are rows that only the first program got right, `losses` rows that only the second
got right, and a difference is the first's share minus the second's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import ScoringError
from .checks import binary_scores, checked_counts, checked_level, checked_margin, plain, same_length
from .proportions import Interval, Limits, normal_quantile, wilson

Verdict = Literal["pass", "fail", "inconclusive"]
Floats = NDArray[np.float64]

HALVINGS = 60  # of an interval no longer than 2: the limits are then as exact as floats are


class PairedCounts(NamedTuple):
    """The 2 x 2 table of two programs on the same rows."""

    both: int
    wins: int
    losses: int
    neither: int


@dataclass(frozen=True)
class Paired:
    """Difference of two proportions on the same rows: first minus second.

    Attributes:
        mean: the difference.
        ci: its `gate_interval` at `ci_level`.
        p: its `gate_p`, one-sided, against "no better": below (1 - ci_level) / 2 exactly where `ci`
            lies above 0.
        n: rows; wins, losses: rows that only the first, or only the second, got right.
    """

    mean: float
    ci: Interval
    ci_level: float
    p: float
    n: int
    wins: int
    losses: int


@dataclass(frozen=True)
class Comparison:
    """What a comparison comes to.

    Attributes:
        verdict: `pass` where the whole interval lies above -margin, `fail` where it lies below, else
            `inconclusive`.
        margin: how much worse is still good enough; 0 for superiority.
        difference: mean, interval and counts; its `p` is against "no better".
        p: one-sided, against "worse by the margin or more": below (1 - level) / 2 exactly on `pass`.
    """

    verdict: Verdict
    margin: float
    difference: Paired
    p: float


def paired_counts(first: ArrayLike, second: ArrayLike) -> PairedCounts:
    """The table of two columns of right or wrong.

    Args:
        first, second: booleans, or 0 and 1, by row, in the same order; shape (n,) each.

    Raises:
        ScoringError: no rows, lengths differ, or a value is neither right nor wrong.
    """
    a, b = binary_scores(first, name="first"), binary_scores(second, name="second")
    same_length(a, b)
    return PairedCounts(*(int(cell.sum()) for cell in (a & b, a & ~b, ~a & b, ~a & ~b)))


def paired_difference(first: ArrayLike, second: ArrayLike, *, level: float = 0.95) -> Paired:
    """Difference of two proportions over the same rows, with the interval and the p of the gate.

    Args:
        first, second: booleans, or 0 and 1, by row, in the same order; shape (n,) each.
        level: of the interval, two-sided.

    Raises:
        ScoringError: no rows, lengths differ, a value is neither right nor wrong, or a level outside (0, 1).
    """
    checked_level(level)
    both, wins, losses, neither = paired_counts(first, second)
    n = both + wins + losses + neither
    ci = gate_interval(wins, losses, n, level=level)
    return Paired((wins - losses) / n, ci, float(level), gate_p(wins, losses, n), n, wins, losses)


def superiority(first: ArrayLike, second: ArrayLike, *, level: float = 0.95) -> Comparison:
    """Is the first better? An equal one passes with probability (1 - level) / 2 at most, or close to it.

    Raises:
        ScoringError: as `paired_difference`.
    """
    found = paired_difference(first, second, level=level)
    return Comparison(_verdict(found.ci, 0.0), 0.0, found, found.p)


def non_inferiority(
    first: ArrayLike,
    second: ArrayLike,
    *,
    margin: float,
    level: float = 0.95,
) -> Comparison:
    """Is the first worse by less than the margin? One worse by just that passes in about (1 - level) / 2.

    Args:
        first, second: booleans, or 0 and 1, by row, in the same order; shape (n,) each.
        margin: how much worse is still good enough, as a share: 5 points are 0.05.
        level: of the interval, two-sided.

    Raises:
        ScoringError: the margin lies outside (0, 1), or as `paired_difference`.
    """
    checked_margin(margin)
    found = paired_difference(first, second, level=level)
    p = gate_p(found.wins, found.losses, found.n, margin=margin)
    return Comparison(_verdict(found.ci, margin), float(margin), found, p)


def gate_interval(wins: ArrayLike, losses: ArrayLike, n: ArrayLike, *, level: float = 0.95) -> Limits:
    """The interval that decides every gate: Tango's, stretched to 0 where mid-P McNemar sees no difference.

    Tango's interval alone calls four wins against no loss a difference at 95 %, whatever n, for its test
    at 0 is McNemar's with the normal approximation. The mid-P test needs five. So 0 stays in the
    interval unless both tests reject it: the smallest interval that holds Tango's and every difference
    (0 or none) that mid-P McNemar does not reject. `benchmarks/statistics.py` chose it: see there what
    it covers, and what else was tried.

    Args:
        wins, losses, n: rows only the first, or only the second, got right, and all rows; scalars or
            arrays that broadcast.
        level: two-sided.

    Returns:
        Low and high within [-1, 1], of the counts' shape.

    Raises:
        ScoringError: counts that are negative, not whole or more than n, n = 0, or a level outside (0, 1).
    """
    tail = (1 - checked_level(level)) / 2
    w, x, total = _discordant(wins, losses, n)
    low, high = _tango(w, x, total, normal_quantile(level))
    low = np.where(_gate_p(w, x, total) < tail, low, np.minimum(low, 0.0))
    high = np.where(_gate_p(x, w, total) < tail, high, np.maximum(high, 0.0))
    return plain(low), plain(high)


def gate_p(wins: ArrayLike, losses: ArrayLike, n: ArrayLike, *, margin: float = 0.0) -> Any:
    """One-sided p against "the first is worse by the margin or more"; against "no better" at margin 0.

    Below (1 - level) / 2 exactly where the low end of `gate_interval` lies above -margin. At margin 0
    it is the mid-P McNemar test, or Tango's score test where that is larger; else the score test.

    Raises:
        ScoringError: counts as in `gate_interval`, or a margin outside [0, 1).
    """
    w, x, total = _discordant(wins, losses, n)
    if isinstance(margin, int | float | np.number) and not isinstance(margin, bool) and margin == 0:
        return plain(_gate_p(w, x, total))
    return plain(_score_p(w, x, total, -checked_margin(margin)))


def tango_interval(wins: ArrayLike, losses: ArrayLike, n: ArrayLike, *, level: float = 0.95) -> Limits:
    """Score interval of a paired difference (Tango 1998, Statistics in Medicine 17, 891).

    The differences that the score test does not reject, by bisection. Arguments, result and errors as
    `gate_interval`.
    """
    z = normal_quantile(level)
    low, high = _tango(*_discordant(wins, losses, n), z)
    return plain(low), plain(high)


def newcombe_interval(
    both: ArrayLike,
    wins: ArrayLike,
    losses: ArrayLike,
    neither: ArrayLike,
    *,
    level: float = 0.95,
    corrected: bool = True,
) -> Limits:
    """Interval of a paired difference (Newcombe 1998, Statistics in Medicine 17, 2635, method 10).

    Made of the two Wilson intervals and the correlation of the two programs.

    Args:
        both, wins, losses, neither: the table's cells; scalars or arrays that broadcast.
        level: two-sided.
        corrected: with the continuity correction of a positive correlation, which is method 10; without
            it is method 8.

    Returns:
        Low and high within [-1, 1], of the counts' shape.

    Raises:
        ScoringError: counts that are negative or not whole, no rows, or a level outside (0, 1).
    """
    checked_level(level)
    a, b, c, d = checked_counts(both=both, wins=wins, losses=losses, neither=neither)
    n = a + b + c + d
    if not np.all(n >= 1):
        raise ScoringError("a table without rows has no difference", hint="compare on at least one row")
    share1, share2 = (a + b) / n, (a + c) / n
    low1, high1 = wilson(a + b, n, level=level)
    low2, high2 = wilson(a + c, n, level=level)
    phi = _correlation(a, b, c, d, corrected)

    def reach(one: Floats, other: Floats) -> Floats:
        # Not below 0 in exact arithmetic.
        return np.sqrt(np.maximum(one * one - 2 * phi * one * other + other * other, 0.0))

    mean = share1 - share2
    low, high = mean - reach(share1 - low1, high2 - share2), mean + reach(high1 - share1, share2 - low2)
    return plain(np.maximum(low, -1.0)), plain(np.minimum(high, 1.0))


def mcnemar_exact(wins: ArrayLike, losses: ArrayLike, *, two_sided: bool = False) -> Any:
    """Exact McNemar test (McNemar 1947, Psychometrika 12, 153), given the number of discordant rows.

    Args:
        wins, losses: rows only the first, or only the second, got right; scalars or arrays that broadcast.
        two_sided: against "no different", else against "the first is no better".

    Returns:
        One-sided P(X >= wins) for X ~ Binomial(wins + losses, 1/2); two-sided twice the smaller side, at
        most 1. Without discordant rows 1.

    Raises:
        ScoringError: counts that are negative or not whole.
    """
    w, x = checked_counts(wins=wins, losses=losses)
    if two_sided:
        return plain(np.minimum(2 * np.minimum(_at_least(w, w + x), _at_least(x, w + x)), 1.0))
    return plain(_at_least(w, w + x))


def mcnemar_midp(wins: ArrayLike, losses: ArrayLike, *, two_sided: bool = False) -> Any:
    """McNemar test by mid-P (Fagerland, Lydersen and Laake 2013, BMC Med. Res. Methodology 13, 91).

    As `mcnemar_exact`, with half the probability of the outcome at hand: P(X > wins) + P(X = wins) / 2.
    Less cautious than the exact test, whose true error rate lies far below the nominal one. As many wins
    as losses, none included, give 1/2, and two-sided 1, so that two-sided is always twice the smaller
    side; the authors have 1 - P(X = wins) / 2 there, which decides nothing else.

    Raises:
        ScoringError: counts that are negative or not whole.
    """
    w, x = checked_counts(wins=wins, losses=losses)
    if two_sided:
        return plain(np.minimum(2 * np.minimum(_midp(w, x), _midp(x, w)), 1.0))
    return plain(_midp(w, x))


def _verdict(ci: Interval, margin: float) -> Verdict:
    low, high = ci
    return "pass" if low > -margin else "fail" if high < -margin else "inconclusive"


def _gate_p(wins: Floats, losses: Floats, n: Floats) -> Floats:
    return np.maximum(_midp(wins, losses), _score_p(wins, losses, n, 0.0))


def _midp(wins: Floats, losses: Floats) -> Floats:
    trials = wins + losses
    return (_at_least(wins, trials) + _at_least(wins + 1, trials)) / 2


def _at_least(wins: Floats, trials: Floats) -> Floats:
    """P(X >= wins) for X ~ Binomial(trials, 1/2), exactly."""
    from scipy.special import betainc

    # The beta function's form has a value for wins in 1..trials only; the ends are certain.
    inside = betainc(np.maximum(wins, 1.0), np.maximum(trials - wins + 1, 1.0), 0.5)
    return np.where(wins <= 0, 1.0, np.where(wins > trials, 0.0, inside))


def _score_p(wins: Floats, losses: Floats, n: Floats, difference: float) -> Floats:
    """Upper tail of Tango's test of one difference."""
    from scipy.special import ndtr

    excess, variance = _score(np.full_like(n, difference), wins, losses, n)
    # Without variance (no discordant row, difference 0) there is no excess either: no evidence, 1/2.
    return np.where(variance > 0, ndtr(-excess / np.sqrt(np.where(variance > 0, variance, 1.0))), 0.5)


def _tango(wins: Floats, losses: Floats, n: Floats, z: float) -> tuple[Floats, Floats]:
    """The high end is the low end of the mirrored table, so that swapping mirrors to the last bit."""
    return _tango_low(wins, losses, n, z), -_tango_low(losses, wins, n, z)


def _tango_low(wins: Floats, losses: Floats, n: Floats, z: float) -> Floats:
    """The largest difference from below that the score test rejects; the statistic falls as it grows."""
    rejected, kept = np.full_like(n, -1.0), (wins - losses) / n
    for _ in range(HALVINGS):
        middle = (rejected + kept) / 2
        excess, variance = _score(middle, wins, losses, n)
        rejects = excess > z * np.sqrt(variance)
        rejected, kept = np.where(rejects, middle, rejected), np.where(rejects, kept, middle)
    return rejected


def _score(difference: Floats, wins: Floats, losses: Floats, n: Floats) -> tuple[Floats, Floats]:
    """Excess of wins over what the difference predicts, and its variance where the difference is true.

    The share of losses is estimated under the difference (Tango 1998, section 2): the larger root of a
    quadratic equation.
    """
    linear = (2 * n - wins + losses) * difference - wins - losses
    constant = -losses * difference * (1 - difference)
    root = np.sqrt(np.maximum(linear * linear - 8 * n * constant, 0.0))
    loss_share = (root - linear) / (4 * n)
    variance = n * (2 * loss_share + difference * (1 - difference))
    return wins - losses - n * difference, np.maximum(variance, 0.0)


def _correlation(a: Floats, b: Floats, c: Floats, d: Floats, corrected: bool) -> Floats:
    """Correlation of the two programs; 0 where one is always right or always wrong."""
    margins = (a + b) * (c + d) * (a + c) * (b + d)
    cross = a * d - b * c
    if corrected:
        cross = np.where(cross > 0, np.maximum(cross - (a + b + c + d) / 2, 0.0), cross)
    return np.where(margins > 0, cross / np.sqrt(np.where(margins > 0, margins, 1.0)), 0.0)


def _discordant(wins: ArrayLike, losses: ArrayLike, n: ArrayLike) -> tuple[Floats, Floats, Floats]:
    w, x, total = checked_counts(wins=wins, losses=losses, n=n)
    if not np.all((total >= 1) & (w + x <= total)):
        raise ScoringError(
            f"{wins!r} wins and {losses!r} losses do not fit in {n!r} rows",
            hint="n counts all rows, those that both programs got right or wrong included",
        )
    return w, x, total
