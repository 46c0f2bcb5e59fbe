"""The handbook, for the steps of answer that are Python: find passages, take one, and check a quote.

A step's file runs without the project, so this one imports installed packages alone. The
handbook travels with it: `sw.step(..., files=[HANDBOOK])`.
"""

import functools
import re
from pathlib import Path
from typing import NamedTuple, TypedDict

import bm25s
import numpy as np

HANDBOOK = "../data/answer/handbook.md"
PASSAGES = 5
SECTION = re.compile(r"(?m)^## +(.+)$")
SENTENCE_END = re.compile(r"(?<=[.?!])\s+(?=[A-Z0-9\"])")
ENDINGS = ("ing", "ies", "es", "ed", "s", "e")


class Found(TypedDict):
    """Sentences of the handbook, the likeliest first; and the same numbered, as an LM reads them."""

    passages: list[str]
    listed: str


class Checked(TypedDict):
    """An answer with the sentence that it rests on, or neither."""

    answer: str | None
    quote: str | None


def find_passages(question: str) -> Found:
    """The sentences that share most with the question: BM25 of the sentence plus BM25 of its section."""
    index = _index()
    (words,) = _words([question])
    scores = np.zeros(len(index.texts))
    if words:  # bm25s asks for one at least
        scores += index.sentences.get_scores(words) + index.sections.get_scores(words)[index.section_of]
    best = sorted(range(len(scores)), key=lambda i: -scores[i])[:PASSAGES]  # of equals the earlier one
    passages = [index.texts[i] for i in best]
    listed = "\n".join(f"{number}. {text}" for number, text in enumerate(passages, 1))
    return {"passages": passages, "listed": listed}


def take(best: str, passages: list[str]) -> str | None:
    """The passage of that number; None for `none`."""
    return passages[int(best) - 1] if best.isdecimal() and int(best) <= len(passages) else None


def check_quote(sentence: str | None, verdict: str | None, reply: str | None) -> Checked:
    """Yes, no or the reply, with its quote; neither where that is not in the handbook word for word."""
    answer = reply or (verdict.capitalize() if verdict in ("yes", "no") else None)
    quote = " ".join((sentence or "").split())
    if not answer or not quote or f" {quote} " not in f" {' '.join(_text().split())} ":
        return {"answer": None, "quote": None}
    return {"answer": answer, "quote": quote}


class _Index(NamedTuple):
    texts: list[str]
    section_of: list[int]
    sentences: bm25s.BM25
    sections: bm25s.BM25


@functools.cache
def _text() -> str:
    return (Path(__file__).parent / HANDBOOK).read_text(encoding="utf-8")


@functools.cache
def _index() -> _Index:
    """Of all sentences, each with its section's heading; built at the first question, not at each."""
    _, *parts = SECTION.split(_text())
    headings, bodies = parts[::2], parts[1::2]
    sentences = [(i, text) for i, body in enumerate(bodies) for text in SENTENCE_END.split(body.strip())]
    return _Index(
        texts=[text for _, text in sentences],
        section_of=[i for i, _ in sentences],
        sentences=_bm25([f"{headings[i]} {text}" for i, text in sentences]),
        sections=_bm25([f"{heading} {body}" for heading, body in zip(headings, bodies, strict=True)]),
    )


def _bm25(texts: list[str]) -> bm25s.BM25:
    index = bm25s.BM25()
    index.index(_words(texts), show_progress=False)
    return index


def _words(texts: list[str]) -> list[list[str]]:
    """By text, its words without the commonest, and without their endings."""
    found: list[list[str]] = bm25s.tokenize(
        texts,
        token_pattern=r"\w+",
        stopwords="en",
        stemmer=lambda words: [_stem(word) for word in words],
        return_ids=False,
        show_progress=False,
    )
    return found


def _stem(word: str) -> str:
    ending = next((end for end in ENDINGS if word.endswith(end) and len(word) - len(end) >= 3), "")
    return word.removesuffix(ending)
