"""TF-IDF of words and characters without scikit-learn, and equal to it.

Two blocks, each scaled to length 1 and set side by side: words (one and two in a row)
and characters within words (two to four in a row). Term frequencies are 1 + ln(count),
the inverse document frequency is smoothed: ln((1 + n) / (1 + df)) + 1. The definitions
are those of scikit-learn's `TfidfVectorizer(sublinear_tf=True)` with `ngram_range=(1, 2)`
and with `analyzer="char_wb", ngram_range=(2, 4)`; a test holds both to the same numbers.
"""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

WORD = re.compile(r"(?u)\b\w\w+\b")
SPACE = re.compile(r"\s\s+")
SEPARATOR = "\n"
"""Stands between the terms of a stored vocabulary; no term holds it."""


@dataclass(frozen=True)
class Tfidf:
    """A fitted vocabulary.

    Attributes:
        terms: words first, then characters, each block sorted.
        n_words: how many of the terms are words.
        idf: inverse document frequency of each term; shape (V,).
    """

    terms: tuple[str, ...]
    n_words: int
    idf: NDArray[np.float32]
    _words: dict[str, int] = field(init=False, repr=False, compare=False)
    _chars: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        words = {term: i for i, term in enumerate(self.terms[: self.n_words])}
        chars = {term: i + self.n_words for i, term in enumerate(self.terms[self.n_words :])}
        object.__setattr__(self, "_words", words)
        object.__setattr__(self, "_chars", chars)

    @classmethod
    def fit(cls, texts: Sequence[str]) -> Tfidf:
        """Learn the vocabulary and the document frequencies.

        Raises:
            ValueError: there are no texts.
        """
        if not texts:
            raise ValueError("no texts")
        words, word_idf = _block([words_of(text) for text in texts])
        chars, char_idf = _block([characters_of(text) for text in texts])
        return cls((*words, *chars), len(words), np.array(word_idf + char_idf, np.float32))

    def transform(self, text: str) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Indices of the terms that occur, and their weights; both of shape (terms that occur,)."""
        first = self._weights(words_of(text), self._words)
        second = self._weights(characters_of(text), self._chars)
        return np.concatenate([first[0], second[0]]), np.concatenate([first[1], second[1]])

    def _weights(
        self, terms: Iterable[str], known: dict[str, int]
    ) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        counts = Counter(known[term] for term in terms if term in known)
        indices = np.array(sorted(counts), np.intp)
        frequency = np.array([1.0 + math.log(counts[i]) for i in indices.tolist()], np.float64)
        weights: NDArray[np.float64] = frequency * self.idf[indices].astype(np.float64)
        length = math.sqrt(float(weights @ weights))
        return indices, (weights / length if length else weights)


def words_of(text: str) -> list[str]:
    """Lower-case words of two letters or more, and pairs of neighbours."""
    words = WORD.findall(text.lower())
    return words + [f"{left} {right}" for left, right in itertools.pairwise(words)]


def characters_of(text: str) -> list[str]:
    """Runs of two to four characters of each word with a space at either end."""
    found = []
    for word in SPACE.sub(" ", text.lower()).split():
        padded = f" {word} "
        for n in (2, 3, 4):
            # A word shorter than n gives itself once, and longer runs of it nothing more.
            found.append(padded[:n])
            found += [padded[i : i + n] for i in range(1, len(padded) - n + 1)]
            if len(padded) <= n:
                break
    return found


def _block(documents: Sequence[Sequence[str]]) -> tuple[list[str], list[float]]:
    frequency: Counter[str] = Counter()
    for document in documents:
        frequency.update(set(document))
    terms = sorted(frequency)
    n = len(documents)
    return terms, [math.log((1 + n) / (1 + frequency[term])) + 1 for term in terms]
