"""What held-out training rows say of a compiled program: score, calibration, and labels that look wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ScoringError
from ..examples import redact, redact_value, suspect_labels
from ..runtime import Contract, Field, label_text, plain_value, student_text
from ..scoring import Metric, calibration_error, labels_of, mean_interval, metric_of
from .draft import Draft, Row
from .heads import Matrix
from .recipe import Recipe
from .settle import Choice
from .stacking import Rows

if TYPE_CHECKING:
    from .making import Made

FAILING = 0.1
"""Share of rows that a metric may fail on before a compile stops."""
TRUSTED = 0.85
"""Share of held-out rows that a program must get right before its doubts about labels are told."""
SHOWN = 3
SHOWN_CHARACTERS = 60


@dataclass(frozen=True)
class _Column:
    """One decision on the rows held out: class indices by row, and their log-probabilities (N, C).

    These are of choices that did not see the row, so that the best of many does not flatter itself.
    """

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
    """The recipe's metric on rows that no fit has seen; None where not all outputs are decided or found.

    Raises:
        ScoringError: the metric can score no row.
    """
    found = draft.spans.extract.outputs if draft.spans is not None else ()
    decided = bool(choices) or not draft.contract.decisions
    if not (choices or found) or not decided or {own.name for own in draft.contract.values} - set(found):
        return None
    held, columns = _columns(draft, choices)
    answers = held_out_answers(draft, choices)
    rows = [row for row in held if id(row) in answers]
    if not rows:
        return None
    said = [answers[id(row)] for row in rows]
    metric = metric_of(recipe.metric, draft.contract.outputs, rows)
    scores = _scores(metric, said, rows, draft.contract, draft.notes)
    pairs = list(zip(said, rows, strict=True))
    right = {
        name: np.array([plain_value(answer[name]) == plain_value(row.get(name)) for answer, row in pairs])
        for name in (own.name for own in draft.contract.outputs)
    }
    how = "dev split" if draft.n_dev else "cross-fitted on train"
    whole = np.all(list(right.values()), axis=0)
    if len(scores) > 1 and len(set(scores)) == 1 and 0 < whole.sum() < len(whole):
        raise ScoringError(
            f"the metric {metric.name!r} gives {scores[0]:g} to every row, right or wrong: "
            "nothing can be learnt from it",
            hint="mend the metric of the recipe",
        )
    return {
        "score": float(scores.mean()),
        "ci": list(mean_interval(scores)),
        "n": len(scores),
        # Which way finds spans is chosen once, on all of these rows.
        "how": f"{how}, but for the way to find values" if found else f"{how}, selection too",
        "by_output": {name: float(own.mean()) for name, own in right.items()},
        **_calibrations(columns),
    }


def held_out_answers(draft: Draft, choices: dict[str, Choice]) -> dict[int, dict[str, Any]]:
    """By `id` of the draft's row, what heads and taggers that had not seen it say, decided or found."""
    rows, columns = _columns(draft, choices)
    answers: dict[int, dict[str, Any]] = {id(row): {} for row in rows}
    for column in columns:
        for row, value in zip(rows, column.said, strict=True):
            answers[id(row)][column.field.name] = value
    if draft.spans is not None:
        found = {id(row): values for row, values in draft.spans.held_out}
        answers = {
            key: {**own, **{name: value for name, (value, _) in found[key].items()}}
            for key, own in answers.items()
            if key in found
        }
    return answers


def program_scores(
    contract: Contract,
    rows: Rows,
    n_train: int,
    made: Mapping[str, Made],
    recipe: Recipe,
    notes: list[str],
) -> dict[str, Any] | None:
    """The same of a program of several steps, on rows that no step was fitted on or shows.

    None where an output is not known there, since nothing asked for it, or where no row is left.

    Args:
        rows: as the steps left them; the first `n_train` are no dev rows.
        made: the steps that predict.
        notes: gets what there is to say.

    Raises:
        ScoringError: the metric can score no row.
    """
    names = [own.name for own in contract.outputs]
    if isinstance(recipe.metric, str):  # which looks at no output but these
        labelled = [name for name in names if any(name in row for row in rows.rows)]
        names = [recipe.metric] if recipe.metric in names else labelled
    held = [i for i in range(len(rows.rows)) if i not in rows.gone | rows.fitted]
    # Rows of which an output is known, say since its step does not run on them, are no sample of all.
    if not names or not held or not all(name in rows.values[i] for i in held for name in names):
        return None
    shown = [rows.rows[i] for i in held]
    try:
        metric = metric_of(recipe.metric, contract.outputs, shown)
    except ScoringError as error:
        notes.append(f"no held-out score: {error.message}")
        return None
    answers = [{name: rows.values[i][name] for name in names} for i in held]
    scores = _scores(metric, answers, shown, contract, notes)
    right = {
        name: [answer[name] == row[name] for answer, row in zip(answers, shown, strict=True) if name in row]
        for name in names
    }
    calibrations: dict[str, Any] = {"calibration_error": {}, "calibration_ci": {}}
    for one in made.values():
        for key, found in _calibrations(_columns(one.draft, one.choices)[1]).items():
            calibrations[key].update(found)
    return {
        "score": float(scores.mean()),
        "ci": list(mean_interval(scores)),
        "n": len(scores),
        "how": f"{'dev split' if min(held) >= n_train else 'cross-fitted'}, step by step, selection too",
        "by_output": {name: float(np.mean(own)) for name, own in right.items() if own},
        **calibrations,
    }


def _calibrations(columns: Sequence[_Column]) -> dict[str, Any]:
    calibration = {
        column.field.name: calibration_error(np.exp(column.held_out.max(axis=1)), column.right)
        for column in columns
    }
    return {
        "calibration_error": {name: found.value for name, found in calibration.items()},
        "calibration_ci": {name: list(found.ci) for name, found in calibration.items()},
    }


def _scores(
    metric: Metric,
    answers: Sequence[dict[str, Any]],
    rows: Sequence[Row],
    contract: Contract,
    notes: list[str],
) -> NDArray[np.float64]:
    """Of the rows that the metric can score.

    Raises:
        ScoringError: it fails on more than `FAILING` of them; names the first row, its values and why.
    """
    scores, failed = [], []
    for answer, row in zip(answers, rows, strict=True):
        labels = plain_value(labels_of(metric, row, answer))
        inputs = plain_value({field.name: row.get(field.name) for field in contract.inputs})
        score = metric.score(plain_value(answer), labels, inputs)
        if score.value is None:
            failed.append((redact_value({**inputs, **labels}), answer, score.failure))
        else:
            scores.append(score.value)
    if failed:
        row, answer, failure = failed[0]
        why = f"{failure.type}: {failure.message}" if failure else "no score"
        said = f"the metric {metric.name!r} fails on {len(failed)} of {len(rows)} rows"
        if len(failed) > FAILING * len(rows):
            raise ScoringError(
                f"{said}; first: {why}",
                hint="mend the metric of the recipe; what was asked of the LM is kept",
                where=f"row {str(row)[:300]}, answered {str(answer)[:200]}",
            )
        notes.append(f"{said}, which are left out; first: {why}")
    return np.array(scores)


def suspect_notes(draft: Draft, choices: dict[str, Choice]) -> list[str]:
    """A line for each decision some of whose labels look wrong, by confident learning.

    Where the program itself is often wrong on held-out rows, that it disagrees with a label
    says little, and nothing is said.
    """
    notes = []
    rows, columns = _columns(draft, choices)
    for column in columns:
        options = [label_text(choice) for choice in column.field.choices or ()]
        if column.right.mean() < TRUSTED:
            continue
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
            columns.append(_Column(field, classes, choices[field.name].apart))
    return rows, columns


def _short(draft: Draft, row: Row) -> str:
    text = " ".join(redact(student_text(draft.contract, row)).split())
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 1]}…"
