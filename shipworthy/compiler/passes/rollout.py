"""One try of an instruction on a training row: the step that generates, and what the metric says of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import ScoringError
from ...runtime import Contract, Demo, Field, Generate, StepSpec, plain_value
from ...scoring import Metric, RowScore, labels_of
from ..draft import Draft, Row

MAX_TOKENS = 512


def generating(
    draft: Draft, text: str, outputs: Sequence[Field], *, demos: Sequence[Demo] | None = None
) -> StepSpec:
    """A step that generates these outputs under an instruction, with the draft's demos if none are given."""
    sides = Contract(draft.contract.inputs, tuple(outputs)).as_json()
    prompt = draft.generate_prompt(outputs, instruction=text, demos=demos)
    names = tuple(own.name for own in outputs)
    return StepSpec(
        instruction=text,
        inputs=sides["inputs"],
        outputs=sides["outputs"],
        generate=Generate(prompt=prompt, outputs=names, max_tokens=MAX_TOKENS),
    )


def score_of(metric: Metric, answer: Mapping[str, Any], row: Row) -> RowScore:
    """What the metric says of an answer to a training row; its value is a number.

    Raises:
        ScoringError: the metric fails on it.
    """
    labels = plain_value(labels_of(metric, row, answer))
    score = metric.score(plain_value(dict(answer)), labels, plain_value(row))
    if score.value is None:
        raise ScoringError(
            f"the metric fails on a training row: {score.failure.message if score.failure else ''}",
            hint="mend the metric of the recipe",
            where=str(plain_value(row))[:200],
        )
    return score
