"""Means of bounded rows, looked at as often as one likes: intervals and tests that stay valid at any time.

The compiler's race drops a candidate by them as soon as its paired differences allow, without paying for
each look. All of it holds for rows that are independent with one mean, in an order fixed before they are
scored. Rows drawn without replacement from a finite set may be read the same way, and the intervals are then
wider than the mean of that set would need: at any one time the bets' wealth against it is at most 1 on
average (Maclaurin's inequality); over all times together, it was measured
(benchmarks/statistics_selection.py).

Wealth is a gambler's who bets on each row against a hypothesis; where the hypothesis holds, it exceeds
1/alpha at any time with probability at most alpha (Ville 1939). The bets here are ten fixed shares of what
can be lost, held side by side, which Waudby-Smith and Ramdas (2024, J. R. Stat. Soc. B 86, 1) call
diversified Kelly bets. The wealth after a set of rows then does not depend on their order.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ScoringError
from .checks import checked_level, one_a_row

Floats = NDArray[np.float64]

BETS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.45, 0.6, 0.75, 0.9)
"""Shares of the wealth at stake. Small ones suit many rows and small differences, large ones the reverse."""

_HALVINGS = 40
_DISTINCT = 128
_GRID, _GRIDS = np.arange(1.0, 8.0), 5


class AnytimeMean:
    """The mean of rows that arrive in batches, with an interval and a test for whenever one looks.

    For a race: one for each pair of candidates, fed with `first - second` row by row.

    Args:
        low, high: what a row can be at least and at most; differences of scores lie within -1 and 1.

    Raises:
        ScoringError: unless low < high, both finite.
    """

    __slots__ = ("_range", "_rows")

    def __init__(self, *, low: float = -1.0, high: float = 1.0) -> None:
        self._range = _checked_range(low, high)
        self._rows: Floats = np.empty(0)

    @property
    def n(self) -> int:
        """Rows so far."""
        return int(self._rows.size)

    @property
    def mean(self) -> float:
        """Of the rows so far.

        Raises:
            ScoringError: there are none.
        """
        if not self.n:
            raise ScoringError("no rows have been given yet", hint="call update first", where="values")
        return float(self._rows.mean())

    def update(self, values: Any) -> None:
        """Take further rows; shape (k,), k >= 1, in the order in which they were scored.

        Raises:
            ScoringError: anything but finite numbers within the range; no row of the batch is then taken.
        """
        self._rows = np.concatenate([self._rows, _within(one_a_row(values, name="values"), self._range)])

    def interval(self, *, level: float = 0.95) -> tuple[float, float]:
        """As `betting_interval`, of the rows so far; the whole range before the first row.

        Raises:
            ScoringError: unless 0 < level < 1.
        """
        checked_level(level)
        if not self.n:
            return self._range
        low, high = betting_interval(self._rows, level=level, low=self._range[0], high=self._range[1])
        return float(low), float(high)

    def e_value(self, *, null: float = 0.0) -> float:
        """Evidence against a mean of at most `null`: expected to be at most 1 where that is so.

        The wealth now, 1 before the first row, infinite beyond 1e308. See `p_value` for a decision.

        Raises:
            ScoringError: unless low < null < high.
        """
        wealth = self._log_wealth(null)
        return math.exp(wealth[-1]) if wealth[-1] < math.log(1e308) else math.inf

    def p_value(self, *, null: float = 0.0) -> float:
        """One-sided p against a mean of at most `null`; at most alpha at any time with probability alpha.

        It is 1 over the largest wealth so far and never rises again. Comparing it with alpha is to reject
        when the wealth reaches 1/alpha.

        Raises:
            ScoringError: unless low < null < high.
        """
        return math.exp(-max(0.0, float(self._log_wealth(null).max())))

    def _log_wealth(self, null: float) -> Floats:
        share = _checked_null(null, self._range)
        return _log_wealth(_scaled(self._rows, self._range), share) if self.n else np.zeros(1)


def betting_interval(values: Any, *, level: float = 0.95, low: float = 0.0, high: float = 1.0) -> Any:
    """Interval of each stream's mean after its last row, valid also if one looked after every row before.

    Holds the means that none of the looks so far rejects, each side at half the error (the hedged capital
    of Waudby-Smith and Ramdas 2024, with the bets of this module). A wealth falls in the mean
    that it bets against, so the limits are found by halving; they are rounded outwards, by less than 1e-11
    of the range.

    Args:
        values: rows in the order in which they were seen; shape (n,) or (streams, n), n >= 1.
        level: two-sided, over all times together.
        low, high: what a row can be at least and at most.

    Returns:
        Lows and highs: floats for one stream, else of shape (streams,). Where the rows contradict every
        single mean (the mean has moved, or a miss that the level allows for), it is the whole range.

    Raises:
        ScoringError: anything but finite numbers within low and high, or unless 0 < level < 1, low < high.
    """
    rows, bounds = _streams(values, low, high)
    log_limit = math.log(2 / (1 - checked_level(level)))
    lows, highs = _lower_limit(rows, log_limit), 1 - _lower_limit(1 - rows, log_limit)
    empty = lows > highs
    return _as_given(
        values, _unscaled(np.where(empty, 0.0, lows), bounds), _unscaled(np.where(empty, 1.0, highs), bounds)
    )


def log_wealth(values: Any, *, null: float = 0.0, low: float = -1.0, high: float = 1.0) -> Floats:
    """Natural logarithm of the wealth after each row, of a gambler against "the mean is at most `null`".

    The defaults make it a one-sided test of paired differences. Where the hypothesis holds, exp of it is an
    e-process: it reaches 1/alpha at any time with probability at most alpha (Waudby-Smith and Ramdas 2024).

    Args:
        values: as for `betting_interval`.

    Returns:
        Of the shape of `values`.

    Raises:
        ScoringError: as `betting_interval`, or unless low < null < high.
    """
    rows, bounds = _streams(values, low, high)
    wealth = _log_wealth(rows, _checked_null(null, bounds))
    return wealth if _nested(values) else wealth[0]


def final_log_wealth(values: Any, *, null: float = 0.0, low: float = -1.0, high: float = 1.0) -> float:
    """The last of `log_wealth`, of one stream, at a cost that grows with the distinct values, not the rows.

    Args:
        values: shape (n,), n >= 1, in any order. Where more than 128 are distinct, each is shared out between
            its two neighbours among 129 even steps so that the mean stays, which only lowers the wealth
            (its logarithm is concave in a value), and very little.

    Raises:
        ScoringError: as `log_wealth`.
    """
    bounds = _checked_range(low, high)
    rows, counts = _counted(_scaled(_within(one_a_row(values, name="values"), bounds), bounds))
    return float(_final_log_wealth(rows, counts, np.array([_checked_null(null, bounds)]))[0])


def final_betting_interval(
    values: Any, *, level: float = 0.95, low: float = 0.0, high: float = 1.0
) -> tuple[float, float]:
    """As `betting_interval` of one stream, by the wealth after the last row alone.

    It is valid at whatever row one stops as well, at times a little wider, and its cost grows with the
    distinct values, not the rows (`final_log_wealth` says how). Rounded outwards, by less than 4e-5 of
    the range.

    Raises:
        ScoringError: as `betting_interval`.
    """
    bounds = _checked_range(low, high)
    given = _scaled(_within(one_a_row(values, name="values"), bounds), bounds)
    log_limit = math.log(2 / (1 - checked_level(level)))
    least, most = (_final_limit(*_counted(rows), log_limit) for rows in (given, 1 - given))
    if least > 1 - most:
        return bounds
    return float(_unscaled(least, bounds)), float(_unscaled(1 - most, bounds))


def rows_to_reject(
    values: Any, *, alpha: float = 0.05, null: float = 0.0, low: float = -1.0, high: float = 1.0
) -> Any:
    """After how many rows "the mean is at most `null`" is rejected for good; 0 where it is not.

    Args:
        values: as for `betting_interval`.
        alpha: how often a hypothesis that holds may be rejected, over all times together.

    Returns:
        A whole number for one stream, else of shape (streams,).

    Raises:
        ScoringError: as `log_wealth`, or unless 0 < alpha < 1.
    """
    limit = -math.log(checked_level(alpha, name="alpha"))
    beyond = log_wealth(values, null=null, low=low, high=high) >= limit
    first = np.where(beyond.any(axis=-1), beyond.argmax(axis=-1) + 1, 0)
    return first if _nested(values) else int(first)


def empirical_bernstein_sequence(
    values: Any,
    *,
    level: float = 0.95,
    low: float = 0.0,
    high: float = 1.0,
    truncation: float = 0.5,
    intersect: bool = False,
) -> tuple[Floats, Floats]:
    """Interval of each stream's mean after each row, in closed form.

    The predictable plug-in empirical-Bernstein confidence sequence of Waudby-Smith and Ramdas (2024),
    theorem 2. Wider than `betting_interval`, and much quicker where the limits after every row are wanted.

    Args:
        values: as for `betting_interval`.
        level: two-sided, over all times together.
        low, high: what a row can be at least and at most.
        truncation: the largest bet, c in the paper, within (0, 1).
        intersect: keep only the means that no earlier interval left out either.

    Returns:
        Lows and highs, of the shape of `values`, within low and high. With `intersect`, the whole range
        where nothing is left.

    Raises:
        ScoringError: as `betting_interval`, or unless 0 < truncation < 1.
    """
    rows, bounds = _streams(values, low, high)
    cost = math.log(2 / (1 - checked_level(level)))
    rows_seen = np.arange(1, rows.shape[1] + 1)
    # Half a row of value 1/2 and a quarter of variance stand in for the rows before the first.
    means = (0.5 + np.cumsum(rows, axis=1)) / (rows_seen + 1)
    variances = (0.25 + np.cumsum((rows - means) ** 2, axis=1)) / (rows_seen + 1)
    bets = np.minimum(
        np.sqrt(2 * cost / (_before(variances, 0.25) * rows_seen * np.log1p(rows_seen))),
        checked_level(truncation, name="truncation"),
    )
    staked = np.cumsum(bets, axis=1)
    middle = np.cumsum(bets * rows, axis=1) / staked
    spread = np.cumsum((rows - _before(means, 0.5)) ** 2 * (-np.log1p(-bets) - bets), axis=1)
    half = (cost + spread) / staked
    lows, highs = np.clip(middle - half, 0.0, 1.0), np.clip(middle + half, 0.0, 1.0)
    if intersect:
        lows, highs = np.maximum.accumulate(lows, axis=1), np.minimum.accumulate(highs, axis=1)
        empty = lows > highs
        lows, highs = np.where(empty, 0.0, lows), np.where(empty, 1.0, highs)
    lows, highs = _unscaled(lows, bounds), _unscaled(highs, bounds)
    return (lows, highs) if _nested(values) else (lows[0], highs[0])


def _lower_limit(rows: Floats, log_limit: float) -> Floats:
    """The largest mean that the wealth against it has excluded at some time, by halving; (streams,)."""
    excluded, kept = np.zeros(len(rows)), np.ones(len(rows))
    for _ in range(_HALVINGS):
        tried = (excluded + kept) / 2
        beyond = _log_wealth(rows, tried[:, None]).max(axis=1) >= log_limit
        excluded, kept = np.where(beyond, tried, excluded), np.where(beyond, kept, tried)
    return excluded


def _counted(rows: Floats) -> tuple[Floats, Floats]:
    """Distinct values and how often each occurs; shared out among even steps where there are too many."""
    found, counts = np.unique(rows, return_counts=True)
    if len(found) <= _DISTINCT:
        return found, counts.astype(np.float64)
    step = np.minimum((rows * _DISTINCT).astype(np.intp), _DISTINCT - 1)
    above = rows * _DISTINCT - step
    shared = np.bincount(step, 1 - above, _DISTINCT + 1) + np.bincount(step + 1, above, _DISTINCT + 1)
    return np.arange(_DISTINCT + 1) / _DISTINCT, np.asarray(shared, np.float64)


def _final_limit(rows: Floats, counts: Floats, log_limit: float) -> Any:
    """The largest mean that the wealth against it excludes after the last row, on finer and finer grids."""
    low, width = 0.0, 1.0
    for _ in range(_GRIDS):
        width /= len(_GRID) + 1
        beyond = _final_log_wealth(rows, counts, low + width * _GRID) >= log_limit
        low += width * int(beyond.sum())  # a wealth falls in the mean that it bets against
    return low


def _final_log_wealth(rows: Floats, counts: Floats, nulls: Floats) -> Floats:
    """Against each mean, of distinct values with their counts; the shape of `nulls`."""
    gains = rows / nulls[:, None] - 1
    logs = np.log1p(np.multiply.outer(np.array(BETS), gains)) @ counts
    most = logs.max(axis=0)
    return np.asarray(most + np.log(np.exp(logs - most).mean(axis=0)))


def _log_wealth(rows: Floats, null: Floats | float) -> Floats:
    """Against a mean of at most `null`, for rows scaled to [0, 1] and 0 < null < 1; the shape of `rows`."""
    gains = rows / null - 1
    wealth = np.full(rows.shape, -np.inf)
    for bet in BETS:
        np.logaddexp(wealth, np.cumsum(np.log1p(bet * gains), axis=-1), out=wealth)
    return wealth - math.log(len(BETS))


def _streams(values: Any, low: float, high: float) -> tuple[Floats, tuple[float, float]]:
    """Rows scaled to [0, 1], shape (streams, n), and the range that they had."""
    bounds = _checked_range(low, high)
    parts = [one_a_row(part, name="values") for part in (values if _nested(values) else [values])]
    if len({part.size for part in parts}) != 1:
        raise ScoringError(
            "all streams need as many rows", hint="give an array of shape (streams, n)", where="values"
        )
    return _scaled(_within(np.stack(parts), bounds), bounds), bounds


def _nested(values: Any) -> bool:
    if isinstance(values, np.ndarray):
        return values.ndim > 1
    return (
        isinstance(values, list | tuple) and bool(values) and isinstance(values[0], list | tuple | np.ndarray)
    )


def _within(rows: Floats, bounds: tuple[float, float]) -> Floats:
    if rows.min() < bounds[0] or rows.max() > bounds[1]:
        raise ScoringError(
            f"values lie within {bounds[0]:g} and {bounds[1]:g}, not {rows.min():g} to {rows.max():g}",
            hint="say low and high, or scale the scores; a bound that rows can pass guarantees nothing",
            where="values",
        )
    return rows


def _checked_range(low: float, high: float) -> tuple[float, float]:
    first, last = one_a_row([low, high], name="low and high").tolist()
    if not first < last or not math.isfinite(last - first):
        raise ScoringError(
            f"low is below high, and both are of sensible size, not {low} and {high}", where="low and high"
        )
    return first, last


def _checked_null(null: float, bounds: tuple[float, float]) -> float:
    (value,) = one_a_row([null], name="null").tolist()
    share = (value - bounds[0]) / (bounds[1] - bounds[0])
    if not 0 < share < 1:
        raise ScoringError(
            f"the mean to test against lies between {bounds[0]:g} and {bounds[1]:g}, not {null}", where="null"
        )
    return float(share)


def _scaled(rows: Floats, bounds: tuple[float, float]) -> Floats:
    return np.clip((rows - bounds[0]) / (bounds[1] - bounds[0]), 0.0, 1.0)


def _unscaled(shares: Floats, bounds: tuple[float, float]) -> Floats:
    return np.clip(bounds[0] + shares * (bounds[1] - bounds[0]), *bounds)


def _before(running: Floats, first: float) -> Floats:
    """What was known before each row."""
    return np.concatenate([np.full((len(running), 1), first), running[:, :-1]], axis=1)


def _as_given(values: Any, lows: Floats, highs: Floats) -> Any:
    return (lows, highs) if _nested(values) else (float(lows[0]), float(highs[0]))
