"""Metrics as the pipeline needs them: in DSPy's form, and the one that a certificate is made with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..compiler import load_source
from ..errors import NotFoundError, ScoringError
from ..examples import redact_value
from ..runtime import Program
from ..scoring import EXACT, Metric, metric_named, metric_of


def metric(name: str) -> Callable[[Any, Any], bool]:
    """A metric in the form that DSPy's optimizers and `Evaluate` take: `metric(example, prediction)`.

    Raises:
        ContractError: there is no such metric.
    """

    def score(example: Any, prediction: Any, trace: Any = None) -> bool:
        labels = dict(example.labels())
        return metric_named(name, tuple(labels)).right(dict(prediction), labels)

    if name == EXACT.name:
        metric_named(name, ())
    return score


def stated_metric(stated: Any, given: Metric | None, home: Path, program: Program) -> Metric | str:
    """The metric that a program was compiled for: a name, or the object itself.

    Args:
        stated: what its provenance says: a name, or a metric's JSON.
        given: the metric itself, where the caller has it; else the recipe's in the project is taken.

    Raises:
        ScoringError: the metric is not at hand, or it is another one by now.
    """
    if isinstance(stated, str):
        return given or stated
    found = given or _recipes(home, program.name)
    if found is None or redact_value(found.as_json()) != redact_value(stated):
        raise ScoringError(
            f"the program was compiled for the metric {stated.get('name')!r}, "
            + ("which is not at hand" if found is None else "and the one at hand is another"),
            hint="certify it in its project, compile it again, or pass the metric: certify(..., metric=...)",
        )
    return found


def certifying_metric(
    metric: Metric | str, program: Program, rows: Sequence[Mapping[str, Any]]
) -> Metric | str:
    """The metric for these rows, or a sentence that says why nothing can be measured."""
    try:
        return metric_of(metric, program.contract.outputs, rows)
    except ScoringError as error:
        return f"{error.message}; {error.hint}"


def _recipes(home: Path, name: str) -> Metric | None:
    try:
        metric = load_source(home, name).recipe.metric
    except NotFoundError:
        return None
    return None if isinstance(metric, str) else metric
