"""Where is it weak? The score by class, length, language, or any column, worst first.

Each slice is compared with all the other rows, and the p-values are adjusted over all
slices that were compared: of many slices one always looks bad, and only what is left after
the adjustment is news.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ScoringError
from .columns import Results
from .cuts import Cut, Kind, by_language, by_length, by_script, by_value, tells_languages
from .frame import interval, pandas_module, share, table_html
from .results import Evaluation, is_binary, mean_interval
from .statistics import Interval, holm

if TYPE_CHECKING:
    import pandas as pd

MIN_ROWS = 10
MOST_VALUES = 100
BINS = 4
COLUMNS = [
    *("by", "value", "kind", "n", "score", "ci_low", "ci_high", "difference"),
    *("difference_low", "difference_high", "p", "p_holm", "compared"),
]


@dataclass(frozen=True)
class Slice:
    """Rows that have something in common.

    Attributes:
        by: what the rows were cut by: an output (its label), `length`, `language`, `script` or a column.
        value: what these rows have in common; kind: `missing` where they have no value, `others`
            for values too rare to stand alone.
        n: rows that were scored; score: their mean; ci: its 95 % interval.
        difference: score minus that of all other rows; difference_ci: its 95 % interval, not adjusted.
        p: two-sided, against "no difference"; p_holm: adjusted over all slices compared. All four
            are None for a slice that is too small to compare.
    """

    by: str
    value: str
    kind: Kind
    n: int
    score: float
    ci: Interval
    difference: float | None = None
    difference_ci: Interval | None = None
    p: float | None = None
    p_holm: float | None = None


@dataclass(frozen=True)
class Slices:
    """What `slices` found.

    Attributes:
        compared: slices with at least `min_rows` rows, worst first.
        small: those with fewer, worst first, without a comparison.
        notes: what was not cut, and why.
    """

    compared: tuple[Slice, ...]
    small: tuple[Slice, ...]
    min_rows: int
    notes: tuple[str, ...] = ()

    def significant(self, *, error: float = 0.05) -> tuple[Slice, ...]:
        """Slices that are worse than the rest, with at most this chance that any of them is not."""
        return tuple(
            one
            for one in self.compared
            if one.p_holm is not None and one.p_holm <= error and (one.difference or 0.0) < 0
        )

    def records(self) -> Iterator[dict[str, Any]]:
        """One plain dict a slice, the compared ones first; None where nothing was compared."""
        for one in (*self.compared, *self.small):
            difference_ci = one.difference_ci or (None, None)
            yield {
                **{name: getattr(one, name) for name in ("by", "value", "kind", "n", "score")},
                "ci_low": one.ci[0],
                "ci_high": one.ci[1],
                "difference": one.difference,
                "difference_low": difference_ci[0],
                "difference_high": difference_ci[1],
                "p": one.p,
                "p_holm": one.p_holm,
                "compared": one.p is not None,
            }

    def frame(self) -> pd.DataFrame:
        """The records as a pandas DataFrame; NaN where nothing was compared.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        found = pandas_module().DataFrame(list(self.records()), columns=COLUMNS)
        for name in ("difference", "difference_low", "difference_high", "p", "p_holm"):
            found[name] = found[name].astype("float64")
        return found

    def _repr_html_(self) -> str:
        head = ("by", "value", "rows", "score", "95 % interval", "against the rest", "p (Holm)")
        parts = [table_html(head, map(_cells, self.compared), caption="Slices, worst first")]
        if self.small:
            title = f"Fewer than {self.min_rows} rows: not compared"
            parts.append(table_html(head[:5], (_cells(one)[:5] for one in self.small), caption=title))
        if self.notes:
            parts.append(table_html(("notes",), ((note,) for note in self.notes)))
        return "".join(parts)


def slices(
    evaluation: Evaluation,
    rows: Iterable[Mapping[str, Any]],
    *,
    outputs: Sequence[str],
    by: Sequence[str] | None = None,
    inputs: Sequence[str] | None = None,
    min_rows: int = MIN_ROWS,
    most: int = MOST_VALUES,
    bins: int = BINS,
    partial: bool = False,
) -> Slices:
    """The score slice by slice, each against all other rows.

    Intervals of a score: `mean_interval`. Of a difference: the square-and-add interval of
    Newcombe (1998, Statistics in Medicine 17, 873, method 10), for graded scores in the general
    form of Zou and Donner (2008, Statistics in Medicine 27, 1693). p: the exact test of Fisher
    (1935) where scores are 0 or 1; for graded ones the permutation test of Pitman (1937) by its
    normal approximation. Adjusted after Holm (1979).

    Args:
        evaluation: of these rows; rows that could not be scored are in no slice.
        rows: those that were evaluated, in the same order.
        outputs: decisions, whose labels are classes.
        by: outputs and other columns to cut by; `length` (characters of the inputs), `language`
            (by py3langid) or `script` (by Unicode) where no column has that name. By default
            outputs, length and language, or script where py3langid is not installed.
        inputs: columns whose text counts; by default all that are no outputs.
        min_rows: slices with fewer scored rows are listed apart and not compared.
        most: of a column with more values than that, only those with `min_rows` rows or more,
            and the commonest at that, stand alone; the rest are one slice.
        bins: of the length.
        partial: cut an evaluation that was cancelled, as far as it went.

    Raises:
        ScoringError: rows and evaluation differ, it is incomplete, no row was scored, or a
            column is not there.
        MissingExtraError: `language` is asked for and py3langid is not installed.
    """
    if min(min_rows, most, bins) < 1:
        raise ScoringError("min_rows, most and bins are at least 1")
    if not evaluation.complete and not partial:
        raise ScoringError(
            "an evaluation that was cancelled is not cut into slices",
            hint="run it to its end (a checkpoint resumes it), or ask for partial=True",
        )
    listed = list(rows)
    if partial and not evaluation.complete:
        listed = listed[: len(evaluation.results)]
    _check_rows(evaluation.columns, listed, outputs)
    scores = evaluation.scores
    known = ~np.isnan(scores)
    if not known.any():
        raise ScoringError("no row could be scored", hint="the failures are in the evaluation's results")
    listed = [row for row, keep in zip(listed, known.tolist(), strict=True) if keep]
    scores = scores[known]
    columns: dict[str, None] = {name: None for row in listed for name in row}
    if inputs is None:
        inputs = [name for name in columns if name not in outputs]
    elif absent := [name for name in inputs if name not in columns]:
        raise ScoringError(
            f"no row has a column {absent[0]!r}", hint=f"the columns are {', '.join(map(str, columns))}"
        )
    wanted = list(dict.fromkeys(by)) if by is not None else _usual(outputs)
    found: list[Slice] = []
    notes: list[str] = []
    for name in wanted:
        cut = _cut(name, listed, columns, inputs, most=most, min_rows=min_rows, bins=bins)
        if len(cut.values) < 2:
            notes.append(f"{name}: nothing to compare, {_all_are(cut)}")
            continue
        found += _slices_of(name, cut, scores, min_rows)
    return _adjusted(found, min_rows, notes)


def _usual(outputs: Sequence[str]) -> list[str]:
    return [*outputs, "length", "language" if tells_languages() else "script"]


def _all_are(cut: Cut) -> str:
    kind = {"value": f"all rows are {cut.values[0]!r}", "missing": "no row has a value"}
    return kind.get(cut.kinds[0], "hardly a value occurs twice")


def _cut(
    name: str,
    rows: Sequence[Mapping[str, Any]],
    columns: Mapping[str, None],
    inputs: Sequence[str],
    *,
    most: int,
    min_rows: int,
    bins: int,
) -> Cut:
    """A column's own values come first: whoever has a column `language` knows better than any guess."""
    if name in columns:
        return by_value((row.get(name) for row in rows), most=most, at_least=min_rows)
    if name == "length":
        return by_length(rows, inputs, bins=bins)
    if name == "language":
        return by_language(rows, inputs)
    if name == "script":
        return by_script(rows, inputs)
    raise ScoringError(
        f"no row has a column {name!r}",
        hint=f"cut by length, language, script, or one of {', '.join(map(str, columns))}",
    )


def _slices_of(name: str, cut: Cut, scores: NDArray[np.float64], min_rows: int) -> list[Slice]:
    """One slice for each group, with the comparison where it is large enough."""
    binary = is_binary(scores)
    counts = np.bincount(cut.codes, minlength=len(cut.values))
    order = np.argsort(cut.codes, kind="stable")
    groups = np.split(order, np.cumsum(counts)[:-1])
    found = []
    for value, kind, group in zip(cut.values, cut.kinds, groups, strict=True):
        own = scores[group]
        ci = mean_interval(own)
        one = Slice(name, value, kind, len(own), float(own.mean()), ci)
        if len(own) >= min_rows and len(own) < len(scores):
            rest = np.delete(scores, group)
            p = _fisher(own, rest) if binary else _pitman(own, scores)
            one = _compared(one, rest, p)
        found.append(one)
    return found


def _compared(one: Slice, rest: NDArray[np.float64], p: float) -> Slice:
    other = float(rest.mean())
    low, high = mean_interval(rest)
    difference = one.score - other
    below = math.hypot(one.score - one.ci[0], high - other)
    above = math.hypot(one.ci[1] - one.score, other - low)
    bounds = (max(-1.0, difference - below), min(1.0, difference + above))
    return Slice(one.by, one.value, one.kind, one.n, one.score, one.ci, difference, bounds, p)


def _fisher(own: NDArray[np.float64], rest: NDArray[np.float64]) -> float:
    """Two-sided exact test that both have the same share (Fisher 1935)."""
    from scipy.stats import fisher_exact

    right, others = int(own.sum()), int(rest.sum())
    return float(fisher_exact([[right, len(own) - right], [others, len(rest) - others]]).pvalue)


def _pitman(own: NDArray[np.float64], scores: NDArray[np.float64]) -> float:
    """Two-sided permutation test of the mean, by the null distribution's exact mean and variance.

    Under it the slice is a draw without replacement from all rows (Pitman 1937), so that a slice
    without any spread of its own is still measured by the spread of all.
    """
    n, size = len(scores), len(own)
    variance = float(scores.var(ddof=1)) / size * (1 - size / n)
    if variance == 0:  # all rows have the same score
        return 1.0
    z = abs(float(own.mean()) - float(scores.mean())) / math.sqrt(variance)
    return math.erfc(z / math.sqrt(2))


def _adjusted(found: Sequence[Slice], min_rows: int, notes: Sequence[str]) -> Slices:
    compared = [one for one in found if one.p is not None]
    if compared:
        adjusted = holm([one.p for one in compared]).tolist()
        compared = [Slice(**{**vars(one), "p_holm": p}) for one, p in zip(compared, adjusted, strict=True)]
    small = [one for one in found if one.p is None]
    return Slices(tuple(sorted(compared, key=_rank)), tuple(sorted(small, key=_rank)), min_rows, tuple(notes))


def _rank(one: Slice) -> tuple[float, int, str, str]:
    """Worst first; of equals the larger one."""
    return one.score, -one.n, one.by, one.value


def _check_rows(results: Results, rows: Sequence[Mapping[str, Any]], outputs: Sequence[str]) -> None:
    hint = "give the rows that were evaluated, in the same order"
    if len(rows) != len(results):
        raise ScoringError(f"{len(results)} results are not of {len(rows)} rows", hint=hint)
    labels = results.by_name("labels")
    for name in outputs:
        if name not in labels:
            continue
        for place, (row, label) in enumerate(zip(rows, labels[name], strict=True)):
            own = row.get(name)
            if own != label and own == own and type(own) is type(label):
                raise ScoringError(f"row {place} has {name}={own!r}, the result {label!r}", hint=hint)


def _cells(one: Slice) -> tuple[str, ...]:
    value = {"value": one.value, "missing": "no value", "others": one.value}[one.kind]
    cells = (one.by, value, f"{one.n:,}", share(one.score), interval(one.ci))
    if one.difference is None or one.difference_ci is None or one.p_holm is None:
        return (*cells, "", "")
    low, high = (100 * bound for bound in one.difference_ci)
    return (*cells, f"{100 * one.difference:+.1f} ({low:+.1f} to {high:+.1f}) points", f"{one.p_holm:.3g}")
