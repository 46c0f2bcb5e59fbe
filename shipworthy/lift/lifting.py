"""`lift`: which columns are inputs and outputs, of which types, and why.

Every choice carries its reason, and `Lifted.describe` shows them all before anything
runs, so that a wrong guess costs its reader one option and not a compile.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import ExamplesError, PrototypeError
from ..examples import Table
from ..runtime import Contract, Demo, Field
from .checks import Checking, checking_of
from .columns import Column, read_column, share_found, why_left_out
from .describe import describe
from .draft import Prompt, StepDraft, Tool, Unmapped
from .infer import infer_input, infer_output
from .names import check_fields
from .pieces import Piece
from .prose import instruction_of
from .prototype import Prototype
from .schemas import optional
from .stated import TEXT, Outputs, stated_outputs, with_stated, with_texts


@dataclass(frozen=True)
class LiftedStep:
    """One step as a typed contract and an instruction.

    Attributes:
        name: of the step.
        contract: inputs and outputs with their types.
        instruction: the prompt's prose.
        reasons: for each field, why it has this type.
        demos: worked examples of the prototype.
        tools: functions that the prototype's LM may call.
        guardrails: names of functions that check an answer.
        others: instructions of the prototype's other prompts for this step.
    """

    name: str
    contract: Contract
    instruction: str
    reasons: Mapping[str, str]
    demos: tuple[Demo, ...] = ()
    tools: tuple[Tool, ...] = ()
    guardrails: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class Lifted:
    """A prototype as typed steps.

    Attributes:
        name: of the program.
        prototype: what was lifted.
        steps: in an order in which they can run.
        left_out: columns that are neither input nor output, and why.
        unmapped: parts of the prompt that were not understood or not carried over.
        checking: how answers are scored by what the prototype asserts of them, where it does.
        about: what the program does, in a line, where an LM was asked for one.
    """

    name: str
    prototype: Prototype
    steps: tuple[LiftedStep, ...]
    left_out: Mapping[str, str]
    unmapped: tuple[Unmapped, ...] = ()
    checking: Checking | None = None
    about: str = ""

    @property
    def contract(self) -> Contract:
        """Of the whole program: what no step gives goes in, what no step takes comes out."""
        if len(self.steps) == 1:
            return self.steps[0].contract
        given = {field.name: field for step in self.steps for field in self._given_by(step)}
        taken = {field.name: field for step in self.steps for field in step.contract.inputs}
        inputs = tuple(field for name, field in taken.items() if name not in given)
        outputs = tuple(field for name, field in given.items() if name not in taken)
        return Contract(inputs, outputs)

    @property
    def passed_on(self) -> tuple[Field, ...]:
        """What a step gives and another one takes: rows may have labels for it too."""
        outputs = {field.name for field in self.contract.outputs}
        given = [field for step in self.steps for field in self._given_by(step)]
        return tuple(field for field in given if field.name not in outputs)

    def _given_by(self, step: LiftedStep) -> tuple[Field, ...]:
        """Its outputs; they may be null where a router leads to it, or past it."""
        router = self.prototype.draft.router
        if router is None or step.name not in router.to.values():
            return step.contract.outputs
        return tuple(Field(one.name, optional(one.schema), one.description) for one in step.contract.outputs)

    @property
    def instruction(self) -> str:
        """The prose of the first step."""
        return self.steps[0].instruction

    @property
    def edges(self) -> tuple[tuple[str, str], ...]:
        """Which step reads what which other one gave."""
        drafts = self.prototype.draft.steps
        return tuple((read, step.name) for step in drafts for read in step.reads)

    def describe(self) -> str:
        """The contracts with their reasons, as a short text."""
        notes = [f"{part.what} ({part.where}): {part.why}" for part in self.unmapped]
        *first, last = self.steps
        texts = [describe(step.name, step.contract, step.reasons, {}, ()) for step in first]
        texts.append(describe(last.name, last.contract, last.reasons, self.left_out, notes))
        return "\n".join(texts)


def lift(
    prototype: Prototype,
    table: Table | None = None,
    *,
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
) -> Lifted:
    """Infer the contracts that a prototype and labelled rows imply.

    Types come from the schemas that the prototype states, then from its own words, then from
    the rows; each has its reason.

    Args:
        prototype: the prompt.
        table: labelled rows; without them, what nothing states is text.
        inputs: columns that are inputs, in place of the prompt's slots.
        outputs: columns that are outputs, in place of those inferred.

    Raises:
        ExamplesError: a column is missing, no output is left, or a column's name
            cannot be a field's.
        PrototypeError: a slot's name cannot be a field's, or the prompt does not say
            where its inputs go.
    """
    draft = prototype.draft
    if len(draft.steps) > 1:
        return _several(prototype)
    step = draft.steps[0]
    chosen = _inputs(prototype, table, inputs)
    stated = stated_outputs(step, list(chosen))
    if table:
        found = _outputs_of_rows(table, list(chosen), outputs)
    else:
        found = _outputs_of_nothing(outputs, stated, inputs=chosen)
    unmapped = list(draft.unmapped)
    if table is not None:
        found, told = with_stated(found, stated, table, prototype.path)
        unmapped += told
    _check_names(prototype, table, list(chosen), [field.name for field in found.fields])
    known = {field.name: field for field in step.inputs}
    typed = [_input(name, known, step.shown, prototype.defaults, table) for name in chosen]
    lifted = _step(step, Contract(tuple(typed), found.fields), {**chosen, **step.reasons, **found.reasons})
    checked, told = checking_of(prototype, lifted.contract, table)
    unmapped += told
    return Lifted(
        prototype.name,
        prototype,
        (lifted,),
        found.left_out,
        (*unmapped, *_to_connect(prototype)),
        checked,
    )


def _several(prototype: Prototype) -> Lifted:
    """Each step by itself: what its own prompt and schemas state. Rows teach the compiler, step by step."""
    draft = prototype.draft
    everywhere = {name: schema for step in draft.steps for name, schema in step.shown.items()}
    stated_inputs = {field.name: field for step in draft.steps for field in step.inputs}
    made = {name for step in draft.steps for name in (step.name, *(field.name for field in step.outputs))}
    program = [name for name in dict.fromkeys([*prototype.slots, *stated_inputs]) if name not in made]
    if not program:
        raise PrototypeError(
            "none of its steps is given anything, so that it would answer every row alike",
            hint="mark what differs from row to row, as in {topic}",
            where=prototype.path,
        )
    outputs: dict[str, tuple[Field, ...]] = {}
    earlier: dict[str, Field] = {}
    steps = []
    for step in draft.steps:
        fields = {field.name: field for field in step.inputs}
        read = {field.name: field for name in step.reads for field in outputs[name]}
        # A step without a slot of its own answers to what the program is given.
        names = dict.fromkeys([*step.shown, *fields, *read] or program)
        typed = [
            read.get(name)
            or earlier.get(name)
            or _input(name, {**stated_inputs, **fields}, everywhere, draft.defaults, None)
            for name in names
        ]
        stated = stated_outputs(step, list(names))
        own = [field for field, _ in stated] or [Field(step.name, TEXT)]
        outputs[step.name] = tuple(own)
        reasons = {name: "given by an earlier step" for name in names if name in read or name in earlier}
        reasons |= {field.name: why for field, why in stated} or {step.name: "nothing states its type"}
        earlier |= {field.name: field for field in own}
        check_fields([*names, *(field.name for field in own)], PrototypeError, prototype.path)
        steps.append(_step(step, Contract(tuple(typed), tuple(own)), {**reasons, **step.reasons}))
    return Lifted(prototype.name, prototype, tuple(steps), {}, (*draft.unmapped, *_to_connect(prototype)))


def _to_connect(prototype: Prototype) -> list[Unmapped]:
    """Code of the prototype that only its owner can bring along."""
    tool = "written as a function without a body: connect it to your system, and make it a step"
    guardrail = "its code is never executed: write the check as a metric, or as a step"
    found = []
    for step in prototype.draft.steps:
        found += [Unmapped(f"tool {one.name}", f"{prototype.path}: {step.name}", tool) for one in step.tools]
        found += [
            Unmapped(f"guardrail {one}", f"{prototype.path}: {step.name}", guardrail)
            for one in step.guardrails
        ]
    return found


def _step(step: StepDraft, contract: Contract, reasons: Mapping[str, str]) -> LiftedStep:
    prose = [_prose(prompt) for prompt in step.prompts]
    others = tuple(dict.fromkeys(text for text in prose[1:] if text != prose[0]))
    return LiftedStep(step.name, contract, prose[0], reasons, step.demos, step.tools, step.guardrails, others)


def _prose(prompt: Prompt) -> str:
    """The words of all messages but worked examples, without the places where inputs go.

    A turn of the assistant that is no worked example is told as such, with the user's before it; the
    last one is how the answer begins.
    """
    messages = [message for message in prompt.messages if message.template.text.strip()]
    pieces: list[Piece] = []
    for number, message in enumerate(messages, 1):
        answered = number < len(messages) - 1 and messages[number].role == "assistant"
        if message.role == "assistant":
            pieces.append("Begin the answer with: " if number == len(messages) else "Assistant: ")
        elif message.role == "user" and answered:
            pieces.append("User: ")
        pieces += [*message.template.pieces(), "\n\n"]
    return instruction_of(pieces)


def _input(
    name: str,
    stated: Mapping[str, Field],
    shown: Mapping[str, Mapping[str, Any]],
    defaults: Mapping[str, Any],
    table: Table | None,
) -> Field:
    """An input by what is stated of it, or what the template shows, or what the rows hold."""
    field = stated.get(name) or Field(name, shown.get(name) or {})
    if not field.schema and table is not None and name in table.columns:
        field = Field(name, infer_input(read_column(table, name)), field.description)
    schema = with_texts(field.schema)
    if name in defaults and "default" not in schema:
        schema = {**schema, "default": defaults[name]}
    return Field(name, schema, field.description)


def _inputs(prototype: Prototype, table: Table | None, named: Sequence[str] | None) -> dict[str, str]:
    """Names of the inputs, each with the reason why it is one."""
    if named is not None:
        return _named_inputs(prototype, table, named)
    if prototype.slots:
        if table is not None:
            needed = [name for name in prototype.slots if name not in prototype.defaults]
            _require(needed, table, "the prompt's slot")
        return dict.fromkeys(prototype.slots, "a slot of the prompt")
    if step_inputs := [field.name for field in prototype.draft.steps[0].inputs]:
        return dict.fromkeys(step_inputs, "stated by its schema")
    if table is None:
        return {"text": "the prompt has no slot, so its one input follows it"}
    return _longest_text(table)


def _named_inputs(prototype: Prototype, table: Table | None, named: Sequence[str]) -> dict[str, str]:
    if table is not None:
        _require(named, table, "the input")
    forgotten = [slot for slot in prototype.slots if slot not in named]
    if forgotten:
        raise ExamplesError(
            f"the prompt also needs {_listed(forgotten)}",
            hint="name every slot of the prompt as an input",
            where=prototype.path,
        )
    if not named or (not prototype.slots and len(named) > 1):
        raise PrototypeError(
            f"the prompt has no slot, so it takes one input, not {len(named)}",
            hint="mark where each input goes, as in {message}",
            where=prototype.path,
        )
    return dict.fromkeys(named, "named as an input")


def _longest_text(table: Table) -> dict[str, str]:
    texts = [column for column in _columns(table) if column.texts]
    if not texts:
        raise ExamplesError(
            "no column holds text that could follow the prompt",
            hint="mark where each input goes in the prompt, as in {message}",
            where=table.source,
        )
    longest = max(texts, key=lambda column: column.mean_length)
    mean = f"{longest.mean_length:.0f} characters on average"
    return {longest.name: f"the prompt has no slot; this column has the longest text, {mean}"}


def _outputs_of_nothing(
    named: Sequence[str] | None, stated: Sequence[tuple[Field, str]], *, inputs: Iterable[str]
) -> Outputs:
    if stated and not named:
        return Outputs(tuple(field for field, _ in stated), {field.name: why for field, why in stated}, {})
    taken = {name.casefold() for name in inputs}
    free = (name for name in ("answer", "output", "result", "reply") if name not in taken)
    names = list(named) if named else [next(free, f"answer_{len(taken)}")]
    reason = "named as an output; no rows to learn a type from" if named else "no rows to learn a type from"
    return Outputs(tuple(Field(name, TEXT) for name in names), dict.fromkeys(names, reason), {})


def _outputs_of_rows(table: Table, inputs: Sequence[str], named: Sequence[str] | None) -> Outputs:
    if named is not None:
        _require(named, table, "the output")
        both = [name for name in named if name in inputs]
        if both:
            raise ExamplesError(
                f"{_listed(both)} is an input already", hint="name another column", where=table.source
            )
    left_out: dict[str, str] = {}
    fields: dict[str, Field] = {}
    reasons: dict[str, str] = {}
    for column in _columns(table):
        if column.name in inputs:
            continue
        found = share_found(column, table, inputs)
        if named is not None:
            why = "" if column.name in named else "not named as an output"
        else:
            why = why_left_out(column, found=found)
        if why:
            left_out[column.name] = why
            continue
        inferred = infer_output(column, found=found)
        fields[column.name] = Field(column.name, inferred.schema)
        reasons[column.name] = inferred.reason
    if not fields:
        listed = "; ".join(f"{name}: {why}" for name, why in left_out.items()) or "there is no other column"
        raise ExamplesError(
            f"no column is an output ({listed})", hint="name them with --outputs", where=table.source
        )
    order = list(dict.fromkeys(named)) if named is not None else list(fields)
    return Outputs(tuple(fields[name] for name in order), {name: reasons[name] for name in order}, left_out)


def _columns(table: Table) -> Iterable[Column]:
    return (read_column(table, name) for name in table.columns)


def _require(names: Sequence[str], table: Table, role: str) -> None:
    """Refuse names that are no columns, and say which there are."""
    missing = [name for name in names if name not in table.columns]
    if not missing:
        return
    folded = {name.casefold(): name for name in table.columns}
    near = [
        folded[match]
        for name in missing
        for match in difflib.get_close_matches(name.casefold(), list(folded), n=1, cutoff=0.75)
    ]
    meant = f"did you mean {_listed(near)}? " if near else ""
    verb = "is no column" if len(missing) == 1 else "are no columns"
    raise ExamplesError(
        f"{role}{'' if len(missing) == 1 else 's'} {_listed(missing)} {verb}",
        hint=f"{meant}columns: {', '.join(table.columns)}",
        where=table.source,
    )


def _check_names(
    prototype: Prototype, table: Table | None, inputs: Sequence[str], outputs: Sequence[str]
) -> None:
    slots = set(prototype.slots)
    check_fields([name for name in inputs if name in slots], PrototypeError, prototype.path)
    check_fields([*inputs, *outputs], ExamplesError, table.source if table else prototype.path)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names)
