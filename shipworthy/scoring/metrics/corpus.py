"""Figures over whole columns of classes: accuracy, F1, confusion and cost, with bootstrap intervals.

All of them follow from how often each pair of label and answer occurs, so rows are counted
once. Resampling rows with replacement is then one multinomial draw of these counts: the
same bootstrap (Efron 1979), at a cost that does not grow with the number of rows.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ScoringError
from ..statistics import Interval

Class = str | bool | int | float
Counts = NDArray[np.float64]
CHUNK = 1 << 21
"""Numbers drawn at a time: 16 MB."""


@dataclass(frozen=True)
class Figure:
    """A figure over n rows; `ci` at `level`, where it was asked for."""

    value: float
    n: int
    ci: Interval | None = None
    level: float | None = None


@dataclass(frozen=True)
class ClassFigures:
    """One class. Precision is 0 where it was never answered, recall and F1 where it has no label.

    Attributes:
        support: rows that have it as their label.
        ci: of F1, at the level asked for.
    """

    label: Class
    precision: float
    recall: float
    f1: float
    support: int
    ci: Interval | None = None


@dataclass(frozen=True, eq=False)
class Confusion:
    """How often each label got each answer.

    Attributes:
        classes: all that occur, in order: constants, numbers, text.
        counts: shape (K, K + 1), labels down, answers across; the last column is "no answer".
    """

    classes: tuple[Class, ...]
    counts: NDArray[np.int64]

    @property
    def unanswered(self) -> NDArray[np.int64]:
        """Rows without an answer, by label; shape (K,)."""
        return self.counts[:, -1]

    def as_json(self) -> dict[str, Any]:
        """Classes and counts."""
        return {"classes": list(self.classes), "counts": self.counts.tolist()}


@dataclass(frozen=True, eq=False)
class Costs:
    """What each answer costs, by label.

    Args:
        matrix: label -> answer -> cost; or an array of shape (K, K), labels down, in the
            order of `classes`. In any unit; a gain is negative.
        classes: names of the array's rows and columns; not with a mapping.
        unanswered: cost of no answer; needed if any row has none.

    Raises:
        ScoringError: it is not square and complete, or a cost is no finite number.
    """

    matrix: Mapping[Class, Mapping[Class, float]] | Sequence[Sequence[float]] | NDArray[Any]
    classes: tuple[Class, ...] = ()
    unanswered: float | None = None

    def __post_init__(self) -> None:
        classes = tuple(self.matrix) if isinstance(self.matrix, Mapping) else tuple(self.classes)
        if isinstance(self.matrix, Mapping):
            if self.classes:
                raise ScoringError("the mapping names the classes itself", hint="leave `classes` out")
            _check_complete(self.matrix)
            rows: Any = [[own[answer] for answer in classes] for own in self.matrix.values()]
        else:
            rows = self.matrix
        array = _costs_array(rows)
        if array.shape != (len(classes), len(classes)) or not classes:
            raise ScoringError(
                f"costs of shape {array.shape} for {len(classes)} classes",
                hint="give a square array and the name of each class",
            )
        if len({_key(name) for name in classes}) != len(classes):
            raise ScoringError("a class stands twice", hint="name each class once")
        if self.unanswered is not None:
            _costs_array([[self.unanswered]])
        object.__setattr__(self, "matrix", array)
        object.__setattr__(self, "classes", classes)


def accuracy(
    labels: Iterable[Any],
    answers: Iterable[Any],
    *,
    resamples: int = 0,
    level: float = 0.95,
    seed: int = 0,
) -> Figure:
    """Share of rows whose answer is their label; no answer (None) is wrong.

    Args:
        labels, answers: one class a row (text, bool, number), in the same order; n each.
        resamples: of the rows for a percentile interval (Efron 1979); 0 for none.
        level: of the interval.
        seed: of the resampling; the same seed gives the same interval.

    Raises:
        ScoringError: no rows, lengths differ, a label is missing, a value is no class, or
            an interval is asked for from a single row or with impossible parameters.
    """
    return _figure(_count(labels, answers), _accuracy, resamples, level, seed)


def macro_f1(
    labels: Iterable[Any],
    answers: Iterable[Any],
    *,
    resamples: int = 0,
    level: float = 0.95,
    seed: int = 0,
) -> Figure:
    """Mean of the classes' F1 over all classes that occur as a label or an answer.

    F1 = 2 TP / (2 TP + FP + FN), averaged as scikit-learn's `f1_score(average="macro",
    zero_division=0)` does (Sokolova and Lapalme 2009 name the averages). No answer is a
    miss of its label and no class to be averaged. A resample averages over the classes
    that occur in it. Arguments and errors as for `accuracy`.
    """
    return _figure(_count(labels, answers), _macro_f1, resamples, level, seed)


def mean_cost(
    labels: Iterable[Any],
    answers: Iterable[Any],
    costs: Costs,
    *,
    resamples: int = 0,
    level: float = 0.95,
    seed: int = 0,
) -> Figure:
    """Mean cost of a row, in the unit of the costs; lower is better.

    Arguments as for `accuracy`.

    Raises:
        ScoringError: besides, a label or answer has no cost.
    """
    table = _count(labels, answers)
    if table.counts[:, -1].any() and costs.unanswered is None:
        raise ScoringError(
            f"{int(table.counts[:, -1].sum())} rows have no answer, and that has no cost",
            hint="give Costs(..., unanswered=...)",
        )
    place = {_key(name): index for index, name in enumerate(costs.classes)}
    strange = [name for name in table.classes if _key(name) not in place]
    if strange:
        raise ScoringError(f"no cost is known for {strange[0]!r}", hint="add it to the costs")
    where = [place[_key(name)] for name in table.classes]
    own = np.full((len(where), len(where) + 1), costs.unanswered or 0.0)
    own[:, :-1] = np.asarray(costs.matrix)[np.ix_(where, where)]

    def mean(counts: Counts) -> NDArray[np.float64]:
        total: NDArray[np.float64] = (counts * own).sum(axis=(1, 2)) / counts.sum(axis=(1, 2))
        return total

    return _figure(table, mean, resamples, level, seed)


def per_class(
    labels: Iterable[Any],
    answers: Iterable[Any],
    *,
    resamples: int = 0,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[ClassFigures, ...]:
    """Precision, recall, F1 and support of each class, in the order of `confusion`.

    A class that a resample lacks has no F1 there, and the interval is over the others.
    Arguments and errors as for `accuracy`.
    """
    table = _count(labels, answers)
    counts = table.counts[None].astype(float)
    right, answered, labelled = (part[0] for part in _margins(counts))
    f1 = _f1(counts)[0]
    draws = _draws(table, _f1, resamples, level, seed)
    found = []
    for index, name in enumerate(table.classes):
        own = None if draws is None else draws[:, index][np.isfinite(draws[:, index])]
        found.append(
            ClassFigures(
                label=name,
                precision=float(right[index] / answered[index]) if answered[index] else 0.0,
                recall=float(right[index] / labelled[index]) if labelled[index] else 0.0,
                f1=float(f1[index]),
                support=int(labelled[index]),
                ci=None if own is None or not own.size else _percentiles(own, level),
            )
        )
    return tuple(found)


def confusion(labels: Iterable[Any], answers: Iterable[Any]) -> Confusion:
    """How often each label got each answer. Errors as for `accuracy`."""
    return _count(labels, answers)


def _figure(
    table: Confusion,
    statistic: Callable[[Counts], NDArray[np.float64]],
    resamples: int,
    level: float,
    seed: int,
) -> Figure:
    value = float(statistic(table.counts[None].astype(float))[0])
    n = int(table.counts.sum())
    draws = _draws(table, statistic, resamples, level, seed)
    return Figure(value, n) if draws is None else Figure(value, n, _percentiles(draws, level), level)


def _draws(
    table: Confusion,
    statistic: Callable[[Counts], NDArray[np.float64]],
    resamples: int,
    level: float,
    seed: int,
) -> NDArray[np.float64] | None:
    """The statistic over resamples of the rows, drawn in chunks that fit in memory."""
    for what, number, least in (("resamples", resamples, 0), ("seed", seed, 0)):
        if not isinstance(number, int | np.integer) or isinstance(number, bool) or number < least:
            raise ScoringError(f"{what} is {number!r}", hint="give a whole number of at least 0")
    if resamples == 0:
        return None
    n = int(table.counts.sum())
    if n < 2 or resamples < 100:
        raise ScoringError(
            f"no interval from {n} rows and {resamples} resamples",
            hint="give 2 rows and 100 resamples or more",
        )
    if isinstance(level, bool) or not isinstance(level, int | float) or not 0 < level < 1:
        raise ScoringError(f"a level lies between 0 and 1, not {level!r}")
    rng = np.random.default_rng(seed)
    cells = np.flatnonzero(table.counts)  # a cell that no row is in stays empty
    shares = table.counts.ravel()[cells] / n
    step = max(1, CHUNK // table.counts.size)
    parts = []
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        counts = np.zeros((size, table.counts.size))
        counts[:, cells] = rng.multinomial(n, shares, size=size)
        parts.append(statistic(counts.reshape(size, *table.counts.shape)))
    return np.concatenate(parts)


def _percentiles(draws: NDArray[np.float64], level: float) -> Interval:
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _margins(counts: Counts) -> tuple[Counts, Counts, Counts]:
    """Right, answered and labelled rows by class; counts of shape (B, K, K + 1) give (B, K) each."""
    answered = counts[:, :, :-1]
    return np.einsum("bii->bi", answered), answered.sum(axis=1), counts.sum(axis=2)


def _accuracy(counts: Counts) -> NDArray[np.float64]:
    right, _, labelled = _margins(counts)
    share: NDArray[np.float64] = right.sum(axis=1) / labelled.sum(axis=1)
    return share


def _f1(counts: Counts) -> NDArray[np.float64]:
    """By class; NaN where it occurs neither as a label nor as an answer."""
    right, answered, labelled = _margins(counts)
    both = answered + labelled
    found: NDArray[np.float64] = np.full(both.shape, np.nan)
    return np.divide(2 * right, both, out=found, where=both > 0)


def _macro_f1(counts: Counts) -> NDArray[np.float64]:
    by_class = _f1(counts)
    there = np.isfinite(by_class)
    mean: NDArray[np.float64] = np.where(there, by_class, 0.0).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    return mean


def _count(labels: Iterable[Any], answers: Iterable[Any]) -> Confusion:
    wanted, given = _column(labels), _column(answers)
    if len(wanted) != len(given):
        raise ScoringError(
            f"{len(wanted)} labels, {len(given)} answers",
            hint="give one answer a row; None where there is none",
        )
    if not wanted:
        raise ScoringError("there are no rows", hint="give at least one")
    # Types are part of the key, since True, 1 and 1.0 are one key to a dict.
    pairs = Counter(zip(map(type, wanted), wanted, map(type, given), given, strict=True))
    named: dict[tuple[str, Any], Class] = {}
    cells: Counter[tuple[Any, Any]] = Counter()
    for (_, label, _, answer), count in pairs.items():
        if label is None:
            raise ScoringError("a label is missing", hint="label the row, or leave it out")
        keys = [None if value is None else _key(value) for value in (label, answer)]
        for key in keys:
            if key is not None:
                named.setdefault(key, key[1])
        cells[keys[0], keys[1]] += count
    order = sorted(named)
    place: dict[Any, int] = {key: index for index, key in enumerate(order)}
    place[None] = len(order)
    counts = np.zeros((len(order), len(order) + 1), dtype=np.int64)
    for (one, other), count in cells.items():
        counts[place[one], place[other]] = count
    return Confusion(tuple(named[key] for key in order), counts)


def _column(values: Iterable[Any]) -> list[Any]:
    found = values.tolist() if hasattr(values, "tolist") else values
    if isinstance(found, str | bytes | Mapping) or not isinstance(found, Iterable):
        raise ScoringError(f"a column is a list of classes, not {type(found).__name__}")
    column = [value.item() if isinstance(value, np.generic) else value for value in found]
    for value in column:
        if not isinstance(value, Class | None):
            raise ScoringError(
                f"{value!r:.80} is no class", hint="a class is text, a bool or a number; None is no answer"
            )
    return column


def _key(value: Class) -> tuple[str, Any]:
    """What classes have in common that are the same, and their order."""
    if isinstance(value, str):
        return ("text", value.strip())
    if isinstance(value, bool):
        return ("constant", value)
    if isinstance(value, float) and not math.isfinite(value):
        raise ScoringError(f"{value} is no class", hint="None stands for no answer")
    return ("number", value)


def _check_complete(matrix: Mapping[Any, Any]) -> None:
    for label, own in matrix.items():
        if not isinstance(own, Mapping) or set(own) != set(matrix):
            raise ScoringError(
                f"the costs of label {label!r} are not for exactly the classes that are labels",
                hint="give label -> answer -> cost for every pair of classes",
            )


def _costs_array(rows: Any) -> NDArray[np.float64]:
    try:
        array = np.asarray(rows)
    except ValueError as error:
        raise ScoringError("the costs are not square", hint="give every row as many costs") from error
    if array.dtype.kind not in "iuf" or not np.isfinite(array).all():
        raise ScoringError("a cost is no finite number", hint="give finite numbers")
    return array.astype(float)
