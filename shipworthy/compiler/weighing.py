"""Candidates for one decision, weighed against each other on held-out rows, and kept for the report.

"Beyond doubt" is a paired 90 % interval (normal approximation) that excludes zero; less
than 0.01 nats a row never matters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from ..runtime import Read, log_softmax
from .draft import Candidate
from .heads import Matrix, fit_mix

LEVEL = 0.90
DOUBT_Z = NormalDist().inv_cdf((1 + LEVEL) / 2)
MATTERS = 0.01
"""Nats a row: a mean difference below this is not worth a call."""


@dataclass(frozen=True)
class Considered:
    """A candidate that was weighed.

    Attributes:
        reads: indices of the reads that it asks; empty where the student decides alone.
        student: whether the student has a part in it.
        mix: the weights of its parts.
        raw: log-probabilities by held-out row before calibration, all weights 1; (N, C).
        held_out: the same with the fitted weights; loss: its mean log-loss, in nats a row.
    """

    reads: tuple[int, ...]
    student: bool
    mix: tuple[float, ...]
    raw: Matrix
    held_out: Matrix
    loss: float


@dataclass(frozen=True)
class Comparison:
    """A cheaper candidate against a dearer one, on the same held-out rows.

    Attributes:
        cheaper, dearer: their indices among those considered.
        gain: how much lower the dearer one's log-loss is, in nats a row.
        ci: its paired interval; None where there is one row only.
        right: how many rows either has right.
        taken: the index of the one that is gone on with.
    """

    cheaper: int
    dearer: int
    gain: float
    ci: tuple[float, float] | None
    right: tuple[int, int]
    taken: int


class Weighing:
    """What was considered for one decision, in order, and compared.

    Args:
        reads: those that the candidates' indices mean.
        rows: indices of the held-out rows to weigh on; classes: the right class of each; (N,).

    Attributes:
        chosen: the index of the candidate that is taken.
    """

    def __init__(self, reads: Sequence[Read], rows: NDArray[np.intp], classes: NDArray[np.intp]) -> None:
        self.reads = tuple(reads)
        self.classes = classes
        self.considered: list[Considered] = []
        self.comparisons: list[Comparison] = []
        self.chosen = 0
        self._rows = rows

    def fit(self, *parts: Candidate) -> Considered:
        """A candidate of one part or two, calibrated."""
        held_out = [part.held_out[self._rows] for part in parts]
        mix, mixed = fit_mix(held_out, self.classes)
        reads = next((part.reads for part in parts if part.reads), ())
        student = any(not part.reads for part in parts)
        loss = float(losses(mixed, self.classes).mean())
        return Considered(reads, student, mix, log_softmax(np.sum(held_out, axis=0)), mixed, loss)

    def add(self, candidate: Considered) -> int:
        """Take a candidate among those considered; gives its index."""
        self.considered.append(candidate)
        return len(self.considered) - 1

    def compare(self, cheaper: int, dearer: int, *, as_often: bool = False) -> Comparison:
        """Take the cheaper one unless the dearer one's log-loss is lower: beyond doubt, and by enough.

        Args:
            as_often: the cheaper one must besides be right on as many rows.
        """
        pair = [self.considered[i].held_out for i in (cheaper, dearer)]
        right = [int((held_out.argmax(axis=1) == self.classes).sum()) for held_out in pair]
        cheap, dear = (losses(held_out, self.classes) for held_out in pair)
        gaps, ci = cheap - dear, None
        gain = float(gaps.mean())
        if len(gaps) > 1:
            half = DOUBT_Z * float(gaps.std(ddof=1)) / np.sqrt(len(gaps))
            ci = (float(gain - half), float(gain + half))
        better = ci is not None and gain >= MATTERS and ci[0] > 0
        taken = dearer if better or (as_often and right[0] < right[1]) else cheaper
        self.comparisons.append(Comparison(cheaper, dearer, gain, ci, (right[0], right[1]), taken))
        return self.comparisons[-1]

    def take(self, chosen: int) -> Considered:
        """Settle on a candidate."""
        self.chosen = chosen
        return self.considered[chosen]


def losses(log_probabilities: Matrix, classes: NDArray[np.intp]) -> Matrix:
    """Log-loss by row, in nats; (N,)."""
    return -log_probabilities[np.arange(len(classes)), classes]
