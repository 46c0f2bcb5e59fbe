"""Choose what decides each output: readout, student, or both, and from which questions.

Every choice is made on rows that the candidate was not fitted on. The cheaper option is
kept unless the dearer one is better: fewer questions unless more of them lower the
log-loss beyond doubt, the student alone where it is right as often and its log-loss is
not worse beyond doubt. "Beyond doubt" is a paired 90 % interval
(normal approximation) that excludes zero; less than 0.01 nats a row never matters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runtime import DecisionHead, Field, ReadoutHead, StudentHead
from ..scoring import threshold_with_guarantee
from .draft import Candidate, Draft
from .heads import Matrix, fit_mix

DOUBT_Z = NormalDist().inv_cdf(0.95)
MATTERS = 0.01
"""Nats a row: a mean difference below this is not worth a call."""


@dataclass(frozen=True)
class Alone:
    """The student of one output without the LM: calibrated by a weight of its own.

    Attributes:
        weight: of its log-probabilities.
        held_out: log-probabilities by row, so weighted, by fits that did not see the row; (N, C).
    """

    head: StudentHead
    weight: float
    held_out: Matrix


@dataclass(frozen=True)
class Choice:
    """What decides one output.

    Attributes:
        head: as the artifact holds it; reads: indices into the draft's reads, empty without a readout.
        held_out: log-probabilities by row, by fits that did not see the row; (N, C).
        classes: the right class by row; (N,).
        why: one sentence.
        promised: whether the head's threshold carries the target; where none does, every row
            counts as answered.
        alone: None without a student.
    """

    head: DecisionHead
    reads: tuple[int, ...]
    held_out: Matrix
    classes: NDArray[np.intp]
    why: str
    promised: bool
    alone: Alone | None = None


def choose(draft: Draft, field: Field, rows: NDArray[np.intp], *, target: float) -> Choice:
    """The choice for one decision.

    Args:
        rows: the indices that selection may look at.
        target: accuracy wanted of answered rows; sets the threshold.

    Raises:
        ValueError: no pass has made a candidate.
    """
    choices = list(field.choices or ())
    classes = np.array([choices.index(row[field.name]) for row in draft.fit_rows], np.intp)[rows]
    readout = _best_read(draft.readouts.get(field.name, []), rows, classes)
    student = draft.students.get(field.name)
    if readout is None and student is None:
        raise ValueError(f"nothing decides {field.name!r}: the recipe needs a readout or a student")
    own = _alone(student, rows, classes)
    if readout is None or student is None or own is None:
        only = readout or student
        mix, mixed = fit_mix([only.held_out[rows]], classes)  # type: ignore[union-attr]
        why = "the readout decides" if readout else "the student decides: the recipe has no readout"
    else:
        mix, mixed = fit_mix([readout.held_out[rows], student.held_out[rows]], classes)
        why = f"readout and student together: {_share(mixed, classes)} on held-out rows"
        why += f", student alone {_share(own.held_out, classes)}"
        if _as_good(own.held_out, mixed, classes):
            readout, mix, mixed = None, (own.weight,), own.held_out
            why = f"the student alone is as good on held-out rows: {_share(mixed, classes)}"
    a, b = (mix[0], mix[-1]) if readout and student else (mix[0], 0.0) if readout else (0.0, mix[-1])
    threshold = answer_threshold(mixed, classes, target=target)
    head = DecisionHead(
        readout=readout.head if readout and isinstance(readout.head, ReadoutHead) else None,
        student=student.head if student and b and isinstance(student.head, StudentHead) else None,
        mix=(a, b),
        threshold=threshold or 0.0,
    )
    reads = readout.reads if readout else ()
    return Choice(head, reads, mixed, classes, why, threshold is not None, own)


def answer_threshold(held_out: Matrix, classes: NDArray[np.intp], *, target: float) -> float | None:
    """The confidence from which on a decision counts as answered; None where none carries the target.

    Args:
        held_out: log-probabilities by row; (N, C). classes: the right class by row; (N,).
        target: accuracy wanted of answered rows.
    """
    right = held_out.argmax(axis=1) == classes
    return threshold_with_guarantee(np.exp(held_out.max(axis=1)), right, target=target)


def _alone(student: Candidate | None, rows: NDArray[np.intp], classes: NDArray[np.intp]) -> Alone | None:
    if student is None or not isinstance(student.head, StudentHead):
        return None
    mix, held_out = fit_mix([student.held_out[rows]], classes)
    return Alone(student.head, mix[0], held_out)


def _best_read(
    candidates: Sequence[Candidate], rows: NDArray[np.intp], classes: NDArray[np.intp]
) -> Candidate | None:
    """The cheapest (first) unless a dearer one is better than the best so far beyond doubt."""
    if not candidates:
        return None
    best = candidates[0]
    for other in candidates[1:]:
        mixed = [fit_mix([c.held_out[rows]], classes)[1] for c in (best, other)]
        if _clearly_lower(mixed[1], mixed[0], classes):
            best = other
    return best


def _as_good(simple: Matrix, full: Matrix, classes: NDArray[np.intp]) -> bool:
    right_simple = int((simple.argmax(axis=1) == classes).sum())
    right_full = int((full.argmax(axis=1) == classes).sum())
    return right_simple >= right_full and not _clearly_lower(full, simple, classes)


def _clearly_lower(dear: Matrix, cheap: Matrix, classes: NDArray[np.intp]) -> bool:
    """Whether the dearer one's log-loss is lower: beyond doubt, and by enough to matter."""
    gaps = _losses(cheap, classes) - _losses(dear, classes)
    if len(gaps) < 2:
        return False
    half = DOUBT_Z * float(gaps.std(ddof=1)) / np.sqrt(len(gaps))
    return bool(gaps.mean() >= MATTERS and gaps.mean() - half > 0)


def _losses(log_probabilities: Matrix, classes: NDArray[np.intp]) -> Matrix:
    return -log_probabilities[np.arange(len(classes)), classes]


def _share(log_probabilities: Matrix, classes: Any) -> str:
    return f"{float((log_probabilities.argmax(axis=1) == classes).mean()):.1%}"
