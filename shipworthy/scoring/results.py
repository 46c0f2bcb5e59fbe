"""What an evaluation found: the score with its interval, every row, and pairs of rows to compare.

The score is the mean over the rows that the metric could score. How many it could not is
stated beside it, and a pair leaves them out on both sides.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ScoringError
from .columns import Results, RowResult
from .statistics import Interval, Paired, log_wealth, paired_difference, wilson

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Evaluation:
    """Results in the rows' order.

    Attributes:
        results: a sequence of `RowResult`; it is held by column, whatever was given.
        complete: False where the evaluation was cancelled before the last row.
        metric: its name; version: its version; both as the scores were made.
    """

    results: Sequence[RowResult]
    complete: bool = True
    metric: str = ""
    version: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.results, Results):
            object.__setattr__(self, "results", Results(self.results))

    @property
    def columns(self) -> Results:
        """The results, for whoever wants whole columns."""
        if not isinstance(self.results, Results):  # it is one since __post_init__
            raise TypeError("results are held by column")
        return self.results

    @property
    def scores(self) -> NDArray[np.float64]:
        """Scores in [0, 1] by row, NaN where the metric failed; shape (n,)."""
        return self.columns.numbers("score")

    @property
    def right(self) -> list[bool]:
        """Right or wrong by row; what could not be scored is not right."""
        right: list[bool] = self.columns.flags("right").tolist()
        return right

    @property
    def errors(self) -> int:
        """Rows that the program could not answer; each counts with score 0."""
        return len(self.columns.errors)

    @property
    def failures(self) -> int:
        """Rows that the metric could not score; they are in no figure."""
        return len(self.columns.failures)

    @property
    def scored(self) -> int:
        """Rows that the score is the mean of."""
        return len(self.results) - self.failures

    @property
    def score(self) -> float:
        """Mean score over the rows that could be scored; the share that is right, if it is all or nothing.

        Raises:
            ScoringError: no row could be scored.
        """
        return float(self._known().mean())

    @property
    def ci(self) -> Interval:
        """95 % interval of the score, by `ci_method`.

        Raises:
            ScoringError: no row could be scored.
        """
        return mean_interval(self._known())

    @property
    def ci_method(self) -> str:
        """`wilson` where every score is 0 or 1, else `betting`; see `mean_interval`."""
        return interval_method(self._known())

    def by_output(self) -> dict[str, float | None]:
        """Mean score, output by output; None where no row could be scored."""
        found = {}
        for name, column in self.columns.by_name("by_output").items():
            known = [value for value in column if value is not None]
            found[name] = math.fsum(known) / len(known) if known else None
        return found

    def records(self) -> Iterator[dict[str, Any]]:
        """One plain dict a row, made as it is asked for, with the columns of `frame`."""
        from .frame import records

        return records(self.columns)

    def frame(self) -> pd.DataFrame:
        """One row for each example, as a pandas DataFrame.

        Columns: `index`; `output.NAME` and `label.NAME`, `confidence.NAME` and `score.NAME` for
        each output; `confidence`, `answered`, `score`, `error` and `error_message`, `failure` and
        `failure_message`, `ms`, `tokens`, `tokens_in`, `tokens_out`, `lm_calls`, `usd`. A number
        that is not known is NaN.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        from .frame import frame

        return frame(self.columns)

    def __repr__(self) -> str:
        part = "" if self.complete else ", incomplete"
        if not self.scored:
            return f"<Evaluation of {len(self.results)} rows, none scored{part}>"
        low, high = self.ci
        return f"<Evaluation of {len(self.results)} rows: {self.score:.3f} ({low:.3f} to {high:.3f}){part}>"

    def _repr_html_(self) -> str:
        from .frame import evaluation_html

        return evaluation_html(self)

    def _known(self) -> NDArray[np.float64]:
        scores = self.scores
        known = scores[~np.isnan(scores)]
        if not known.size:
            raise ScoringError(
                f"none of {len(scores)} rows could be scored" if len(scores) else "no row has been scored",
                hint="the failures are in `results`: mend the metric, or the rows that it fails on"
                if len(scores)
                else "evaluate at least one row",
            )
        return known


@dataclass(frozen=True)
class PairedRows:
    """Scores of two evaluations on the rows that both could score.

    Attributes:
        rows: which they are, as places in the first evaluation; shape (n,).
        first, second: scores in [0, 1]; shape (n,) each.
        left_out: rows that one of them could not score.
    """

    rows: NDArray[np.intp]
    first: NDArray[np.float64]
    second: NDArray[np.float64]
    left_out: int

    @property
    def binary(self) -> bool:
        """Whether every score is 0 or 1."""
        return is_binary(self.first) and is_binary(self.second)

    def difference(self, *, level: float = 0.95) -> Paired:
        """First minus second.

        Right and wrong: the interval and p of `paired_difference`. Graded scores: `mean_interval`
        of the differences, which needs no more than that they are bounded, and as p 1 over
        the largest wealth of a bettor on "better" (`log_wealth`), which is never too small;
        wins and losses are the rows with a higher and a lower score.

        Raises:
            ScoringError: the level lies outside (0, 1).
        """
        if self.binary:
            return paired_difference(self.first == 1.0, self.second == 1.0, level=level)
        gaps = self.first - self.second
        low, high = mean_interval((gaps + 1) / 2, level=level)
        p = math.exp(-max(0.0, float(np.max(log_wealth(gaps)))))
        wins, losses = int((gaps > 0).sum()), int((gaps < 0).sum())
        return Paired(float(gaps.mean()), (2 * low - 1, 2 * high - 1), level, p, len(gaps), wins, losses)


def paired_rows(
    first: Evaluation, second: Evaluation, *, at: Sequence[int] | None = None, partial: bool = False
) -> PairedRows:
    """Put the scores of two evaluations of the same rows side by side.

    Args:
        first, second: made by the same metric, on the same rows in the same order.
        at: where `second` evaluated some of `first`'s rows only: their places in `first`.
        partial: compare incomplete evaluations too, on the rows that both have; they stand
            in the rows' order, so that these are the first ones, and a choice by order.

    Raises:
        ScoringError: the rows or the metrics differ, one is incomplete, or no row is left.
    """
    if not partial and not (first.complete and second.complete):
        raise ScoringError(
            "an evaluation that was cancelled is not compared",
            hint="run it to its end (a checkpoint resumes it), or ask for partial=True",
        )
    if first.metric and second.metric and (first.metric, first.version) != (second.metric, second.version):
        raise ScoringError(
            f"scores by {first.metric!r} version {first.version} and by {second.metric!r} "
            f"version {second.version} are not compared",
            hint="score both with the same metric",
        )
    places = np.arange(len(second.results)) if at is None else np.asarray(at, dtype=np.intp)
    theirs = second.scores
    if partial:
        most = min(len(places), len(theirs))
        places, theirs = places[:most], theirs[:most]
        inside = places < len(first.results)
        places, theirs = places[inside], theirs[inside]
    elif at is None and len(first.results) != len(second.results):
        raise _other_rows(f"{len(first.results)} and {len(second.results)} rows are no pairs")
    if len(places) != len(theirs) or np.any(places < 0) or np.any(places >= len(first.results)):
        raise _other_rows(f"{len(theirs)} rows do not stand at {len(places)} places of {len(first.results)}")
    _check_labels(first.columns, second.columns, places)
    ours = first.scores[places]
    both = ~(np.isnan(ours) | np.isnan(theirs))
    if not both.any():
        raise ScoringError("no row was scored on both sides", hint="mend the metric, or give more rows")
    return PairedRows(places[both], ours[both], theirs[both], int((~both).sum()))


def is_binary(scores: NDArray[np.float64]) -> bool:
    """Whether every score is 0 or 1."""
    return bool(np.all((scores == 0.0) | (scores == 1.0)))


def interval_method(scores: NDArray[np.float64]) -> str:
    """`wilson` or `betting`: how `mean_interval` treats these scores."""
    return "wilson" if is_binary(scores) else "betting"


def mean_interval(scores: NDArray[np.float64], *, level: float = 0.95) -> Interval:
    """Interval of the mean of scores in [0, 1].

    Scores that are all 0 or 1: Wilson (1927). Graded ones: the betting interval for a fixed
    number of rows (Waudby-Smith and Ramdas 2024, JRSS B 86, 1: hedged capital with theta = 1/2,
    bets cut at 3/4). It needs no more than that scores are bounded and rows
    independent, holds for few rows too, and narrows with the scores' own spread. Its bets count
    on all rows being there; `betting_interval` is for looking while rows come in, and wider.

    Args:
        scores: shape (n,), without NaN.
        level: of the interval.

    Raises:
        ScoringError: there are no scores, one lies outside [0, 1], or the level is not in (0, 1).
    """
    if not 0 < level < 1:
        raise ScoringError(f"a level lies between 0 and 1, not {level}", hint="0.95 is usual")
    if not scores.size or not np.all((scores >= 0) & (scores <= 1)):
        raise ScoringError(
            "an interval needs scores within 0 and 1, at least one", hint="leave rows without a score out"
        )
    if is_binary(scores):
        return wilson(int(scores.sum()), int(scores.size), level=level)
    # Bets are placed row after row, so that the order must say nothing: rows sorted by class
    # would look like a mean that drifts. The draw is fixed: the same scores, the same interval.
    shuffled = np.random.default_rng(0).permutation(scores)
    low = _betting_lower(shuffled, 1 - level)
    return low, max(low, 1.0 - _betting_lower(1.0 - shuffled, 1 - level))


def _betting_lower(scores: NDArray[np.float64], alpha: float) -> float:
    """The largest mean that a bettor on "it is more than that" has refuted at alpha / 2."""
    n = len(scores)
    counts = np.arange(1, n + 1)
    means = (0.5 + np.cumsum(scores)) / (counts + 1)
    spread = (0.25 + np.cumsum((scores - means) ** 2)) / (counts + 1)
    known = np.concatenate(([0.25], spread[:-1]))  # a bet knows the rows before it only
    bets = np.sqrt(2 * math.log(2 / alpha) / (n * known))
    wanted = math.log(2 / alpha)
    low, high = 0.0, float(scores.mean())
    # Wealth falls as the mean bet against rises, at every row: the bound is found by halving.
    for _ in range(40):
        middle = (low + high) / 2
        if middle <= 0.0:
            break
        wealth = np.cumsum(np.log1p(np.minimum(bets, 0.75 / middle) * (scores - middle)))
        if wealth.max() >= wanted:
            low = middle
        else:
            high = middle
    return low


def _check_labels(first: Results, second: Results, places: NDArray[np.intp]) -> None:
    ours, theirs = first.by_name("labels"), second.by_name("labels")
    for name in ours.keys() & theirs.keys():
        mine = ours[name]
        for place, label in zip(places.tolist(), theirs[name], strict=False):
            own = mine[place]
            if own != label and not (own != own and label != label):  # NaN is what differs from itself
                raise _other_rows(f"{name!r} has other labels on the two sides, first at row {place}")


def _other_rows(message: str) -> ScoringError:
    return ScoringError(message, hint="evaluate both on the same rows, in the same order")
