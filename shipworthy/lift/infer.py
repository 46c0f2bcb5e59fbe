"""From the values of a column to a JSON Schema, with the reason in words.

Schemas are spelled as pydantic spells them for the annotations that `annotations` writes,
so that the contract read back from the written source has the same digest.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..runtime import label_text
from .columns import NEARLY_ALL, Column
from .names import problem_of_field

BOOL_TEXTS = ({"yes", "no"}, {"true", "false"}, {"y", "n"})
BOOL_NAMES = ("is_", "has_", "needs_", "should_", "can_", "was_", "must_")
MAX_LABELS = 200
MAX_LABEL_LENGTH = 60
MAX_RATINGS = 10
MAX_SPAN_LABELS = 20

Schema = Mapping[str, Any]


@dataclass(frozen=True)
class Inferred:
    """A field's JSON Schema and why it is that one."""

    schema: Schema
    reason: str


def infer_output(column: Column, *, found: float) -> Inferred:
    """The type of an output.

    A decision (enum or boolean) is never null: an empty label of one is a fault in the
    rows, which `load_labelled` reports.

    Args:
        column: its values.
        found: share of them that stand word for word in an input.
    """
    if not column.values:
        return Inferred({"type": "string"}, "no value to learn the type from")
    decision = _decision(column, found)
    return decision or _with_null(_value(column, found), column)


def infer_input(column: Column) -> Schema:
    """The type of an input: text stays text, JSON keeps its type."""
    if not column.values or column.texts is not None or column.read_from_text:
        return {"type": "string"}
    schema = schema_of(column.values)
    return {**_nullable(schema), "default": None} if column.n_empty else schema


def schema_of(values: Sequence[Any]) -> Schema:
    """A schema that all these JSON values fit."""
    kinds: dict[str, list[Any]] = defaultdict(list)
    for value in values:
        kinds[_kind(value)].append(value)
    if "number" in kinds:
        kinds["number"] += kinds.pop("integer", [])
    options = [_schema_of_kind(kind, kinds[kind]) for kind in sorted(kinds) if kind != "null"]
    if not options:
        return {}
    schema = options[0] if len(options) == 1 else {"anyOf": options}
    return _nullable(schema) if "null" in kinds else schema


def _decision(column: Column, found: float) -> Inferred | None:
    boolean = _boolean(column)
    if boolean:
        return boolean
    scalars = all(isinstance(value, str | int | float) for value in column.values)
    if not scalars or column.all_numbers() or column.all_dates():
        return None
    texts = [str(value) for value in column.values]
    few = column.distinct <= min(MAX_LABELS, max(2, column.n_rows / 3))
    if not few or any(len(text) > MAX_LABEL_LENGTH or "\n" in text for text in texts):
        return None
    if found >= NEARLY_ALL and (column.n_empty or column.distinct > MAX_SPAN_LABELS):
        return None
    labels = sorted(set(texts))
    return Inferred(_choice_of(labels), column.count + _twins(labels))


def _choice_of(labels: Sequence[str]) -> Schema:
    if len(labels) == 1:
        return {"const": labels[0], "type": "string"}
    return {"enum": labels, "type": "string"}


def _boolean(column: Column) -> Inferred | None:
    boolean = {"type": "boolean"}
    if all(isinstance(value, bool) for value in column.values):
        return Inferred(boolean, f"true or false in all {column.n_rows} rows")
    if column.texts:
        said = {text.lower() for text in column.texts}
        for pair in BOOL_TEXTS:
            if said <= pair:
                return Inferred(boolean, f"{' or '.join(sorted(pair, reverse=True))} in {column.n_rows} rows")
    named = column.name.lower().startswith(BOOL_NAMES)
    if named and column.all_integers() and {int(value) for value in column.values} <= {0, 1}:
        return Inferred(boolean, f"0 or 1 in {column.n_rows} rows, and a name that asks yes or no")
    return None


def _value(column: Column, found: float) -> Inferred:
    if column.all_integers():
        return _integer(column)
    if column.all_numbers():
        return Inferred({"type": "number"}, f"numbers, {column.count}")
    if column.all_dates():
        return Inferred({"type": "string", "format": "date"}, f"dates, {column.count}")
    if column.texts is None:
        return Inferred(schema_of(column.values), f"JSON values, {column.count}")
    if found >= NEARLY_ALL:
        share = f"{round(found * len(column.values))} of {len(column.values)}"
        return Inferred({"type": "string"}, f"text that stands in the input in {share} rows")
    return Inferred({"type": "string"}, f"text, {column.count}")


def _integer(column: Column) -> Inferred:
    numbers = [int(value) for value in column.values]
    low, high = min(numbers), max(numbers)
    few = 2 <= column.distinct <= min(MAX_RATINGS, len(numbers) / 2)
    if few and high - low <= MAX_RATINGS:
        schema = {"type": "integer", "minimum": low, "maximum": high}
        return Inferred(schema, f"integers from {low} to {high}, {column.count}")
    return Inferred({"type": "integer"}, f"integers, {column.count}")


def _with_null(inferred: Inferred, column: Column) -> Inferred:
    if not column.n_empty:
        return inferred
    return Inferred(
        _nullable(inferred.schema), f"{inferred.reason}; empty in {column.n_empty} of {column.n_rows}"
    )


def _nullable(schema: Schema) -> Schema:
    if not schema:
        return schema
    options = list(schema["anyOf"]) if "anyOf" in schema else [schema]
    null = {"type": "null"}
    return {"anyOf": options if null in options else [*options, null]}


def _twins(labels: Sequence[str]) -> str:
    """Says so where two labels look the same to a reader of the prompt."""
    seen: dict[str, str] = {}
    for label in labels:
        twin = seen.setdefault(label_text(label).casefold(), label)
        if twin != label:
            return f"; {twin!r} and {label!r} differ in case or underscores only"
    return ""


def _kind(value: Any) -> str:
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "null")


def _schema_of_kind(kind: str, values: Sequence[Any]) -> Schema:
    if kind == "array":
        items = [item for value in values for item in value]
        return {"type": "array", "items": schema_of(items)}
    return _object_schema(values) if kind == "object" else {"type": kind}


def _object_schema(values: Sequence[Mapping[str, Any]]) -> Schema:
    keys = list(dict.fromkeys(key for value in values for key in value))
    if not keys or any(problem_of_field(key) for key in keys):
        return {"type": "object", "additionalProperties": True}
    properties: dict[str, Schema] = {}
    required = []
    for key in keys:
        own = schema_of([value[key] for value in values if key in value])
        if all(key in value for value in values):
            required.append(key)
            properties[key] = own
        else:
            properties[key] = {**_nullable(own), "default": None}
    needed = {"required": required} if required else {}
    return {"type": "object", "properties": properties, **needed}
