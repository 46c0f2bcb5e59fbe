"""Decisions by readout: a calibrated head over log-probabilities, with a simple student beside it.

In one call behind the cached prefix, the log-probabilities of some tokens at the answer
position are read. They are centred and scaled, and a multinomial logistic regression
turns them into class log-probabilities. A student (TF-IDF and logistic regression) gives
its own. The decision is softmax(a * readout + b * student), where a and b were fitted on
cross-fitted training rows, which also calibrates it; with a = 0 the LM is not called.
In a cascade the student is asked first, with a weight of its own, and the LM only where
the student is not sure.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .tagger import Tagger
from .tfidf import Tfidf

Array = NDArray[np.float32]


@dataclass(frozen=True)
class ReadoutHead:
    """Class scores from token log-probabilities; K tokens, C classes.

    Attributes:
        mean, scale: of the training rows' log-probabilities; shape (K,).
        weights: shape (C, K); bias: shape (C,).
    """

    mean: Array
    scale: Array
    weights: Array
    bias: Array

    def log_probabilities(self, logprobs: NDArray[np.floating]) -> NDArray[np.float64]:
        """Of each class; `logprobs` has shape (K,), the result (C,)."""
        features = (logprobs.astype(np.float64) - self.mean) / self.scale
        return log_softmax(self.weights.astype(np.float64) @ features + self.bias)


@dataclass(frozen=True)
class StudentHead:
    """Class scores from TF-IDF; V terms, C classes: weights (C, V), bias (C,)."""

    weights: Array
    bias: Array

    def log_probabilities(
        self, indices: NDArray[np.intp], values: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Of each class, from a sparse TF-IDF row; the result has shape (C,)."""
        return log_softmax(self.weights[:, indices].astype(np.float64) @ values + self.bias)


@dataclass(frozen=True)
class DecisionHead:
    """What decides one output: readout, student, and how they are mixed.

    Attributes:
        readout: None where the student decides alone.
        student: None where the readout decides alone.
        mix: (a, b) of the module docstring.
        threshold: confidence from which on the decision counts as answered.
    """

    readout: ReadoutHead | None
    student: StudentHead | None
    mix: tuple[float, float]
    threshold: float = 0.0

    def probabilities(
        self,
        logprobs: NDArray[np.floating] | None,
        tfidf: tuple[NDArray[np.intp], NDArray[np.float64]] | None,
    ) -> NDArray[np.float64]:
        """Of each class; shape (C,).

        Raises:
            ValueError: a part is needed whose input is not given.
        """
        total: NDArray[np.float64] | None = None
        if self.readout is not None:
            if logprobs is None:
                raise ValueError("the readout needs log-probabilities")
            total = self.mix[0] * self.readout.log_probabilities(logprobs)
        if self.student is not None:
            if tfidf is None:
                raise ValueError("the student needs TF-IDF")
            part = self.mix[1] * self.student.log_probabilities(*tfidf)
            total = part if total is None else total + part
        if total is None:
            raise ValueError("a head without readout and student")
        return np.exp(log_softmax(total))

    def student_probabilities(
        self, tfidf: tuple[NDArray[np.intp], NDArray[np.float64]] | None, weight: float
    ) -> NDArray[np.float64]:
        """Of each class by the student alone: softmax(weight * student); shape (C,).

        Raises:
            ValueError: there is no student, or no TF-IDF row for it.
        """
        if self.student is None or tfidf is None:
            raise ValueError("the student and its TF-IDF row are needed")
        return np.exp(log_softmax(weight * self.student.log_probabilities(*tfidf)))


@dataclass(frozen=True)
class Heads:
    """The heads of one step's decisions, the vocabulary that their students share, and its tagger."""

    by_output: dict[str, DecisionHead]
    tfidf: Tfidf | None
    tagger: Tagger | None = None


def log_softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Along the last axis, without overflow."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    result: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return result
