"""Score anything that answers rows, with every failure kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import ShipworthyError
from ..runtime import Answer, Outcome, plain_value
from .metrics import Metric
from .statistics import Interval, wilson

Many = Callable[[Iterable[Mapping[str, Any]]], Iterator[Outcome[Answer]]]


@dataclass(frozen=True)
class RowResult:
    """One row's answer and whether it is right; an error is kept, and counts as wrong.

    Attributes:
        index: of the row among those evaluated.
        outputs: None where there is an error.
        confidence: the smallest over the row's decisions; None where nothing was decided.
        answered: whether the program is as confident as it asks.
    """

    index: int
    outputs: dict[str, Any] | None
    right: bool
    by_output: dict[str, bool]
    confidence: float | None
    answered: bool
    ms: float
    tokens: int
    lm_calls: int
    error: ShipworthyError | None = None
    raw: tuple[Any, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Evaluation:
    """Results in the rows' order."""

    results: tuple[RowResult, ...]

    @property
    def right(self) -> list[bool]:
        """Right or wrong by row."""
        return [result.right for result in self.results]

    @property
    def score(self) -> float:
        """Share of rows that are right."""
        return sum(self.right) / len(self.results)

    @property
    def ci(self) -> Interval:
        """95 % interval of the score."""
        return wilson(sum(self.right), len(self.results))

    def by_output(self) -> dict[str, float]:
        """Share of rows right, output by output."""
        names = self.results[0].by_output if self.results else {}
        return {
            name: sum(result.by_output.get(name, False) for result in self.results) / len(self.results)
            for name in names
        }


def evaluate(
    answer_many: Many,
    rows: Sequence[Mapping[str, Any]],
    *,
    outputs: Sequence[str],
    metric: Metric,
    on_row: Callable[[int], None] = lambda _: None,
) -> Evaluation:
    """Answer and score rows; linear in their number.

    Args:
        answer_many: gives an outcome for each row, in order.
        rows: typed rows with inputs and labels.
        outputs: names of the labels.
        metric: says when a row is right.
        on_row: told the number of rows done.

    Raises:
        LMError: the LM fails; a single row's error becomes that row's result.
    """
    results = []
    for index, (row, outcome) in enumerate(zip(rows, answer_many(rows), strict=True)):
        labels = {name: row[name] for name in outputs}
        results.append(_result(index, outcome, labels, metric))
        on_row(index + 1)
    return Evaluation(tuple(results))


def _result(index: int, outcome: Outcome[Answer], labels: Mapping[str, Any], metric: Metric) -> RowResult:
    if outcome.error is not None:
        wrong = dict.fromkeys(labels, False)
        return RowResult(index, None, False, wrong, None, False, 0.0, 0, 0, outcome.error)
    answer = outcome.unwrap()
    given = plain_value(answer.outputs)
    by_output = {name: Metric(name, (name,)).right(given, labels) for name in labels}
    numbers = [value for value in answer.confidence.values() if value is not None]
    return RowResult(
        index=index,
        outputs=given,
        right=metric.right(given, labels),
        by_output=by_output,
        confidence=min(numbers) if numbers else None,
        answered=answer.answered,
        ms=answer.ms,
        tokens=answer.tokens,
        lm_calls=sum(step.lm_calls for step in answer.steps),
        raw=tuple(raw for step in answer.steps for raw in step.raw),
    )
