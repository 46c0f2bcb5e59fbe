"""What a compiled program is, as data: the classes behind `program.json`.

Unknown keys are refused, so that a program written by a later version is not half
understood.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from ..examples import digest_of
from ..lms import Prompt
from .contract import Contract, value_text
from .data import Data

FORMAT = 1


class Slot(Data):
    """A place of the user turn that an input fills: the words before it, and the input's name.

    `repeated`, of the first slot, are digests of values that stand in many rows: such a value
    belongs to the prompt's beginning, which an engine keeps, and not to the row's own text.
    """

    before: str
    input: str
    repeated: tuple[str, ...] = ()
    _quiet: ClassVar = ("repeated",)


class PromptSpec(Data):
    """The static segments of a prompt, and its slots."""

    system: str
    turns: tuple[tuple[str, str], ...] = ()
    slots: tuple[Slot, ...]

    def fill(self, inputs: Mapping[str, Any]) -> Prompt:
        """The prompt of one row. Where its lead ends depends on the row alone, never on other calls."""
        first, *others = self.slots
        lead, user = first.before, f" {value_text(inputs[first.input])}"
        if others and first.repeated and value_digest(inputs[first.input]) in first.repeated:
            second, *others = others
            lead, user = f"{lead}{user}{second.before}", f" {value_text(inputs[second.input])}"
        user += "".join(f"{slot.before} {value_text(inputs[slot.input])}" for slot in others)
        return Prompt(self.system, self.turns, lead, user)


def value_digest(value: Any) -> str:
    """Names a value as a prompt shows it."""
    return digest_of(value_text(value))[:16]


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


class CascadeSpec(Data):
    """Where the students decide without the LM: on rows of which each of them is at least as sure as `cut`.

    `mix` has, for every head that else reads the LM, the weight of its student's
    log-probabilities where that decides alone. The other heads read no LM anyway, and have no
    say in which rows go to it.
    """

    cut: float
    mix: dict[str, float]

    def check(self) -> None:
        """See `Data`."""
        if not 0 < self.cut <= 1:
            raise ValueError("the cut is a probability above 0")


class Decide(Data):
    """How a step's decisions are made; without `reads`, by the students alone."""

    prompt: PromptSpec
    reads: tuple[Read, ...]
    heads: dict[str, HeadSpec]
    tfidf_words: int = 0
    cascade: CascadeSpec | None = None
    _quiet: ClassVar = ("cascade",)

    def with_cascade(self, cut: float, mix: Mapping[str, float]) -> Decide:
        """The same, with the LM left out where the students are sure.

        Raises:
            ValueError: the parts do not fit, as for a head without a student.
        """
        return self.replace(cascade=CascadeSpec(cut=cut, mix=dict(mix)))

    def check(self) -> None:
        """See `Data`."""
        if self.cascade is not None:
            asking = {name for name, head in self.heads.items() if head.reads}
            if not asking or self.cascade.mix.keys() != asking:
                raise ValueError("the cascade must weigh the students of just the heads that read the LM")
            if not all(self.heads[name].student for name in asking):
                raise ValueError("a head of the cascade has no student")


class SpanSpec(Data):
    """How one value is taken from the text: when it counts as answered, and how sure it is.

    The confidence is the logistic function of `slope` times the log-odds of the value's
    probability plus `shift` (Platt 1999).
    """

    threshold: float
    slope: float = 1.0
    shift: float = 0.0

    def confidence(self, probability: float) -> float:
        """Of a value with this probability."""
        inside = min(max(probability, 1e-6), 1 - 1e-6)
        odds = self.slope * math.log(inside / (1 - inside)) + self.shift
        return 1 / (1 + math.exp(-max(-50.0, min(50.0, odds))))


class Extract(Data):
    """How outputs are found that stand in the inputs' text, word for word, or are null.

    Attributes:
        by: `student`, a tagger over the words; `readout`, one over the words and the LM's states
            of them; `scoring`, the LM, which chooses among the spans of the text.
        outputs: names, in the order of the tagger's tags and of the answer's lines.
        spans: by output.
        longest: words of a span at most.
        prompt: of `scoring`, else None.
    """

    by: Literal["student", "readout", "scoring"]
    outputs: tuple[str, ...]
    spans: dict[str, SpanSpec]
    longest: int
    prompt: PromptSpec | None = None

    @property
    def asks_lm(self) -> bool:
        """Whether it calls the LM."""
        return self.by != "student"

    def check(self) -> None:
        """See `Data`."""
        if self.longest < 1:
            raise ValueError("a span has a word at least")
        if set(self.outputs) != self.spans.keys() or (self.prompt is None) != (self.by != "scoring"):
            raise ValueError("each output has a span, and scoring has a prompt")


class Generate(Data):
    """How a step's other outputs are generated: as one JSON object under a grammar."""

    prompt: PromptSpec
    outputs: tuple[str, ...]
    max_tokens: int = 512


class Demo(Data):
    """A worked example within the prompt."""

    inputs: dict[str, Any]
    outputs: dict[str, Any]


class FunctionSpec(Data):
    """A Python function: its name, and the files that it needs with their sha256 (hex).

    Attributes:
        name: in the module.
        module: the file of its source.
        files: that one and those that it reads, by path relative to the folder that holds them all.
        spread: whether the outputs are the items of what it returns; else that is the one output.
    """

    name: str
    module: str
    files: dict[str, str]
    spread: bool = False

    @property
    def folder(self) -> str:
        """Where its files lie within an artifact: named by what they hold."""
        return f"code/{digest_of(self.files)[:16]}"

    def check(self) -> None:
        """See `Data`."""
        if self.module not in self.files or not self.name.isidentifier():
            raise ValueError("a function has a name, and a module among its files")
        if not all(is_inside(path) for path in self.files):
            raise ValueError("a file of a function lies outside its folder")


@dataclass(frozen=True)
class Code:
    """A function's files as they were read and verified.

    Attributes:
        folder: where they lie; contents: by path relative to it.
    """

    spec: FunctionSpec
    folder: Path
    contents: Mapping[str, bytes]


def is_inside(path: str) -> bool:
    """Whether a relative POSIX path names a file below the folder that it starts from."""
    try:
        path.encode()
    except UnicodeEncodeError:  # half a character, which no name has
        return False
    parts = path.split("/")
    return not any(mark in path for mark in "\\:\0") and not any(part in ("", ".", "..") for part in parts)


class StepSpec(Data):
    """One step: its typed contract, instruction and demos, and how its outputs come about.

    Attributes:
        function: what computes the outputs, where no LM and no head does.
        when: the step runs only where each of these decisions fell on one of these labels; else
            its outputs are null.
        names: what the step's own inputs and outputs are called in the program, where that differs,
            as for the inner values of a program within a program.
    """

    instruction: str
    inputs: dict[str, Any]
    outputs: dict[str, Any]
    demos: tuple[Demo, ...] = ()
    decide: Decide | None = None
    extract: Extract | None = None
    generate: Generate | None = None
    function: FunctionSpec | None = None
    when: dict[str, tuple[str | bool | int | float, ...]] = {}  # noqa: RUF012 - a default is read like a value, which copies it
    names: dict[str, str] = {}  # noqa: RUF012
    _quiet: ClassVar = ("extract", "function", "when", "names")

    @property
    def contract(self) -> Contract:
        """Inputs and outputs with their types; of its decisions, those that are generated."""
        found = Contract.from_json({"inputs": self.inputs, "outputs": self.outputs})
        if self.decide is None or self.generate is None:
            return found
        both = {field.name for field in found.decisions} & set(self.generate.outputs)
        return replace(found, generated=frozenset(both)) if both else found

    @property
    def calls(self) -> int:
        """Calls to the LM for a row, at most."""
        decide = len(self.decide.reads) if self.decide is not None else 0
        extract = 0
        if self.extract is not None and self.extract.asks_lm:
            extract = 1 if self.extract.by == "readout" else len(self.extract.outputs)
        return decide + extract + (self.generate is not None)


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

    `flow` lists the steps in an order in which they can run. What waits for what follows from
    the names of their inputs and outputs, and is written nowhere.
    """

    format: Literal[1] = 1
    name: str
    contract: dict[str, Any]
    contract_sha256: str
    steps: dict[str, StepSpec]
    flow: tuple[str, ...]
    lm: LMSpec | None
    arrays_sha256: str | None = None
