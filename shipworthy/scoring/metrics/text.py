"""Text that is compared with a label: the same words, or a span's share of the right ones.

None of these says how good a freely written text is; they are for short answers, names and
spans, where the label's own words are what is asked for.
"""

from __future__ import annotations

import functools
import string
import sys
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ...errors import ScoringError
from .base import NO_INPUTS, Described, check_flag, check_one_of

ENGLISH_ARTICLES = ("a", "an", "the")
UNSEEN = "\u00ad\u200b\u200e\u200f\u2060\ufeff\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Soft hyphens, zero-width spaces and marks of writing direction. Joiners stay: they change letters."""
REMOVE_UNSEEN = dict.fromkeys(map(ord, UNSEEN))


@dataclass(frozen=True, kw_only=True)
class Text(Described):
    """1 if answer and label are the same after normalising; else 0. Symmetric.

    Both become Unicode NFKC, without characters that show nothing, and with one space for
    each run of white space; then case, punctuation and articles go unless they count. For
    text that must agree to the letter, use `Exact`.

    Args:
        case: whether case counts.
        punctuation: whether punctuation counts.
        articles: words to leave out, lower case; `ENGLISH_ARTICLES` for English.

    Raises:
        ScoringError: a parameter is of the wrong kind.
    """

    case: bool = False
    punctuation: bool = False
    articles: tuple[str, ...] = ()
    name: ClassVar[str] = "text"

    def __post_init__(self) -> None:
        check_flag(self.case, "case")
        check_flag(self.punctuation, "punctuation")
        articles: Any = self.articles
        if isinstance(articles, str) or not all(isinstance(word, str) for word in articles):
            raise ScoringError(f"articles are words, not {articles!r}", hint="give a tuple of words")
        object.__setattr__(self, "articles", tuple(articles))

    def compare(self, answer: Any, label: Any, *, inputs: Mapping[str, Any] = NO_INPUTS) -> float:
        """1 or 0.

        Raises:
            ScoringError: the label is no text.
        """
        pair = texts_of(answer, label)
        if isinstance(pair, float):
            return pair
        one, other = (
            normalised(text, case=self.case, punctuation=self.punctuation, articles=self.articles)
            for text in pair
        )
        if not one or not other:  # nothing but punctuation or articles: these are then what counts
            one, other = (normalised(text, case=self.case, punctuation=True) for text in pair)
        return float(one == other)


@dataclass(frozen=True, kw_only=True)
class Span(Described):
    """How much of a span of text was found. Symmetric, in [0, 1].

    Both are normalised as SQuAD does (Rajpurkar et al. 2016): lower case, no punctuation,
    no English articles, single spaces. Beyond its script, which knows ASCII punctuation,
    all of Unicode's goes, and characters become NFKC. `exact` is 1 if they are then the
    same; `f1` is the harmonic mean of precision and recall of the words, repeated words
    counted as often as both have them. Their order does not count: a score of 1 means the
    same words. Where nothing is left of one of them, they are compared as they stand.

    Args:
        how: `f1` or `exact`.
        unit: `tokens` (parted by white space), or `characters`, for writing without spaces.

    Raises:
        ScoringError: `how` or `unit` is unknown.
    """

    how: str = "f1"
    unit: str = "tokens"
    name: ClassVar[str] = "span"

    def __post_init__(self) -> None:
        check_one_of(self.how, ("f1", "exact"), "how")
        check_one_of(self.unit, ("tokens", "characters"), "unit")

    def compare(self, answer: Any, label: Any, *, inputs: Mapping[str, Any] = NO_INPUTS) -> float:
        """In [0, 1].

        Raises:
            ScoringError: the label is no text.
        """
        pair = texts_of(answer, label)
        if isinstance(pair, float):
            return pair
        given, wanted = (normalised(text, articles=ENGLISH_ARTICLES) for text in pair)
        if not given or not wanted:
            given, wanted = (normalised(text, punctuation=True) for text in pair)
            return float(given == wanted)
        if self.how == "exact" or given == wanted:
            return float(given == wanted)
        if self.unit == "tokens":
            return overlap_f1(Counter(given.split()), Counter(wanted.split()))
        return overlap_f1(Counter(given.replace(" ", "")), Counter(wanted.replace(" ", "")))


def normalised(
    text: str, *, case: bool = False, punctuation: bool = False, articles: tuple[str, ...] = ()
) -> str:
    """Text with its incidental differences removed; `case` and `punctuation` say what is kept."""
    text = unicodedata.normalize("NFKC", text.translate(REMOVE_UNSEEN))
    if not case:
        # Folding can undo the composition (Unicode 3.13), so that it is composed again.
        text = unicodedata.normalize("NFKC", text.casefold())
    if not punctuation:
        text = text.translate(_punctuation())
    words = text.split()
    if articles:
        words = [word for word in words if (word if not case else word.casefold()) not in articles]
    return " ".join(words)


def overlap_f1(given: Counter[str], wanted: Counter[str]) -> float:
    """Harmonic mean of precision and recall of two bags."""
    shared = (given & wanted).total()
    return 2 * shared / (given.total() + wanted.total())


def texts_of(answer: Any, label: Any) -> tuple[str, str] | float:
    """Both as text, or the score that is plain where the answer is none.

    Raises:
        ScoringError: the label is neither text nor empty.
    """
    if label is None:
        return float(answer is None)
    if not isinstance(label, str):
        raise ScoringError(
            f"the label is no text but {type(label).__name__}", hint="use Exact(), or a metric of its type"
        )
    return (answer, label) if isinstance(answer, str) else 0.0


@functools.cache
def _punctuation() -> dict[int, None]:
    """All of ASCII's and Unicode's punctuation, for `str.translate`."""
    found = (code for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)).startswith("P"))
    return dict.fromkeys([*found, *map(ord, string.punctuation)])
