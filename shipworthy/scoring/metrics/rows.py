"""Row metrics: from the scores of a row's outputs to one score for the row."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from ...errors import ContractError, OutsideError, ScoringError
from .base import (
    Failure,
    RowScore,
    ValueMetric,
    check_graded,
    checked_by,
    failure_of,
    parameters_of,
)
from .values import Exact

EXACT_VALUE = Exact()


@dataclass(frozen=True)
class AllRight:
    """1 for a row whose every output that counts scores 1; else 0.

    An output that the answer lacks is null. The outputs that do not count are scored too,
    for the figures by output. If one that counts cannot be scored, neither can the row:
    that another is wrong would settle it, but what is left out must not depend on the answer.

    Args:
        name: as recipes name it.
        outputs: the outputs that count; all that have a label or a metric in `by`, if empty.
        by: metrics by output; `Exact` for the others.
        version: raised whenever the same answers could score otherwise.

    Raises:
        ScoringError: a metric in `by` scores no value, or is a judge that was not validated.
    """

    name: str = "exact"
    outputs: tuple[str, ...] = ()
    _: KW_ONLY
    by: Mapping[str, ValueMetric] = field(default_factory=dict)
    version: int = 2

    def __post_init__(self) -> None:
        object.__setattr__(self, "outputs", tuple(self.outputs))
        object.__setattr__(self, "by", checked_by(self.by))

    def score(
        self, answer: Mapping[str, Any], labels: Mapping[str, Any], inputs: Mapping[str, Any]
    ) -> RowScore:
        """The row's score."""
        by_output, failures = _scored(answer, labels, inputs, self.by, self.outputs)
        counted = self.outputs or tuple(by_output)
        if not counted:
            return _unscored({}, ScoringError("the row has no label, and the metric no assertion"))
        for name in counted:
            if name in failures:
                return RowScore(None, by_output, failures[name])
        return RowScore(float(all(by_output[name] == 1.0 for name in counted)), by_output)

    def right(self, answer: Mapping[str, Any], labels: Mapping[str, Any]) -> bool:
        """Whether the row is right.

        Raises:
            ScoringError: it cannot be scored.
        """
        score = self.score(answer, labels, {})
        if score.failure is not None:
            raise ScoringError(f"the row cannot be scored: {score.failure.message}")
        return score.right

    def as_json(self) -> dict[str, Any]:
        """Name, version and parameters."""
        return _json(self)


@dataclass(frozen=True)
class Weighted:
    """The weighted mean of a row's outputs; 1 only where each of them scores 1.

    If an output that has a weight cannot be scored, neither can the row.

    Args:
        weights: by output, above 0; they need not sum to 1. An output without one does not count.
        by: metrics by output; `Exact` for the others.
        name: as recipes name it.
        version: raised whenever the same answers could score otherwise.

    Raises:
        ScoringError: there is no weight, one is not a finite number above 0, or a metric
            in `by` scores no value.
    """

    weights: Mapping[str, float]
    _: KW_ONLY
    by: Mapping[str, ValueMetric] = field(default_factory=dict)
    name: str = "weighted"
    version: int = 1

    def __post_init__(self) -> None:
        weights = dict(self.weights)
        for output, weight in weights.items():
            number = isinstance(weight, int | float) and not isinstance(weight, bool)
            if not number or not math.isfinite(weight) or weight <= 0:
                raise ScoringError(
                    f"a weight of {weight!r}", hint="give finite numbers above 0", where=f"output {output!r}"
                )
        if not weights:
            raise ScoringError("no output has a weight", hint="name at least one: {'queue': 1}")
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "by", checked_by(self.by))

    def score(
        self, answer: Mapping[str, Any], labels: Mapping[str, Any], inputs: Mapping[str, Any]
    ) -> RowScore:
        """The row's score."""
        by_output, failures = _scored(answer, labels, inputs, self.by, tuple(self.weights))
        for name in self.weights:
            if name in failures:
                return RowScore(None, by_output, failures[name])
        scores = {name: by_output[name] or 0.0 for name in self.weights}
        if all(score == 1.0 for score in scores.values()):
            return RowScore(1.0, by_output)
        total = math.fsum(self.weights.values())
        mean = math.fsum(weight * scores[name] for name, weight in self.weights.items()) / total
        # Rounding must not make a row right that is not.
        return RowScore(min(mean, math.nextafter(1.0, 0.0)), by_output)

    def as_json(self) -> dict[str, Any]:
        """Name, version and parameters."""
        return _json(self)


EXACT = AllRight()


def metric_named(name: str, outputs: tuple[str, ...]) -> AllRight:
    """`exact`: every output right; or the name of one output: that one right.

    Raises:
        ContractError: there is no such metric.
    """
    if name == EXACT.name:
        return EXACT
    if name in outputs:
        return AllRight(name, (name,))
    raise ContractError(
        f"no metric is called {name!r}", hint=f"use 'exact', or one output of {', '.join(outputs)}"
    )


def _scored(
    answer: Mapping[str, Any],
    labels: Mapping[str, Any],
    inputs: Mapping[str, Any],
    by: Mapping[str, ValueMetric],
    counted: tuple[str, ...],
) -> tuple[dict[str, float | None], dict[str, Failure]]:
    """Scores, and failures, of all outputs with a label, a metric or a weight."""
    scores: dict[str, float | None] = {}
    failures: dict[str, Failure] = {}
    for name in dict.fromkeys([*counted, *labels, *by]):
        metric = by.get(name, EXACT_VALUE)
        try:
            if metric.needs_label and name not in labels:
                raise ScoringError(f"the row has no label {name!r}", hint="label it, or give an assertion")
            value = metric.compare(answer.get(name), labels.get(name), inputs=inputs)
            scores[name] = check_graded(value)
        except OutsideError:
            raise
        except Exception as error:
            scores[name] = None
            failures[name] = failure_of(error)
    return scores, failures


def _unscored(by_output: dict[str, float | None], error: Exception) -> RowScore:
    return RowScore(None, by_output, failure_of(error))


def _json(metric: AllRight | Weighted) -> dict[str, Any]:
    parameters = parameters_of(metric, without=("name", "version"))
    return {"name": metric.name, "version": metric.version, "parameters": parameters}
