"""An LM behind a journal, so that no call is made twice.

`Recorded` stands in front of an LM and answers from the journal where the same LM was
asked the same before.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from ..errors import LMError
from ..examples import digest_of
from .base import LM, Blank, Chosen, Embedding, Embeds, Generation, Question, Scores, States, Token, Usage
from .journal import Journal
from .prompt import Prompt


@dataclass
class Tally:
    """Calls to recorded LMs, and what they consumed: from the journal, what they took when they were made."""

    calls: int = 0
    usage: Usage = field(default_factory=Usage)

    def add(self, usage: Usage) -> None:
        """One more call."""
        self.calls += 1
        self.usage = self.usage + usage


_tally: ContextVar[Tally | None] = ContextVar("_tally", default=None)


@contextmanager
def tallied() -> Iterator[Tally]:
    """What is asked inside, on this thread: for code that returns no usage of its own."""
    tally = Tally()
    token = _tally.set(tally)
    try:
        yield tally
    finally:
        _tally.reset(token)


class Recorded:
    """An LM that asks its journal first.

    Attributes:
        calls: all questions; made: those that the journal had no answer to.
        usage: of all calls, those from the journal with what they took when they were made.
    """

    def __init__(self, lm: LM, journal: Journal) -> None:
        self.lm = lm
        self.id = lm.id
        self.workers = lm.workers
        self.reads_logprobs = lm.reads_logprobs
        self.context = lm.context
        self.calls = 0
        self.made = 0
        self.usage = Usage()
        self.journal = journal
        self._lock = threading.Lock()

    def tokenize(self, text: str) -> list[int]:
        """As the LM itself."""
        return self.lm.tokenize(text)

    def score(self, prompt: Prompt, questions: Sequence[Question]) -> list[Scores]:
        """As the LM itself, each question once.

        A question's key holds those before it, since they may touch its rounding.
        """
        static = _static_digest(self.id, "score", prompt.system, prompt.turns, prompt.lead)
        asked = [_question_digest(question) for question in questions]
        keys = [digest_of([static, prompt.user, asked[: i + 1]]) for i in range(len(asked))]
        known = [self.journal.get(key) for key in keys]
        made = any(
            entry is None or len(entry[1]) != 4 * len(q.tokens)
            for entry, q in zip(known, questions, strict=True)
        )
        if made:
            found = self.lm.score(prompt, questions)
            for key, scores in zip(keys, found, strict=True):
                self.journal.put(key, vars(scores.usage), scores.logprobs.astype("<f4").tobytes())
        else:
            found = [
                Scores(np.frombuffer(entry[1], "<f4").copy(), Usage(**entry[0]))
                for entry in known
                if entry is not None
            ]
        for scores in found:
            self._count(scores.usage, made=made)
        return found

    def choose(self, prompt: Prompt, blanks: Sequence[Blank]) -> list[Chosen]:
        """As the LM itself, each list of blanks once; it counts a call for each blank."""
        static = _static_digest(self.id, "choose", prompt.system, prompt.turns, prompt.lead)
        key = digest_of([static, prompt.user, [[blank.opening, blank.choices] for blank in blanks]])
        known = self.journal.get(key)
        if known is not None:
            found = [
                Chosen(own["index"], own["logprob"], Usage(**own["usage"])) for own in known[0]["chosen"]
            ]
        else:
            found = self.lm.choose(prompt, blanks)
            self.journal.put(key, {"chosen": [asdict(own) for own in found]})
        for own in found:
            self._count(own.usage, made=known is None)
        return found

    def states(self, text: str, ends: Sequence[int]) -> States:
        """As the LM itself, each text once."""
        key = digest_of([self.id, "states", text, list(ends)])
        known = self.journal.get(key)
        if known is not None:
            vectors = np.frombuffer(known[1], "<f2").reshape(len(ends), -1).astype(np.float32)
            found = States(vectors, Usage(**known[0]))
        else:
            found = self.lm.states(text, ends)
            self.journal.put(key, vars(found.usage), found.vectors.astype("<f2").tobytes())
            # As they will be read again: half a number's digits are more than a head needs.
            found = States(found.vectors.astype("<f2").astype(np.float32), found.usage)
        self._count(found.usage, made=known is None)
        return found

    def generate(
        self,
        prompt: Prompt,
        *,
        max_tokens: int = 256,
        schema: dict[str, Any] | None = None,
        logprobs: bool = False,
    ) -> Generation:
        """As the LM itself, each question once."""
        static = _static_digest(self.id, "generate", prompt.system, prompt.turns, prompt.lead)
        key = digest_of([static, prompt.user, max_tokens, schema, logprobs])
        known = self.journal.get(key)
        if known is not None:
            generation = _generation(known[0])
        else:
            generation = self.lm.generate(prompt, max_tokens=max_tokens, schema=schema, logprobs=logprobs)
            self.journal.put(key, asdict(generation))
        self._count(generation.usage, made=known is None)
        return generation

    @property
    def embeds(self) -> bool:
        """Whether the LM gives embeddings."""
        return isinstance(self.lm, Embeds)

    def embed(self, text: str) -> Embedding:
        """As the LM itself, each text once.

        Raises:
            LMError: the LM fails, or gives no embeddings.
        """
        if not isinstance(self.lm, Embeds):
            raise LMError(f"{self.id} gives no embeddings")
        key = digest_of([self.id, "embed", text])
        known = self.journal.get(key)
        if known is not None:
            found = Embedding(np.frombuffer(known[1], "<f4").copy(), Usage(**known[0]))
        else:
            found = self.lm.embed(text)
            self.journal.put(key, vars(found.usage), found.vector.astype("<f4").tobytes())
        self._count(found.usage, made=known is None)
        return found

    def close(self) -> None:
        """Close LM and journal."""
        self.lm.close()
        self.journal.close()

    def _count(self, usage: Usage, *, made: bool) -> None:
        with self._lock:
            self.calls += 1
            self.made += made
            self.usage = self.usage + usage
        if (tally := _tally.get()) is not None:
            tally.add(usage)


@lru_cache(maxsize=64)
def _static_digest(lm: str, kind: str, system: str, turns: tuple[tuple[str, str], ...], lead: str) -> str:
    """Of what most rows share, so that a long prompt is not digested once a row."""
    return digest_of([lm, kind, system, turns, lead])


@lru_cache(maxsize=256)
def _question_digest(question: Question) -> str:
    return digest_of([question.opening, question.tokens])


def _generation(answer: dict[str, Any]) -> Generation:
    tokens = answer.get("tokens")
    return Generation(
        answer["text"],
        answer["finished"],
        Usage(**answer["usage"]),
        None
        if tokens is None
        else tuple(
            Token(token["text"], token["logprob"], tuple((text, logprob) for text, logprob in token["top"]))
            for token in tokens
        ),
    )
