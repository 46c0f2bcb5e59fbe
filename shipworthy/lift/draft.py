"""What a reader makes of a prototype: prompts as templates, and what is known of types.

Every format ends here, so that inferring types, writing source and running the prototype
know one shape only. A reader states what its format states; it infers nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Protocol

from ..errors import PrototypeError
from ..runtime import Demo, Field
from .pieces import Piece

Schema = Mapping[str, Any]
MAX_COUNT = 200
MAX_INPUTS = 1000
Role = Literal["system", "user", "assistant"]
ROLES: Mapping[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "ai": "assistant",
    "model": "assistant",
}
"""By what providers and frameworks call them."""


class Template(Protocol):
    """A text with places that a row's values fill."""

    @property
    def text(self) -> str:
        """As the file has it."""
        ...

    @property
    def inputs(self) -> Mapping[str, Schema]:
        """Names in order of first appearance, with what the template itself shows of their type.

        Each as a JSON Schema: `{}` where it shows nothing.
        """
        ...

    def pieces(self) -> tuple[Piece, ...]:
        """All of its words, and its slots, in order; conditions and loops are told in words."""
        ...

    def render(self, values: Mapping[str, Any]) -> str:
        """The text of one row; values are data, whatever they hold.

        Raises:
            RowInputError: a value is missing, or the template cannot be filled with it.
        """
        ...


@dataclass(frozen=True)
class Message:
    """One message of a prompt."""

    role: Role
    template: Template


class Turns(Protocol):
    """All messages of a row, where they are more, or others, than one for each of a prompt's."""

    def render(self, values: Mapping[str, Any]) -> tuple[tuple[Role, str], ...]:
        """Role and text of each message of one row.

        Raises:
            RowInputError: a value is missing, or a template cannot be filled with it.
        """
        ...


@dataclass(frozen=True)
class Prompt:
    """One way to ask.

    Attributes:
        messages: what is asked, in order.
        label: tells candidates apart.
        sent: what the prototype sends where that is not these messages: those of its worked
            examples too, which are the step's demos, or those of a loop over earlier turns.
    """

    messages: tuple[Message, ...]
    label: str = ""
    sent: Turns | None = None

    def render(self, values: Mapping[str, Any]) -> tuple[tuple[Role, str], ...]:
        """Role and text of each message that the prototype sends for one row.

        Raises:
            RowInputError: a value is missing, or a template cannot be filled with it.
        """
        if self.sent is not None:
            return self.sent.render(values)
        return tuple((message.role, message.template.render(values)) for message in self.messages)


@dataclass(frozen=True)
class Tool:
    """A function that the LM may call: its parameters as a JSON Schema object."""

    name: str
    description: str = ""
    parameters: Schema = field(default_factory=dict)


@dataclass(frozen=True)
class StepDraft:
    """One step as its format states it.

    Attributes:
        name: a Python name.
        prompts: candidates, the one in use first; at least one.
        inputs: those whose type the format states. Other inputs are the templates' own.
        outputs: those that the format states; empty where nothing says what comes out.
        reasons: for each stated field, where it is stated.
        demos: worked examples with typed values.
        guardrails: names of functions that check an answer.
        reads: earlier steps whose outputs this one is given, in order.
    """

    name: str
    prompts: tuple[Prompt, ...]
    inputs: tuple[Field, ...] = ()
    outputs: tuple[Field, ...] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)
    demos: tuple[Demo, ...] = ()
    tools: tuple[Tool, ...] = ()
    guardrails: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()

    @cached_property
    def shown(self) -> Mapping[str, Schema]:
        """Inputs by name, with what the templates show of their types.

        Those of the prompt in use come first, then what its candidates ask for besides.
        """
        found: dict[str, Schema] = {}
        for message in (message for prompt in self.prompts for message in prompt.messages):
            for name, schema in message.template.inputs.items():
                found.setdefault(name, schema)
        return found


@dataclass(frozen=True)
class Router:
    """A decision of `step` that says which step follows; None ends there."""

    step: str
    output: str
    to: Mapping[str, str | None]


@dataclass(frozen=True)
class Check:
    """An assertion about an answer that can be run exactly, or a set of such.

    Attributes:
        kind: its name in the format, such as `icontains`; `assert-set` for a set.
        value: what it compares with.
        row: index into the draft's rows, or None where it holds for all.
        where: its place, for people.
        weight: beside the other checks of the same row.
        threshold: the most, or least, that `kind` allows, where it has one; of a set, the share
            of its checks' weight that suffices.
        checks: those of a set.
    """

    kind: str
    value: Any
    row: int | None
    where: str
    weight: float = 1.0
    threshold: float | None = None
    checks: tuple[Check, ...] = ()

    @property
    def single(self) -> tuple[Check, ...]:
        """The check itself, or all that stand in the set."""
        return tuple(one for inner in self.checks for one in inner.single) if self.checks else (self,)

    def as_json(self) -> dict[str, Any]:
        """As rows and recipes hold it, in promptfoo's words; what is as usual is left out."""
        return {
            "type": self.kind,
            **({} if self.value is None else {"value": self.value}),
            **({} if self.threshold is None else {"threshold": _short(self.threshold)}),
            **({} if self.weight == 1.0 else {"weight": _short(self.weight)}),
            **({"assert": [one.as_json() for one in self.checks]} if self.checks else {}),
        }


@dataclass(frozen=True)
class Unmapped:
    """A part of the prototype that no part of the lifted program stands for."""

    what: str
    where: str
    why: str


@dataclass(frozen=True)
class Draft:
    """A prototype as it was read.

    Attributes:
        steps: in an order in which they can run.
        rows: examples that the prototype brings, inputs and labels by name.
        checks: what is asserted of answers.
        thresholds: by row, or None for all rows, the share of its checks' weight that suffices.
        whole: whether checks are of a JSON object with all outputs, even where there is one only.
        defaults: values of inputs where a row has none.
    """

    steps: tuple[StepDraft, ...]
    router: Router | None = None
    rows: tuple[Mapping[str, Any], ...] = ()
    checks: tuple[Check, ...] = ()
    thresholds: Mapping[int | None, float] = field(default_factory=dict)
    whole: bool = False
    defaults: Mapping[str, Any] = field(default_factory=dict)
    unmapped: tuple[Unmapped, ...] = ()


def check_count(count: int, what: str, where: str) -> None:
    """Refuse a prototype of more steps, or of more candidate prompts, than anybody would write.

    Raises:
        PrototypeError: there are over 200.
    """
    if count > MAX_COUNT:
        raise PrototypeError(f"there are over {MAX_COUNT} {what}", hint="lift a part of it", where=where)


def check_inputs(count: int, where: str) -> None:
    """Refuse a prototype of more inputs than a contract is good for.

    Raises:
        PrototypeError: there are over 1,000.
    """
    if count > MAX_INPUTS:
        raise PrototypeError(
            f"there are {count:,} inputs, and at most {MAX_INPUTS:,} are read",
            hint="write what repeats as one input, a text or a list",
            where=where,
        )


def one_step(name: str, messages: Sequence[Message], **stated: Any) -> Draft:
    """The draft of a single prompt."""
    return Draft((StepDraft(name, (Prompt(tuple(messages)),), **stated),))


def _short(number: float) -> float:
    """5 rather than 5.0."""
    return int(number) if number.is_integer() else number
