"""A lifted contract as a short text for people: what goes in, what comes out, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..runtime import Contract
from .annotations import quoted

MAX_LABELS = 8


def describe(
    name: str,
    contract: Contract,
    reasons: Mapping[str, str],
    left_out: Mapping[str, str],
    notes: Sequence[str],
) -> str:
    """The text; one line a field, aligned."""
    rows = [
        ("in", field.name, type_words(field.schema), reasons.get(field.name, "")) for field in contract.inputs
    ]
    rows += [
        ("out", field.name, type_words(field.schema), reasons.get(field.name, ""))
        for field in contract.outputs
    ]
    names = [field.name for field in contract.inputs], [field.name for field in contract.outputs]
    lines = [f"{name}: {', '.join(names[0])} -> {', '.join(names[1])}"]
    lines += _aligned(f"  {side:<4}{field}\t{words}\t{why}" for side, field, words, why in rows)
    if left_out:
        lines.append("columns left out:")
        lines += _aligned(f"  {_plain(column)}\t{_plain(why)}" for column, why in left_out.items())
    if notes:
        lines.append("not mapped:")
        lines += [f"  {_plain(note)}" for note in notes]
    return "\n".join(lines)


def type_words(schema: Mapping[str, Any]) -> str:
    """A JSON Schema in a few words."""
    if "enum" in schema or "const" in schema:
        labels = [quoted(str(label)) for label in schema.get("enum") or [schema["const"]]]
        shown = ", ".join(labels[:MAX_LABELS])
        more = f", … ({len(labels)} in all)" if len(labels) > MAX_LABELS else ""
        return f"one of {shown}{more}"
    if "anyOf" in schema:
        return " or ".join(type_words(option) for option in schema["anyOf"])
    kind = schema.get("type")
    if kind == "array":
        return f"list of {type_words(schema.get('items', {}))}"
    if kind == "object" and "properties" in schema:
        inner = ", ".join(f"{name}: {type_words(own)}" for name, own in schema["properties"].items())
        return f"{{{inner}}}"
    if kind == "integer" and "minimum" in schema and "maximum" in schema:
        return f"integer {schema['minimum']} to {schema['maximum']}"
    if schema.get("format") == "date":
        return "date"
    words = {"string": "text", "boolean": "yes or no", None: "any value"}
    return words.get(kind, str(kind))


def _aligned(lines: Iterable[str]) -> list[str]:
    """Lines whose tab-separated cells stand below each other; a wide cell pushes only its own line."""
    cells = [line.split("\t") for line in lines]
    widths = [
        min(40, max(len(row[i]) for row in cells)) for i in range(max((len(row) for row in cells), default=0))
    ]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]


def _plain(text: str) -> str:
    """Text without characters that would move or colour a terminal's output."""
    return (
        text
        if text.isprintable()
        else "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)
    )
