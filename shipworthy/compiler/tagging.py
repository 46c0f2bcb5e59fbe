"""Fit a tagger for spans: a linear-chain conditional random field, by penalised maximum likelihood.

A row whose value does not stand in the text, as "three" where the label is 3, does not teach
nothing: all tags are allowed at its words that the other fields leave free, and what counts is the
likelihood of all taggings so allowed together (Tsuboi et al. 2008).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runtime import OUTSIDE, Tagger, tags_for, word_features, words_of
from .one_thread import one_thread

Matrix = NDArray[np.float64]

ITERATIONS = 60
OFTEN = 2
"""Words that a feature must occur at: what occurs once is learnt by heart and tells nothing of other rows."""
NEVER = -1e4
TINY = 1e-300


@dataclass(frozen=True)
class Taught:
    """A training row of a tagger.

    Attributes:
        values: what each field is in the text, None for nothing.
        states: the LM's, one a word; shape (T, D), or None.
    """

    text: str
    values: Mapping[str, str | None]
    states: NDArray[np.float32] | None = None


def fit_tagger(
    rows: Sequence[Taught], names: Sequence[str], *, penalty: float, state_penalty: float
) -> Tagger:
    """A tagger of the fields `names`.

    Args:
        rows: with states, all of them or none.
        penalty: of the squared weights of words and transitions; state_penalty: of those of states,
            each of unit variance. Both in nats, beside the sum of the rows' log-likelihoods.

    Raises:
        ValueError: no row has a word, or no value stands in its text.
    """
    from scipy.optimize import minimize

    tags = tags_for(names)
    tagged = [(row, words) for row in rows if (words := words_of(row.text))]
    allowed = [allowed_tags(row, words, tags) for row, words in tagged]
    longest = max((_longest(own, tags) for own in allowed), default=0)
    if not longest:
        raise ValueError("no value stands in its text")
    features, matrix = _features([word_features(row.text, words) for row, words in tagged])
    shown = [row.states for row, _ in tagged if row.states is not None]
    states: Matrix = np.vstack(shown).astype(np.float64) if shown else np.zeros((matrix.shape[0], 0))
    mean, spread = states.mean(axis=0), np.maximum(states.std(axis=0), 1e-6)
    scaled = (states - mean) / spread
    chain = _Chains([len(words) for _, words in tagged], allowed)
    sizes = (matrix.shape[1], scaled.shape[1], len(tags))
    penalties = np.repeat((penalty, state_penalty, penalty), sizes)[:, None]
    transposed = matrix.T.tocsr()

    def loss(flat: Matrix) -> tuple[float, Matrix]:
        weights = flat.reshape(-1, len(tags))
        by_word, by_state, steps = np.split(weights, np.cumsum(sizes)[:2])
        value, at_words, at_steps = chain.loss(matrix @ by_word + scaled @ by_state, steps)
        gradient = np.vstack([transposed @ at_words, scaled.T @ at_words, at_steps])
        value += float((penalties * weights**2).sum())
        return value, (gradient + 2 * penalties * weights).ravel()

    with one_thread():
        start = np.zeros(sum(sizes) * len(tags))
        found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": ITERATIONS})
    by_word, by_state, steps = np.split(found.x.reshape(-1, len(tags)), np.cumsum(sizes)[:2])
    tagger = Tagger(features, tags, by_word.astype(np.float32), steps.astype(np.float32), longest + 1)
    if not shown:
        return tagger
    of_states = by_state / spread[:, None]
    return replace(tagger, states=of_states.astype(np.float32), bias=(-mean @ of_states).astype(np.float32))


def stands_in(text: str, value: str) -> bool:
    """Whether a value stands in a text as whole words on one line."""
    words = words_of(text)
    return _place(text, words, value, np.ones(len(words), bool)) is not None


class _Chains:
    """Texts as chains of tags, padded to the same length; N texts, T words at most, L tags.

    Args:
        lengths: words by text.
        allowed: by text, which tags a word may have; shape (words, L).
    """

    def __init__(self, lengths: Sequence[int], allowed: Sequence[NDArray[np.bool_]]) -> None:
        self._row = np.repeat(np.arange(len(lengths)), lengths)
        self._at = np.concatenate([np.arange(length) for length in lengths])
        self._there = np.zeros((len(lengths), max(lengths)), bool)
        self._there[self._row, self._at] = True
        self._ruled_out = self._padded(np.where(np.concatenate(allowed), 0.0, NEVER))

    def loss(self, scores: Matrix, steps: Matrix) -> tuple[float, Matrix, Matrix]:
        """The negative log-likelihood of what is allowed, and its gradients.

        Args:
            scores: of a tag for a word, the words of all texts one after the other; shape (words, L).
            steps: of one tag after another; shape (L, L).

        Returns:
            Nats; and the gradients by `scores` and by `steps`.
        """
        padded = self._padded(scores)
        total, at_words, at_steps = self._expected(padded, steps)
        kept, kept_words, kept_steps = self._expected(padded + self._ruled_out, steps)
        return total - kept, at_words - kept_words, at_steps - kept_steps

    def _expected(self, scores: Matrix, steps: Matrix) -> tuple[float, Matrix, Matrix]:
        """The sum of the texts' log-partitions, tags expected at words, and steps expected; Rabiner 1989."""
        length = scores.shape[1]
        top = steps.max()
        gains = np.exp(steps - top)
        forward, backward = np.zeros_like(scores), np.zeros_like(scores)
        forward[:, 0] = scores[:, 0]
        for t in range(1, length):
            most = forward[:, t - 1].max(axis=1, keepdims=True)
            reached = np.log(np.exp(forward[:, t - 1] - most) @ gains + TINY) + most + top + scores[:, t]
            forward[:, t] = np.where(self._there[:, t, None], reached, forward[:, t - 1])
        most = forward[:, -1].max(axis=1, keepdims=True)
        total = most + np.log(np.exp(forward[:, -1] - most).sum(axis=1, keepdims=True))
        taken = np.zeros_like(steps)
        for t in range(length - 2, -1, -1):
            onward = scores[:, t + 1] + backward[:, t + 1]
            most = onward.max(axis=1, keepdims=True)
            shares = np.exp(onward - most)
            there = self._there[:, t + 1, None]
            backward[:, t] = np.where(there, np.log(shares @ gains.T + TINY) + most + top, 0.0)
            taken += (np.exp(np.minimum(forward[:, t] - total + most, 700.0)) * there).T @ shares
        at_words = np.exp(forward + backward - total[:, :, None])[self._row, self._at]
        return float(total.sum()), at_words, taken * gains * np.exp(top)

    def _padded(self, by_word: Matrix) -> Matrix:
        padded = np.zeros((*self._there.shape, by_word.shape[1]))
        padded[self._row, self._at] = by_word
        return padded


def _features(texts: Sequence[Sequence[Sequence[str]]]) -> tuple[tuple[str, ...], Any]:
    """Names of the features that occur often enough, and which word has which; sparse, shape (words, F)."""
    from scipy.sparse import csr_matrix

    words = [names for text in texts for names in text]
    counts = Counter(name for names in words for name in names)
    kept = tuple(sorted(name for name, count in counts.items() if count >= OFTEN))
    place = {name: i for i, name in enumerate(kept)}
    columns = [[place[name] for name in names if name in place] for names in words]
    starts = np.cumsum([0, *map(len, columns)])
    flat = [column for own in columns for column in own]
    return kept, csr_matrix((np.ones(len(flat)), flat, starts), shape=(len(words), len(kept)))


def allowed_tags(row: Taught, words: Sequence[tuple[int, int]], tags: Sequence[str]) -> NDArray[np.bool_]:
    """Which tags each word may have: where each value stands first; shape (words, L)."""
    allowed = np.zeros((len(words), len(tags)), bool)
    free = np.ones(len(words), bool)
    nowhere: list[int] = []
    for name, value in row.values.items():
        if value is None:
            continue
        place = _place(row.text, words, value, free)
        if place is None:
            nowhere += [tags.index(f"B-{name}"), tags.index(f"I-{name}")]
            continue
        allowed[place.start, tags.index(f"B-{name}")] = True
        allowed[place.start + 1 : place.stop, tags.index(f"I-{name}")] = True
        free[place.start : place.stop] = False
    allowed[free, tags.index(OUTSIDE)] = True
    allowed[:, nowhere] |= free[:, None]
    return allowed


def _place(text: str, words: Sequence[tuple[int, int]], value: str, free: NDArray[np.bool_]) -> range | None:
    """Indices of the words that the value is, where it stands first among free words."""
    if not value or "\n" in value:
        return None
    starts = {begin: i for i, (begin, _) in enumerate(words)}
    ends = {end: i for i, (_, end) in enumerate(words)}
    at = text.find(value)
    while at >= 0:
        first, last = starts.get(at), ends.get(at + len(value))
        if first is not None and last is not None and free[first : last + 1].all():
            return range(first, last + 1)
        at = text.find(value, at + 1)
    return None


def _longest(allowed: NDArray[np.bool_], tags: Sequence[str]) -> int:
    """Words of the longest span that must be one."""
    certain = allowed.sum(axis=1) == 1
    kinds = [
        "" if not sure else tags[int(own.argmax())][:1] for sure, own in zip(certain, allowed, strict=True)
    ]
    longest = run = 0
    for kind in kinds:
        run = run + 1 if kind == "I" else int(kind == "B")
        longest = max(longest, run)
    return longest
