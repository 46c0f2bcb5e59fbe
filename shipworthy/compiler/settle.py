"""Choose what decides each output: readout, student, or both, and from which questions.

Every choice is made on rows that the candidate was not fitted on. The cheaper option is
kept unless the dearer one is better: fewer questions unless more of them lower the
log-loss beyond doubt, the student alone where it is right as often and its log-loss is
not worse beyond doubt. What "beyond doubt" means is stated, and tested, in `weighing`.

The best of many candidates looks better on the rows that it was chosen on than it is
(Cawley and Talbot 2010, JMLR 11). So the choice is made once more for each fifth of the
held-out rows, on the other four, and each row is scored by the choice that has not seen
it: scores, calibration and thresholds come from there. What is chosen among are the
predictions that cross-fitting gave, so that no fit is made twice, as in bias-corrected
cross-validation (Tsamardinos et al. 2018, Machine Learning 107).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..runtime import DecisionHead, Field, ReadoutHead, StudentHead, log_softmax
from ..scoring import outlier_threshold, threshold_with_guarantee
from .draft import Candidate, Draft
from .heads import Matrix, oof_folds
from .weighing import Considered, Weighing


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
        weighings: what was considered; a second one where rows were read anew.
    """

    head: DecisionHead
    reads: tuple[int, ...]
    held_out: Matrix
    apart: Matrix
    classes: NDArray[np.intp]
    why: str
    promised: bool
    alone: Alone | None = None
    weighings: tuple[Weighing, ...] = ()


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
    weighing = Weighing(draft.reads, rows, classes[rows])
    picked = _pick(readouts, student, weighing)
    held_out = picked.on(rows)
    apart = held_out.copy()
    for others, part in oof_folds(classes[rows].tolist(), n_dev=0, seed=seed):
        without = Weighing(draft.reads, rows[others], classes[rows[others]])
        apart[part] = _pick(readouts, student, without).on(rows[part])
    threshold = answer_threshold(apart, classes[rows], target=target)
    read = picked.readout.head if picked.readout else None
    simple = student.head if student else None
    head = DecisionHead(
        readout=read if isinstance(read, ReadoutHead) else None,
        student=simple if isinstance(simple, StudentHead) and (read is None or picked.mix[1]) else None,
        mix=picked.mix,
        threshold=threshold or 0.0,
    )
    alone = None
    if student is not None and isinstance(simple, StudentHead):
        alone = Alone(simple, picked.alone, log_softmax(picked.alone * student.held_out[rows]))
    reads = picked.readout.reads if picked.readout else ()
    promised = threshold is not None
    return Choice(head, reads, held_out, apart, classes[rows], picked.why, promised, alone, (weighing,))


def hand_over_outliers(choices: Mapping[str, Choice], share: float) -> dict[str, Choice]:
    """The choices with thresholds that rows of another kind than the training rows fall below.

    Where no threshold carries the target, every row goes on counting as answered.

    Args:
        share: of rows like the training rows that may be handed over for it, over all decisions together.
    """
    found = {}
    for name, choice in choices.items():
        if choice.promised:
            unusual = outlier_threshold(np.exp(choice.apart.max(axis=1)), share=share / len(choices))
            head = replace(choice.head, threshold=max(choice.head.threshold, unusual))
            choice = replace(choice, head=head)
        found[name] = choice
    return found


def answer_threshold(held_out: Matrix, classes: NDArray[np.intp], *, target: float) -> float | None:
    """The confidence from which on a decision counts as answered; None where none carries the target.

    Args:
        held_out: log-probabilities by row; (N, C). classes: the right class by row; (N,).
        target: accuracy wanted of answered rows.
    """
    right = held_out.argmax(axis=1) == classes
    return threshold_with_guarantee(np.exp(held_out.max(axis=1)), right, target=target)


def _pick(readouts: Sequence[Candidate], student: Candidate | None, weighing: Weighing) -> Pick:
    """The choice that the weighing's rows speak for."""
    best = _best_readout(readouts, student, weighing)
    if student is None:
        readout, index = best  # type: ignore[misc]
        return Pick(readout, None, (weighing.take(index).mix[0], 0.0), "the readout decides", 0.0)
    alone = weighing.add(weighing.fit(student))
    own = weighing.considered[alone]
    weight = own.mix[0]
    if best is None:
        weighing.take(alone)
        return Pick(None, student, (0.0, weight), "the student decides: no readout was fitted", weight)
    readout, both = best
    taken = weighing.take(weighing.compare(alone, both, as_often=True).taken)
    if taken is own:
        why = f"the student alone is as good on held-out rows: {_share(own, weighing)}"
        return Pick(None, student, (0.0, weight), why, weight)
    why = f"readout and student together: {_share(taken, weighing)} on held-out rows"
    why += f", student alone {_share(own, weighing)}"
    return Pick(readout, student, (taken.mix[0], taken.mix[1]), why, weight)


def _best_readout(
    candidates: Sequence[Candidate], student: Candidate | None, weighing: Weighing
) -> tuple[Candidate, int] | None:
    """The cheapest (first) reads unless dearer ones are better than the best so far beyond doubt.

    Of those with the same reads, the one with the lowest log-loss. Each is judged in the
    mix that would ship, with the student beside it; the index is of that mix.
    """
    beside = [student] if student is not None else []
    by_reads: dict[tuple[int, ...], tuple[Candidate, Considered]] = {}
    for candidate in candidates:
        mixed = weighing.fit(candidate, *beside)
        known = by_reads.get(candidate.reads)
        if known is None or mixed.loss < known[1].loss:
            by_reads[candidate.reads] = (candidate, mixed)
    best: tuple[Candidate, int] | None = None
    for candidate, mixed in by_reads.values():
        index = weighing.add(mixed)
        if best is None or weighing.compare(best[1], index).taken == index:
            best = (candidate, index)
    return best


def _share(one: Considered, weighing: Weighing) -> str:
    return f"{float((one.held_out.argmax(axis=1) == weighing.classes).mean()):.1%}"
