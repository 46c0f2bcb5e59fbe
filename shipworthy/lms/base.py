"""What a language model is to the rest of shipworthy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from .prompt import Prompt


@dataclass(frozen=True)
class Question:
    """Which of `tokens` comes next, after the assistant's answer began with `opening`?"""

    opening: str
    tokens: tuple[int, ...]


@dataclass(frozen=True)
class Usage:
    """What a call consumed: tokens read (cached ones included), of these cached, and written."""

    tokens_in: int = 0
    tokens_cached: int = 0
    tokens_out: int = 0
    ms: float = 0.0

    @property
    def tokens(self) -> int:
        """Tokens read and written."""
        return self.tokens_in + self.tokens_out

    def __add__(self, other: Usage) -> Usage:
        """Of both."""
        return Usage(
            self.tokens_in + other.tokens_in,
            self.tokens_cached + other.tokens_cached,
            self.tokens_out + other.tokens_out,
            self.ms + other.ms,
        )


@dataclass(frozen=True)
class Scores:
    """Log-probabilities of the asked tokens as the next one, normalised among themselves; shape (K,)."""

    logprobs: NDArray[np.float32]
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True)
class Blank:
    """A gap in the assistant's answer: the words before it, and the texts of which one fills it."""

    opening: str
    choices: tuple[str, ...]


@dataclass(frozen=True)
class Chosen:
    """What fills a blank: an index of its choices, and the log-probability of that path."""

    index: int
    logprob: float
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True)
class States:
    """The LM's last hidden states at some places of a text; shape (places, D)."""

    vectors: NDArray[np.float32]
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True)
class Token:
    """A generated token, and what might have stood in its place.

    Text that is part of a character holds its bytes as lone surrogates ("surrogateescape").

    Attributes:
        logprob: of the token itself.
        top: the likeliest tokens here with their log-probabilities, the token itself as a rule among them.
    """

    text: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Generation:
    """Generated text; `finished` is false where it was cut at `max_tokens`.

    `tokens` is None unless log-probabilities were asked for and the LM gives them.
    """

    text: str
    finished: bool = True
    usage: Usage = field(default_factory=Usage)
    tokens: tuple[Token, ...] | None = None


@dataclass(frozen=True)
class Embedding:
    """A text as a vector of length 1; shape (D,)."""

    vector: NDArray[np.float32]
    usage: Usage = field(default_factory=Usage)


class LM(Protocol):
    """A language model.

    Attributes:
        id: names weights and settings; what was fitted on one id is invalid on another.
        workers: how many calls it serves at once.
        reads_logprobs: whether `score`, `choose` and `states` work; where not, all is generated.
        context: tokens that prompt and answer may have together.
    """

    id: str
    workers: int
    reads_logprobs: bool
    context: int

    def tokenize(self, text: str) -> list[int]:
        """Token ids of plain text, control tokens not read as such."""
        ...

    def score(self, prompt: Prompt, questions: Sequence[Question]) -> list[Scores]:
        """Log-probabilities of each question's tokens as the next one, behind one reading of the prompt.

        The answer to a question may depend, by rounding, on those before it in the list,
        and on nothing else.

        Raises:
            ContextLengthError: the prompt is longer than the context.
            DeadlineError: the row's deadline passes first.
            LMError: the LM fails.
        """
        ...

    def choose(self, prompt: Prompt, blanks: Sequence[Blank]) -> list[Chosen]:
        """Fill the blanks of an answer, line by line, each with the likeliest of its choices.

        A choice stands behind a space and ends its line. At each token the choices that are left
        share all of the probability; the path with the largest product is found by uniform-cost
        search, so that it is the likeliest for certain. Later blanks are given what fills the
        earlier ones.

        Raises:
            ContextLengthError: the prompt is longer than the context.
            DeadlineError: the row's deadline passes first.
            LMError: the LM fails.
        """
        ...

    def states(self, text: str, ends: Sequence[int]) -> States:
        """The last hidden states at the tokens with which the text's words end.

        The text is read twice, and the states are those of the second time: then each of them has
        seen all of it, and not just what stands before (Springer et al. 2024, echo embeddings).

        Args:
            ends: characters behind the words' last ones, ascending.

        Raises:
            DeadlineError: the row's deadline passes first.
            LMError: the LM fails.
        """
        ...

    def generate(
        self,
        prompt: Prompt,
        *,
        max_tokens: int = 256,
        schema: dict[str, Any] | None = None,
        logprobs: bool = False,
    ) -> Generation:
        """The likeliest continuation, token by token; under a JSON schema if one is given.

        `logprobs` asks for `tokens`, which an LM that gives none leaves out.

        Raises:
            ContextLengthError: the prompt is longer than the context.
            DeadlineError: the row's deadline passes first.
            LMError: the LM fails.
        """
        ...

    def close(self) -> None:
        """Free what it holds; no call may follow."""
        ...


@runtime_checkable
class Embeds(Protocol):
    """What an LM that gives embeddings has besides."""

    def embed(self, text: str) -> Embedding:
        """The text as a vector.

        Raises:
            LMError: the LM fails.
        """
        ...
