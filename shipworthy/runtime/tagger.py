"""A tagger for spans: a linear-chain conditional random field over words (Lafferty et al. 2001).

A word is seen by itself and its neighbours, and, where the tagger reads the LM, by the LM's last
hidden state at its end.

Each word is outside all spans (`O`), begins one of a field (`B-field`) or continues it (`I-field`).
What a field's value is follows from the posterior of each span, and of there being none, by the
forward-backward algorithm (Rabiner 1989): the likeliest is taken, and its probability is known.
Running it needs numpy alone; it is fitted by CRFsuite.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Matrix = NDArray[np.float64]

WORD = re.compile(r"\w+|[^\w\s]")
OUTSIDE = "O"
NEAR, FAR = 2, 5
"""Words to either side that are looked at where they stand, and those only for being on that side."""
IMPOSSIBLE = -1e4
"""Score of a transition that no tagging has, such as into the middle of a span."""


@dataclass(frozen=True)
class Found:
    """The value of a field: its text, None where there is none, and its posterior probability."""

    text: str | None
    probability: float


@dataclass(frozen=True)
class Tagger:
    """A fitted field: F features, L tags.

    Attributes:
        features: names, sorted.
        tags: `O`, then `B-` and `I-` of each field.
        weights: of a feature for a tag; shape (F, L).
        transitions: from a tag to the next one; shape (L, L).
        longest: words of a span at most.
        states: weights of the LM's states for a tag; shape (D, L), or None where it reads none.
        bias: of a tag, beside the states; shape (L,).

    Raises:
        ValueError: the arrays do not fit.
    """

    features: tuple[str, ...]
    tags: tuple[str, ...]
    weights: Array
    transitions: Array
    longest: int
    states: Array | None = None
    bias: Array | None = None
    _index: dict[str, int] = field(init=False, repr=False, compare=False)
    _steps: Matrix = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        shape = (len(self.features), len(self.tags))
        if self.weights.shape != shape or self.transitions.shape != (shape[1], shape[1]):
            raise ValueError("the tagger's arrays do not fit its features and tags")
        if (self.states is None) != (self.bias is None) or (
            self.states is not None and self.states.shape[1:] != shape[1:]
        ):
            raise ValueError("the tagger's weights of states do not fit its tags")
        object.__setattr__(self, "_index", {name: i for i, name in enumerate(self.features)})
        object.__setattr__(self, "_steps", _possible(self.transitions, self.tags))

    def find(
        self,
        text: str,
        names: Sequence[str],
        *,
        may_be_none: Sequence[bool],
        states: NDArray[np.float32] | None = None,
    ) -> list[Found]:
        """The likeliest value of each field.

        Args:
            names: fields that the tagger knows.
            may_be_none: by field, whether it may have no value; one that may not gets the likeliest span.
            states: the LM's, one a word; shape (T, D).

        Raises:
            ValueError: states are needed and do not fit, or are given and not needed.
        """
        words = words_of(text)
        if not words:
            return [Found(None, 1.0 if optional else 0.0) for optional in may_be_none]
        scores = self._scores(text, words)
        if self.states is not None and self.bias is not None and states is not None:
            scores += states.astype(np.float64) @ self.states.astype(np.float64) + self.bias
        elif self.states is not None or states is not None:
            raise ValueError("the tagger and the states do not belong together")
        chain = _Chain(scores, self._steps)
        found = []
        for name, optional in zip(names, may_be_none, strict=True):
            begin, inside = self.tags.index(f"B-{name}"), self.tags.index(f"I-{name}")
            likely = self._values(text, words, chain, begin, inside)
            best = max(likely, key=lambda value: (likely[value], -len(value)), default=None)
            absent = chain.without(begin) if optional else 0.0
            if best is None or absent >= likely[best]:
                found.append(Found(None, absent))
            else:
                found.append(Found(best, min(1.0, likely[best])))
        return found

    def _scores(self, text: str, words: Sequence[tuple[int, int]]) -> Matrix:
        scores = np.zeros((len(words), len(self.tags)))
        for i, names in enumerate(word_features(text, words)):
            known = [self._index[name] for name in names if name in self._index]
            scores[i] = self.weights[known].astype(np.float64).sum(axis=0)
        return scores

    def _values(
        self, text: str, words: Sequence[tuple[int, int]], chain: _Chain, begin: int, inside: int
    ) -> dict[str, float]:
        """Posterior by text; one that stands there several times has the sum of its places."""
        posteriors = chain.spans(begin, inside, self.longest)
        found: dict[str, float] = {}
        for i, length in zip(*np.nonzero(posteriors > 1e-6), strict=True):
            value = text[words[i][0] : words[i + length][1]]
            if "\n" not in value:
                found[value] = found.get(value, 0.0) + float(posteriors[i, length])
        return found


class _Chain:
    """Forward and backward scores of one text; T words, L tags."""

    def __init__(self, scores: Matrix, steps: Matrix) -> None:
        self._scores, self._steps = scores, steps
        self._alpha = _forward(scores, steps)
        self._beta = _backward(scores, steps)
        self._total = _logsum(self._alpha[-1])

    def without(self, begin: int) -> float:
        """Probability that no span begins with this tag."""
        masked = self._scores.copy()
        masked[:, begin] = IMPOSSIBLE
        return float(np.exp(_logsum(_forward(masked, self._steps)[-1]) - self._total))

    def spans(self, begin: int, inside: int, longest: int) -> Matrix:
        """Probability of the span of 1 + k words from word i, at [i, k]; shape (T, longest)."""
        n = len(self._scores)
        found = np.zeros((n, longest))
        # What may follow the last word of a span: anything but its continuation.
        ends = []
        for last in (begin, inside):
            onward = self._steps[last].copy()
            onward[inside] = IMPOSSIBLE
            after = _logsum(onward + self._scores[1:] + self._beta[1:], axis=1)
            ends.append(np.append(after, 0.0))
        for i in range(n):
            path = self._alpha[i, begin]
            for k in range(min(longest, n - i)):
                if k:
                    path += self._steps[begin if k == 1 else inside, inside] + self._scores[i + k, inside]
                found[i, k] = path + ends[min(k, 1)][i + k] - self._total
        lengths = np.arange(longest) < n - np.arange(n)[:, None]
        return np.where(lengths, np.exp(np.minimum(found, 0.0)), 0.0)


def tags_for(names: Sequence[str]) -> tuple[str, ...]:
    """The tags of these fields, in the order of a tagger's arrays."""
    return (OUTSIDE, *(f"{kind}-{name}" for name in names for kind in ("B", "I")))


def words_of(text: str) -> list[tuple[int, int]]:
    """Where its words and signs begin and end."""
    return [match.span() for match in WORD.finditer(text)]


def word_features(text: str, words: Sequence[tuple[int, int]]) -> list[list[str]]:
    """What the tagger sees of each word: itself, its shape and ends, and the words around it."""
    plain = [text[begin:end] for begin, end in words]
    lower = [word.lower() for word in plain]
    shapes = [_shape(word) for word in plain]
    befores = [0, *(end for _, end in words[:-1])]
    starts = ["\n" in text[before:begin] for before, (begin, _) in zip(befores, words, strict=True)]

    def at(own: Sequence[str], i: int) -> str:
        return own[i] if 0 <= i < len(own) else "<>"

    found = []
    for i, word in enumerate(lower):
        names = ["any", f"line={starts[i]}"]
        names += [f"word{d}={at(lower, i + d)}" for d in range(-NEAR, NEAR + 1)]
        names += [f"shape{d}={at(shapes, i + d)}" for d in range(-NEAR, NEAR + 1)]
        names += [f"pair{d}={at(lower, i + d)} {at(lower, i + d + 1)}" for d in range(-NEAR, NEAR)]
        names += [f"first{n}={word[:n]}" for n in (2, 3)] + [f"last{n}={word[-n:]}" for n in (2, 3)]
        names += [f"before={lower[j]}" for j in range(max(0, i - FAR), i - NEAR)]
        names += [f"after={lower[j]}" for j in range(i + NEAR + 1, min(len(lower), i + FAR + 1))]
        found.append(names)
    return found


def _shape(word: str) -> str:
    """Capitals as X, other letters as x, figures as 9; more than two alike in a row as two."""
    kinds = "".join("9" if c.isdigit() else "X" if c.isupper() else "x" if c.isalpha() else c for c in word)
    return re.sub(r"(.)\1+", r"\1\1", kinds)


def _possible(transitions: Array, tags: Sequence[str]) -> Matrix:
    """The transitions, with those that no tagging has ruled out."""
    steps = transitions.astype(np.float64)
    for j, tag in enumerate(tags):
        if tag.startswith("I-"):
            begins = [tags.index(f"B-{tag[2:]}"), j]
            steps[[i for i in range(len(tags)) if i not in begins], j] = IMPOSSIBLE
    return steps


def _forward(scores: Matrix, steps: Matrix) -> Matrix:
    alpha = np.empty_like(scores)
    alpha[0] = scores[0]
    alpha[0, steps[0] <= IMPOSSIBLE] = IMPOSSIBLE  # what cannot follow `O` cannot come first
    for i in range(1, len(scores)):
        alpha[i] = scores[i] + _logsum(alpha[i - 1][:, None] + steps, axis=0)
    return alpha


def _backward(scores: Matrix, steps: Matrix) -> Matrix:
    beta = np.zeros_like(scores)
    for i in range(len(scores) - 2, -1, -1):
        beta[i] = _logsum(steps + scores[i + 1] + beta[i + 1], axis=1)
    return beta


def _logsum(values: Matrix, axis: int | None = None) -> Matrix:
    top = values.max(axis=axis, keepdims=True)
    found: Matrix = np.log(np.exp(values - top).sum(axis=axis)) + np.squeeze(top, axis=axis)
    return found
