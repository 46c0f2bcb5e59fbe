"""Checks of the classes: which are missing or have one row, and which labels are probably wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...errors import ExamplesError, ScoringError
from .findings import SEVERITIES, Finding, Kind
from .label_errors import FEWEST, held_out_probabilities, suspect_labels
from .near import text_of
from .secrets import redact

Row = Mapping[str, Any]

_SHOWN = 60
"""A label is shown up to so many characters."""


def class_faults(
    rows: Sequence[Row],
    splits: Sequence[str],
    decisions: Sequence[str],
    declared: Mapping[str, Sequence[Any]],
) -> Iterable[Finding]:
    """Classes that train lacks, has once, or that are declared without a row.

    Raises:
        ExamplesError: classes are declared for a column that is no decision.
    """
    for name in declared:
        if name not in decisions:
            raise ExamplesError(f"{name!r} is no decision", hint=f"decisions: {', '.join(decisions)}")
    if "train" not in splits:
        return
    for name in decisions:
        where: dict[str, list[int]] = {}
        for index, row in enumerate(rows):
            where.setdefault(_label(row, name), []).append(index)
        in_train = Counter(
            _label(row, name) for row, split in zip(rows, splits, strict=True) if split == "train"
        )
        for label in sorted(where):
            shown = f"{name}={_shown(label)}"
            if in_train[label] == 1:
                index = next(i for i in where[label] if splits[i] == "train")
                message = f"{shown} has one example: it trains only"
                yield _finding("single_example", message, [index], splits, name)
            elif not in_train[label]:
                others = " and ".join(dict.fromkeys(splits[i] for i in where[label]))
                message = (
                    f"{shown} is in {others}, not in train: no program can learn it; add train rows of it"
                )
                yield _finding("missing_class", message, where[label], splits, name)
        for value in declared.get(name, ()):
            if str(value) not in where:
                message = (
                    f"{name}={_shown(str(value))} is declared and has no row: add some, or drop the class"
                )
                yield _finding("unused_class", message, [], splits, name)


def label_faults(
    rows: Sequence[Row],
    splits: Sequence[str],
    inputs: Sequence[str],
    decisions: Sequence[str],
    declared: Mapping[str, Sequence[Any]],
    probabilities: Mapping[str, ArrayLike] | None,
) -> Iterable[Finding]:
    """Labels that are probably wrong, by the probabilities given, or by a model fitted in folds.

    Without probabilities, a decision is passed over where nothing can be fitted: fewer than two
    classes with enough rows.

    Raises:
        ExamplesError: probabilities for a column that is no decision.
        ScoringError: probabilities that do not fit the rows.
        MissingExtraError: scikit-learn is needed and not installed.
    """
    for name in probabilities or {}:
        if name not in decisions:
            raise ExamplesError(f"{name!r} is no decision", hint=f"decisions: {', '.join(decisions)}")
    for name in decisions:
        if probabilities is not None and name not in probabilities:
            continue
        found = [_label(row, name) for row in rows]
        classes = list(dict.fromkeys(map(str, declared[name]))) if name in declared else sorted(set(found))
        numbers = {label: number for number, label in enumerate(classes)}
        if probabilities is not None:
            if not set(found) <= set(classes):
                raise ScoringError(
                    f"a label of {name!r} is not among its classes", hint="declare every class that occurs"
                )
            given = np.array([numbers[label] for label in found], np.int64)
            held_out = np.asarray(probabilities[name])
        else:
            # Here the classes are those that occur: a model cannot be fitted to others.
            classes = sorted(set(found))
            numbers = {label: number for number, label in enumerate(classes)}
            given = np.array([numbers[label] for label in found], np.int64)
            if sum(count >= FEWEST for count in Counter(found).values()) < 2:
                continue
            texts = [" ".join(text_of(row.get(column)) for column in inputs) for row in rows]
            held_out = held_out_probabilities(texts, given.tolist(), n_classes=len(classes))
        for suspect in suspect_labels(given, held_out):
            message = (
                f"{name}={_shown(classes[suspect.given])} of a {splits[suspect.row]} row is probably "
                f"{_shown(classes[suspect.suggested])}: look at it"
            )
            detail = {"margin": round(suspect.margin, 4), "suggested": redact(classes[suspect.suggested])}
            yield _finding("label_error", message, [suspect.row], splits, name, **detail)


def _label(row: Row, name: str) -> str:
    return str(row.get(name))


def _shown(label: str) -> str:
    """A label as messages show it: without secrets, and cut where it is long."""
    label = redact(label)
    return repr(label if len(label) <= _SHOWN else f"{label[:_SHOWN]}…")


def _finding(
    kind: Kind, message: str, rows: Sequence[int], splits: Sequence[str], column: str, **detail: Any
) -> Finding:
    return Finding(
        kind,
        message,
        tuple(rows),
        severity=SEVERITIES[kind],
        splits=tuple(splits[index] for index in rows),
        columns=(column,),
        detail=detail,
    )
