"""What a prototype states of its outputs, by schema, by its words or by example, and whether rows fit it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..examples import Table
from ..runtime import Demo, Field, label_text, nullable, plain_value
from .columns import Column, read_column
from .draft import Prompt, StepDraft, Unmapped
from .infer import schema_of
from .words import outputs_in_words

TEXT: Mapping[str, Any] = {"type": "string"}


@dataclass(frozen=True)
class Outputs:
    """Outputs with the reason for each type, and why other columns are none."""

    fields: tuple[Field, ...]
    reasons: Mapping[str, str]
    left_out: Mapping[str, str]


def stated_outputs(step: StepDraft, inputs: Sequence[str]) -> tuple[tuple[Field, str], ...]:
    """Outputs that the prototype's schemas state, or else its words, each with the reason."""
    if step.outputs:
        return tuple(
            (_shown_by(step.demos, field), step.reasons.get(field.name, "stated by its schema"))
            for field in step.outputs
        )
    if found := tuple(outputs_in_words(_words(step.prompts[0]), inputs=inputs)):
        return found
    names = dict.fromkeys(name for demo in step.demos for name in demo.outputs)
    shown = "the prototype's worked examples show it"
    return tuple(
        (Field(name, schema_of([demo.outputs[name] for demo in step.demos if name in demo.outputs])), shown)
        for name in names
    )


def with_stated(
    found: Outputs, stated: Sequence[tuple[Field, str]], table: Table, where: str
) -> tuple[Outputs, list[Unmapped]]:
    """The columns' outputs with the types that the prototype states, where the rows fit them."""
    fields, reasons = {field.name: field for field in found.fields}, dict(found.reasons)
    told = []
    for field, why in stated:
        if field.name not in fields:
            told.append(Unmapped(f"output {field.name}", where, f"no column has labels for it ({why})"))
            continue
        column = read_column(table, field.name)
        if column.n_empty and field.choices is None and nullable(field) != field:
            field = nullable(field)  # the rows say more than the words
            why = f"{why}; empty in {column.n_empty} of {column.n_rows}"
        misfit = _misfit(field, fields[field.name], column)
        if misfit:
            told.append(Unmapped(f"type of {field.name}", where, f"{misfit} ({why})"))
        else:
            fields[field.name], reasons[field.name] = field, why
    return Outputs(tuple(fields.values()), reasons, found.left_out), told


def with_texts(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with text wherever nothing is known: what a template puts into its words is text."""
    found = dict(schema)
    if not {"type", "anyOf", "enum", "const"} & found.keys():
        may_be_null = "default" in found and found["default"] is None
        found |= {"anyOf": [TEXT, {"type": "null"}]} if may_be_null else TEXT
    if "properties" in found:
        found["properties"] = {name: with_texts(own) for name, own in found["properties"].items()}
    if found.get("type") == "array":
        found["items"] = with_texts(found.get("items", {}))
    if "anyOf" in found:
        found["anyOf"] = [with_texts(option) for option in found["anyOf"]]
    return found


def _shown_by(demos: Sequence[Demo], field: Field) -> Field:
    """An output of no stated type, as the worked examples have it; text where there are none."""
    if field.schema:
        return field
    values = [demo.outputs[field.name] for demo in demos if field.name in demo.outputs]
    return Field(field.name, schema_of(plain_value(values)) or TEXT, field.description)


def _words(prompt: Prompt) -> str:
    """What is asked, with the slots as they are spelled."""
    parts = [
        "".join(piece if isinstance(piece, str) else piece.spelling for piece in message.template.pieces())
        for message in prompt.messages
        if message.role != "assistant"
    ]
    return "\n\n".join(parts)


def _misfit(stated: Field, learned: Field, column: Column) -> str:
    """Why a stated type does not serve for a column, or empty. A label without rows cannot be learned."""
    if stated.choices is not None and learned.choices is not None:
        missing = [label_text(one) for one in stated.choices if one not in learned.choices]
        if missing:
            return f"no row has the label {', '.join(map(repr, missing))}, so it cannot be learned"
    for value in column.values:
        try:
            stated.parse(value)
        except ValueError as error:
            return f"the rows do not fit the stated type: {error}"
    return ""
