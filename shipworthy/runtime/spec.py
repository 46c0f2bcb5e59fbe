"""What a compiled program is, as data: the models behind `program.json`.

Unknown keys are refused, so that a program written by a later version is not half
understood.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from ..lms import Prompt
from .contract import Contract, value_text

FORMAT = 1


class Data(BaseModel):
    """Frozen, and closed to unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Slot(Data):
    """A place of the user turn that an input fills: the words before it, and the input's name."""

    before: str
    input: str


class PromptSpec(Data):
    """The static segments of a prompt, and its slots."""

    system: str
    turns: tuple[tuple[str, str], ...] = ()
    slots: tuple[Slot, ...]

    def fill(self, inputs: Mapping[str, Any]) -> Prompt:
        """The prompt of one row."""
        first, *others = self.slots
        user = value_text(inputs[first.input])
        user += "".join(f"{slot.before} {value_text(inputs[slot.input])}" for slot in others)
        return Prompt(self.system, self.turns, first.before, f" {user}")


class Read(Data):
    """One call whose result any head may read.

    `logprobs`: log-probabilities of `tokens` after `opening`. In the other modes all
    decisions are generated under an enum schema, and there is one feature a label, decision
    by decision. `alternatives`: its log-probability, from the likeliest alternatives that the
    LM lists at each token. `generated`, where the LM lists none: 1 at the label that it
    named, 0 elsewhere.
    """

    mode: Literal["logprobs", "alternatives", "generated"]
    opening: str = ""
    tokens: tuple[int, ...] = ()


READ_NOTES = {
    "alternatives": "the LM lists only the likeliest tokens: decisions are generated under an enum schema, "
    "and its log-probabilities of the labels are read off the answer",
    "generated": "the LM gives no log-probabilities: decisions are generated under an enum schema",
}
"""What is said of decisions that are not read by `score`."""


class HeadSpec(Data):
    """A decision head without its arrays, which lie in `heads.safetensors`.

    `reads` are the indices of the step's reads whose features stand side by side before
    the readout; empty where the student decides alone.
    """

    choices: tuple[str | bool | int | float, ...]
    reads: tuple[int, ...]
    mix: tuple[float, float]
    threshold: float
    student: bool


class Decide(Data):
    """How a step's decisions are made; without `reads`, by the students alone."""

    prompt: PromptSpec
    reads: tuple[Read, ...]
    heads: dict[str, HeadSpec]
    tfidf_words: int = 0


class Generate(Data):
    """How a step's other outputs are generated: as one JSON object under a grammar."""

    prompt: PromptSpec
    outputs: tuple[str, ...]
    max_tokens: int = 512


class Demo(Data):
    """A worked example within the prompt."""

    inputs: dict[str, Any]
    outputs: dict[str, Any]


class StepSpec(Data):
    """One step: its typed contract, instruction and demos, and how its outputs come about."""

    instruction: str
    inputs: dict[str, Any]
    outputs: dict[str, Any]
    demos: tuple[Demo, ...] = ()
    decide: Decide | None = None
    generate: Generate | None = None

    @property
    def contract(self) -> Contract:
        """Inputs and outputs with their types."""
        return Contract.from_json({"inputs": self.inputs, "outputs": self.outputs})


class LMSpec(Data):
    """The LM that the program was compiled on: its id, and the name it is opened by."""

    id: str
    name: str

    @property
    def source(self) -> str:
        """What opens it again: local weights are found by their sha256, wherever they lie."""
        return self.id if self.id.startswith("local/") else self.name


class Probe(Data):
    """A row with the log-probabilities that a read of it gave when the program was compiled."""

    step: str
    read: int
    inputs: dict[str, Any]
    logprobs: tuple[float, ...]


class ProgramSpec(Data):
    """A whole program: `program.json`.

    `flow` lists the steps in the order in which they run.
    """

    format: Literal[1] = 1
    name: str
    contract: dict[str, Any]
    contract_sha256: str
    steps: dict[str, StepSpec]
    flow: tuple[str, ...]
    lm: LMSpec | None
    arrays_sha256: str | None = None
