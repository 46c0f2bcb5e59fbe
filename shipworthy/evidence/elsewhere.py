"""The same contenders on another LM: what if a provider changes the model, or somebody the quantisation?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..lift import Prototype
from ..lms import LM, Blank, Chosen, Generation, Prompt, Question, Recorded, Scores, States
from ..runtime import Program
from ..scoring import Many
from .prototype import answer_freely


class Posing:
    """An LM under the id of another: the change that nobody was told of.

    A program refuses an LM that it was not compiled on; what the refusal spares is measured by this.
    """

    def __init__(self, lm: LM, id: str) -> None:
        self._lm = lm
        self.id = id
        self.workers = lm.workers
        self.reads_logprobs = lm.reads_logprobs
        self.context = lm.context

    def tokenize(self, text: str) -> list[int]:
        """As the LM itself."""
        return self._lm.tokenize(text)

    def score(self, prompt: Prompt, questions: Sequence[Question]) -> list[Scores]:
        """As the LM itself."""
        return self._lm.score(prompt, questions)

    def choose(self, prompt: Prompt, blanks: Sequence[Blank]) -> list[Chosen]:
        """As the LM itself."""
        return self._lm.choose(prompt, blanks)

    def states(self, text: str, ends: Sequence[int]) -> States:
        """As the LM itself."""
        return self._lm.states(text, ends)

    def generate(
        self,
        prompt: Prompt,
        *,
        max_tokens: int = 256,
        schema: dict[str, Any] | None = None,
        logprobs: bool = False,
    ) -> Generation:
        """As the LM itself."""
        return self._lm.generate(prompt, max_tokens=max_tokens, schema=schema, logprobs=logprobs)

    def close(self) -> None:
        """Nothing: the LM is its opener's to close."""


def on_other_lms(
    program: Program, prototype: Prototype | None, others: Mapping[str, Recorded]
) -> dict[str, dict[str, Many]]:
    """`worlds` of `brittleness`: each contender on each of the other LMs, by the LM's name.

    Args:
        program: one that calls no LM is the same on any.
        prototype: None where it cannot be asked.
        others: LMs by name.
    """
    own = program.spec.lm
    found: dict[str, dict[str, Many]] = {}
    if own is not None and others:
        found["compiled"] = {name: program.on(Posing(lm, own.id)).answer_many for name, lm in others.items()}
    if prototype is not None and others:
        found["prototype"] = {
            name: answer_freely(prototype, program.contract, lm) for name, lm in others.items()
        }
    return found
