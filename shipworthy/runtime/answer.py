"""What a program answers, and what each of its steps did for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class StepTrace:
    """What one step did: enough to say why it answered what it answered.

    Attributes:
        name: of the step.
        prompts: the prompts sent, one a call, as chat messages with the opening of the answer.
        raw: what came back of each call: text, or the likeliest tokens with log-probabilities.
        outputs: values by output.
        confidence: by decision and by value found in the text; None for what was generated.
        probabilities: of each class, by decision.
        ms: own work and the calls themselves, without waiting for a free worker; a call that
            was answered from a store counts with the time that it took when it was made.
        tokens_in, tokens_out: of all calls; lm_calls: how many.
        decided_by: `lm` where the LM was asked for the decisions, `student` where none was
            needed; None where nothing was decided.
        start_ms: after the row's begin, by the time that the steps that it waited for take.
    """

    name: str
    prompts: tuple[dict[str, Any], ...]
    raw: tuple[Any, ...]
    outputs: dict[str, Any]
    confidence: dict[str, float | None]
    probabilities: dict[str, dict[str, float]]
    answered: bool
    ms: float
    tokens_in: int
    tokens_out: int
    lm_calls: int
    decided_by: Literal["lm", "student"] | None = None
    start_ms: float = 0.0


@dataclass(frozen=True)
class Answer:
    """A program's answer to one row. Outputs are attributes too: `answer.queue`.

    Attributes:
        outputs: typed values by name, the best guess also where `answered` is false.
        confidence: a number for each decision and each value found in the text; None for what was
            generated or computed, and where the step of an output did not run.
        answered: whether each of these is as confident as the program asks.
        steps: what each step that ran did.
    """

    outputs: dict[str, Any]
    confidence: dict[str, float | None]
    answered: bool
    steps: tuple[StepTrace, ...] = field(default=(), repr=False)

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["outputs"][name]
        except KeyError:
            raise AttributeError(name) from None

    @property
    def tokens(self) -> int:
        """Tokens read and written over all steps."""
        return sum(step.tokens_in + step.tokens_out for step in self.steps)

    @property
    def ms(self) -> float:
        """Wall time until the last step has ended, those beside each other counted once."""
        return max((step.start_ms + step.ms for step in self.steps), default=0.0)
