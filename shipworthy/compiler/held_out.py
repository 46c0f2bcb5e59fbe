"""What held-out training rows say of a compiled program: score, calibration, and labels that look wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ScoringError
from ..examples import redact, suspect_labels
from ..runtime import Field, label_text, student_text
from ..scoring import calibration_error, mean_interval, metric_of
from .draft import Draft, Row
from .heads import Matrix
from .recipe import Recipe
from .settle import Choice

SHOWN = 3
SHOWN_CHARACTERS = 60


@dataclass(frozen=True)
class _Column:
    """One decision on the rows held out: class indices by row, and their log-probabilities (N, C)."""

    field: Field
    classes: NDArray[np.intp]
    held_out: Matrix

    @property
    def said(self) -> list[Any]:
        options = self.field.choices or ()
        return [options[best] for best in self.held_out.argmax(axis=1)]

    @property
    def right(self) -> NDArray[np.bool_]:
        return np.asarray(self.held_out.argmax(axis=1) == self.classes)


def dev_scores(draft: Draft, choices: dict[str, Choice], recipe: Recipe) -> dict[str, Any] | None:
    """The recipe's metric on rows that no fit has seen; None where not all outputs are decisions.

    Raises:
        ScoringError: the metric can score no row.
    """
    if not choices or draft.contract.values:
        return None
    rows, columns = _columns(draft, choices)
    metric = metric_of(recipe.metric, draft.contract.outputs, rows)
    found = []
    for row, *said in zip(rows, *(column.said for column in columns), strict=True):
        answer = {column.field.name: value for column, value in zip(columns, said, strict=True)}
        found.append(metric.score(answer, {name: row[name] for name in answer}, row).value)
    scores = np.array([score for score in found if score is not None])
    if not len(scores):
        raise ScoringError("the metric can score no training row", hint="mend the metric of the recipe")
    calibration = {
        column.field.name: calibration_error(np.exp(column.held_out.max(axis=1)), column.right)
        for column in columns
    }
    return {
        "score": float(scores.mean()),
        "ci": list(mean_interval(scores)),
        "n": len(scores),
        "how": "dev split" if draft.n_dev else "cross-fitted on train",
        "by_output": {column.field.name: float(column.right.mean()) for column in columns},
        "calibration_error": {name: found.value for name, found in calibration.items()},
        "calibration_ci": {name: list(found.ci) for name, found in calibration.items()},
    }


def suspect_notes(draft: Draft, choices: dict[str, Choice]) -> list[str]:
    """A line for each decision some of whose labels look wrong, by confident learning."""
    notes = []
    rows, columns = _columns(draft, choices)
    for column in columns:
        options = [label_text(choice) for choice in column.field.choices or ()]
        suspects = suspect_labels(column.classes, np.exp(column.held_out))
        shown = [
            f"{_short(draft, rows[suspect.row])!r} is {options[suspect.given]!r}, "
            f"rather {options[suspect.suggested]!r}"
            for suspect in suspects[:SHOWN]
        ]
        if suspects:
            more = f"; and {len(suspects) - SHOWN} more" if len(suspects) > SHOWN else ""
            what = "label looks" if len(suspects) == 1 else "labels look"
            notes.append(f"{len(suspects)} {what} wrong in {column.field.name!r}: {'; '.join(shown)}{more}")
    return notes


def _columns(draft: Draft, choices: dict[str, Choice]) -> tuple[list[Row], list[_Column]]:
    rows = draft.fit_rows[len(draft.fit_rows) - draft.n_dev :] if draft.n_dev else draft.fit_rows
    columns = []
    for field in draft.contract.decisions:
        if field.name in choices:
            options = list(field.choices or ())
            classes = np.array([options.index(row[field.name]) for row in rows], np.intp)
            columns.append(_Column(field, classes, choices[field.name].held_out))
    return rows, columns


def _short(draft: Draft, row: Row) -> str:
    text = " ".join(redact(student_text(draft.contract, row)).split())
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 1]}…"
