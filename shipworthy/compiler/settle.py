"""Choose what decides each output: readout, student, or both, and from which questions.

Every choice is made on rows that the candidate was not fitted on. The cheaper option is
kept unless the dearer one is better: fewer questions unless more of them lower the
log-loss beyond doubt, the student alone where it is right as often and its log-loss is
not worse beyond doubt. "Beyond doubt" is a paired 90 % interval
(normal approximation) that excludes zero; less than 0.01 nats a row never matters.

The best of many candidates looks better on the rows that it was chosen on than it is
(Cawley and Talbot 2010, JMLR 11). So the choice is made once more for each fifth of the
held-out rows, on the other four, and each row is scored by the choice that has not seen
it: scores, calibration and thresholds come from there. What is chosen among are the
predictions that cross-fitting gave, so that no fit is made twice, as in bias-corrected
cross-validation (Tsamardinos et al. 2018, Machine Learning 107).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runtime import DecisionHead, Field, ReadoutHead, StudentHead, log_softmax
from ..scoring import threshold_with_guarantee
from .draft import Candidate, Draft
from .heads import Matrix, fit_mix, oof_folds

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
        apart: the same, by choices that did not see the row either: what to score.
        classes: the right class by row; (N,).
        why: one sentence.
        promised: whether the head's threshold carries the target; where none does, every row
            counts as answered.
        alone: None without a student.
    """

    head: DecisionHead
    reads: tuple[int, ...]
    held_out: Matrix
    apart: Matrix
    classes: NDArray[np.intp]
    why: str
    promised: bool
    alone: Alone | None = None


@dataclass(frozen=True)
class Pick:
    """What was picked for one decision: candidates and the weights of their log-probabilities."""

    readout: Candidate | None
    student: Candidate | None
    mix: tuple[float, float]
    why: str
    alone: float

    def on(self, rows: NDArray[np.intp]) -> Matrix:
        """Log-probabilities of these rows by fits that did not see them; (rows, C)."""
        parts = zip((self.readout, self.student), self.mix, strict=True)
        weighted = [weight * part.held_out[rows] for part, weight in parts if part is not None]
        return log_softmax(np.sum(weighted, axis=0))


def choose(draft: Draft, field: Field, rows: NDArray[np.intp], *, target: float, seed: int = 0) -> Choice:
    """The choice for one decision.

    Args:
        rows: the indices that selection may look at.
        target: accuracy wanted of answered rows; sets the threshold.
        seed: of the deal of the rows into fifths.

    Raises:
        ValueError: no pass has made a candidate.
    """
    choices = list(field.choices or ())
    classes = np.array([choices.index(row[field.name]) for row in draft.fit_rows], np.intp)
    readouts, student = draft.readouts.get(field.name, []), draft.students.get(field.name)
    if not readouts and student is None:
        raise ValueError(f"nothing decides {field.name!r}: the recipe needs a readout or a student")
    picked = _pick(readouts, student, rows, classes)
    held_out = picked.on(rows)
    apart = held_out.copy()
    for others, part in oof_folds(classes[rows].tolist(), n_dev=0, seed=seed):
        apart[part] = _pick(readouts, student, rows[others], classes).on(rows[part])
    threshold = answer_threshold(apart, classes[rows], target=target)
    read = picked.readout.head if picked.readout else None
    simple = student.head if student else None
    head = DecisionHead(
        readout=read if isinstance(read, ReadoutHead) else None,
        student=simple if isinstance(simple, StudentHead) and picked.mix[1] else None,
        mix=picked.mix,
        threshold=threshold or 0.0,
    )
    alone = None
    if student is not None and isinstance(simple, StudentHead):
        alone = Alone(simple, picked.alone, log_softmax(picked.alone * student.held_out[rows]))
    reads = picked.readout.reads if picked.readout else ()
    return Choice(head, reads, held_out, apart, classes[rows], picked.why, threshold is not None, alone)


def answer_threshold(held_out: Matrix, classes: NDArray[np.intp], *, target: float) -> float | None:
    """The confidence from which on a decision counts as answered; None where none carries the target.

    Args:
        held_out: log-probabilities by row; (N, C). classes: the right class by row; (N,).
        target: accuracy wanted of answered rows.
    """
    right = held_out.argmax(axis=1) == classes
    return threshold_with_guarantee(np.exp(held_out.max(axis=1)), right, target=target)


def _pick(
    readouts: Sequence[Candidate],
    student: Candidate | None,
    rows: NDArray[np.intp],
    classes: NDArray[np.intp],
) -> Pick:
    """The choice that these rows speak for."""
    right = classes[rows]
    beside = [] if student is None else [student.held_out[rows]]
    readout = _best_readout(readouts, beside, rows, right)
    if student is None:
        (a,), _ = fit_mix([readout.held_out[rows]], right)  # type: ignore[union-attr]
        return Pick(readout, None, (a, 0.0), "the readout decides", 0.0)
    (alone,), own = fit_mix([student.held_out[rows]], right)
    if readout is None:
        return Pick(None, student, (0.0, alone), "the student decides: the recipe has no readout", alone)
    (a, b), mixed = fit_mix([readout.held_out[rows], student.held_out[rows]], right)
    if _as_good(own, mixed, right):
        why = f"the student alone is as good on held-out rows: {_share(own, right)}"
        return Pick(None, student, (0.0, alone), why, alone)
    why = f"readout and student together: {_share(mixed, right)} on held-out rows"
    return Pick(readout, student, (a, b), f"{why}, student alone {_share(own, right)}", alone)


def _best_readout(
    candidates: Sequence[Candidate],
    beside: Sequence[Matrix],
    rows: NDArray[np.intp],
    classes: NDArray[np.intp],
) -> Candidate | None:
    """The cheapest (first) reads unless dearer ones are better than the best so far beyond doubt.

    Of those with the same reads, the one with the lowest log-loss. Each is judged in the
    mix that would ship, with the student `beside` it.
    """
    by_reads: dict[tuple[int, ...], tuple[float, Candidate, Matrix]] = {}
    for candidate in candidates:
        mixed = fit_mix([candidate.held_out[rows], *beside], classes)[1]
        loss = float(_losses(mixed, classes).mean())
        if candidate.reads not in by_reads or loss < by_reads[candidate.reads][0]:
            by_reads[candidate.reads] = (loss, candidate, mixed)
    best: tuple[float, Candidate, Matrix] | None = None
    for entry in by_reads.values():
        if best is None or _clearly_lower(entry[2], best[2], classes):
            best = entry
    return best[1] if best else None


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
