"""From an instruction, a contract and demos to the static segments of a prompt."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from .contract import Contract, Field, label_text, plain_value, value_text
from .spans import ABSENT
from .spec import Demo, PromptSpec, Slot


def render_decide(
    instruction: str, contract: Contract, demos: Sequence[Demo], *, repeated: Sequence[str] = ()
) -> PromptSpec:
    """The prompt for decisions: one line an output, `name: label`; `repeated` as in `Slot`."""
    decisions = contract.decisions
    lines = [f"{label_text(field.name)}: {_about_choice(field)}" for field in decisions]
    turns = tuple(
        (
            _user_text(contract, demo.inputs),
            "\n".join(
                f"{label_text(field.name)}: {label_text(demo.outputs[field.name])}" for field in decisions
            ),
        )
        for demo in demos
    )
    return PromptSpec(system=_system(instruction, lines), turns=turns, slots=_slots(contract, repeated))


def render_generate(
    instruction: str,
    contract: Contract,
    demos: Sequence[Demo],
    outputs: Sequence[Field],
    *,
    repeated: Sequence[str] = (),
) -> PromptSpec:
    """The prompt for generated outputs: one JSON object with the fields named.

    A demo without a value for one of them is not shown; `repeated` is as in `Slot`.
    """
    lines = ["Reply with a JSON object with these keys:"]
    lines += [f"- {field.name}: {_about_value(field)}" for field in outputs]
    turns = tuple(
        (
            _user_text(contract, demo.inputs),
            json.dumps(
                {field.name: plain_value(demo.outputs[field.name]) for field in outputs},
                ensure_ascii=False,
            ),
        )
        for demo in demos
        if all(field.name in demo.outputs for field in outputs)
    )
    return PromptSpec(system=_system(instruction, lines), turns=turns, slots=_slots(contract, repeated))


def render_extract(
    instruction: str,
    contract: Contract,
    demos: Sequence[Demo],
    outputs: Sequence[Field],
    *,
    repeated: Sequence[str] = (),
) -> PromptSpec:
    """The prompt for values that stand in the text: one line an output, `name: text` or `name: none`.

    A demo without a label for one of them is not shown; `repeated` is as in `Slot`.
    """
    lines = ["Copy from the text, or say none:"]
    for field in outputs:
        lines.append(f"{label_text(field.name)}: {field.description or _type_words(field.schema)}")
    turns = tuple(
        (
            _user_text(contract, demo.inputs),
            "\n".join(f"{opening_of(field)} {_span_text(demo.outputs[field.name])}" for field in outputs),
        )
        for demo in demos
        if all(field.name in demo.outputs for field in outputs)
    )
    return PromptSpec(system=_system(instruction, lines), turns=turns, slots=_slots(contract, repeated))


def opening_of(field: Field) -> str:
    """The words before the answer position of a decision or a span."""
    return f"{label_text(field.name)}:"


def _span_text(value: Any) -> str:
    return ABSENT if value is None else value_text(value)


def _system(instruction: str, lines: Sequence[str]) -> str:
    return "\n\n".join(part for part in (instruction.strip(), "\n".join(lines)) if part)


def _slots(contract: Contract, repeated: Sequence[str] = ()) -> tuple[Slot, ...]:
    return tuple(
        Slot(
            before=("\n" if i else "") + f"{label_text(field.name)}:",
            input=field.name,
            repeated=() if i else tuple(repeated),
        )
        for i, field in enumerate(contract.inputs)
    )


def _user_text(contract: Contract, inputs: Mapping[str, Any]) -> str:
    return "".join(f"{slot.before} {value_text(inputs[slot.input])}" for slot in _slots(contract))


def _about_choice(field: Field) -> str:
    labels = ", ".join(label_text(choice) for choice in field.choices or ())
    about = f" ({field.description})" if field.description else ""
    return f"one of {labels}{about}"


def _about_value(field: Field) -> str:
    if field.choices is not None:
        return _about_choice(field)
    about = f", {field.description}" if field.description else ""
    return f"{_type_words(field.schema)}{about}"


def _type_words(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return "one of " + ", ".join(label_text(value) for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(_type_words(option) for option in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_type_words(schema.get('items', {}))}"
    if schema.get("type") == "object" and "properties" in schema:
        inner = ", ".join(f"{name}: {_type_words(own)}" for name, own in schema["properties"].items())
        return f"{{{inner}}}"
    if schema.get("format") == "date":
        return "date as YYYY-MM-DD"
    return str(schema.get("type", "any value"))
