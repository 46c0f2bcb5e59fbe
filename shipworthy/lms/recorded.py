"""A store of calls already made, so that no call is made twice.

`Recorded` stands in front of an LM and answers from the store where the same LM was
asked the same before. The store is an SQLite file; the answers are data, verified on
reading.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import StorageError
from ..examples import digest_of
from .base import LM, Generation, Prompt, Question, Scores, Token, Usage


class CallStore:
    """Answers by digest of (LM, question), in one SQLite file; safe for threads and processes.

    Raises:
        StorageError: the file cannot be opened or written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=60, check_same_thread=False, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS calls (key TEXT PRIMARY KEY, answer TEXT, scores BLOB)"
            )
        except (OSError, sqlite3.Error) as error:
            raise self._error(error) from error

    def get(self, key: str) -> tuple[dict[str, Any], bytes] | None:
        """The answer under a key, or None."""
        try:
            with self._lock:
                row = self._db.execute("SELECT answer, scores FROM calls WHERE key = ?", (key,)).fetchone()
        except sqlite3.Error as error:
            raise self._error(error) from error
        return None if row is None else (json.loads(row[0]), row[1])

    def put(self, key: str, answer: dict[str, Any], scores: bytes = b"") -> None:
        """Keep an answer."""
        try:
            with self._lock:
                self._db.execute(
                    "INSERT OR REPLACE INTO calls VALUES (?, ?, ?)", (key, json.dumps(answer), scores)
                )
        except sqlite3.Error as error:
            raise self._error(error) from error

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def _error(self, error: Exception) -> StorageError:
        return StorageError(
            f"the store of calls cannot be used: {error}",
            hint="check free space; deleting the file only costs making the calls again",
            where=str(self._path),
        )


class Recorded:
    """An LM that asks its store first. `calls` counts all questions, `made` those not in the store."""

    def __init__(self, lm: LM, store: CallStore) -> None:
        self.lm = lm
        self.id = lm.id
        self.workers = lm.workers
        self.reads_logprobs = lm.reads_logprobs
        self.context = lm.context
        self.calls = 0
        self.made = 0
        self.usage = Usage()
        self._store = store
        self._lock = threading.Lock()

    def tokenize(self, text: str) -> list[int]:
        """As the LM itself."""
        return self.lm.tokenize(text)

    def score(self, prompt: Prompt, questions: Sequence[Question]) -> list[Scores]:
        """As the LM itself, each question once.

        A question's key holds those before it, since they may touch its rounding.
        """
        asked = [[question.opening, list(question.tokens)] for question in questions]
        base = [self.id, "score", asdict(prompt)]
        keys = [digest_of([*base, asked[: i + 1]]) for i in range(len(asked))]
        known = [self._store.get(key) for key in keys]
        made = any(
            entry is None or len(entry[1]) != 4 * len(q.tokens)
            for entry, q in zip(known, questions, strict=True)
        )
        if made:
            found = self.lm.score(prompt, questions)
            for key, scores in zip(keys, found, strict=True):
                self._store.put(key, asdict(scores.usage), scores.logprobs.astype("<f4").tobytes())
        else:
            found = [
                Scores(np.frombuffer(entry[1], "<f4").copy(), Usage(**entry[0]))
                for entry in known
                if entry is not None
            ]
        for scores in found:
            self._count(scores.usage, made=made)
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
        asked = [self.id, "generate", asdict(prompt), max_tokens, schema]
        key = digest_of([*asked, "logprobs"] if logprobs else asked)
        known = self._store.get(key)
        if known is not None:
            generation = _generation(known[0])
        else:
            generation = self.lm.generate(prompt, max_tokens=max_tokens, schema=schema, logprobs=logprobs)
            self._store.put(key, asdict(generation))
        self._count(generation.usage, made=known is None)
        return generation

    def close(self) -> None:
        """Close LM and store."""
        self.lm.close()
        self._store.close()

    def _count(self, usage: Usage, *, made: bool) -> None:
        with self._lock:
            self.calls += 1
            self.made += made
            total = self.usage
            self.usage = replace(
                total,
                tokens_in=total.tokens_in + usage.tokens_in,
                tokens_cached=total.tokens_cached + usage.tokens_cached,
                tokens_out=total.tokens_out + usage.tokens_out,
                ms=total.ms + usage.ms,
            )


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
