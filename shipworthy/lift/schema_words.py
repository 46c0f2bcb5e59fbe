"""The keywords of JSON Schema: which a type of a contract keeps, and why the others are left out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import ContractError
from ..runtime import Field
from .names import word_set

BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
KEPT = {
    "string": ("format", "minLength", "maxLength", "pattern"),
    "integer": BOUNDS,
    "number": BOUNDS,
    "array": ("items", "prefixItems"),
    "object": ("properties", "required", "additionalProperties"),
}
FORMATS = ("date", "date-time")
NUMBER_FORMATS = word_set("int32 int64 float double")
SILENT = word_set(
    "$schema $id $defs definitions title description default type enum const anyOf oneOf allOf $ref nullable "
    "strict propertyOrdering propertyOrder $comment"
)
UNCHECKED = "no type of Python's says this; check it in a metric"
REASONS = {
    "examples": "examples of values are not carried over; say them in the description",
    "example": "an example of a value is not carried over; say it in the description",
    "deprecated": "a field is there or not; drop it where it is not wanted",
}


def why_left_out(kind: Any, key: str, value: Any) -> str:
    """Why a contract does not hold a keyword of a type; empty where it does, or where it means nothing.

    Keywords of another type than `kind` are not held either.
    """
    if key in SILENT or key.startswith("x-") or (key in ("additionalProperties", "required") and not value):
        return ""
    if kind in ("integer", "number") and key == "format" and value in NUMBER_FORMATS:
        return ""
    if key not in KEPT.get(kind, ()):
        return REASONS.get(key, UNCHECKED)
    if key == "format":
        return "" if value in FORMATS else f"{value}: it stays text; check it in a metric"
    if key == "pattern":
        return "" if _readable(value) else "this expression is not read; check it in a metric"
    if key in ("minLength", "maxLength"):
        return "" if _whole(value) else f"{value!r} is no length"
    if key in ("exclusiveMinimum", "exclusiveMaximum") and isinstance(value, bool):
        return ""
    return f"{value!r} is no number" if key in BOUNDS and not _number(value) else ""


def misshapen(schema: Mapping[str, Any]) -> str:
    """The first keyword whose value is none that JSON Schema gives it, or empty."""
    for key, value in schema.items():
        if key in ("properties", "$defs", "definitions") and not isinstance(value, Mapping):
            return key
        if key in ("enum", "anyOf", "oneOf", "allOf", "prefixItems") and not isinstance(value, list):
            return key
        words = value if isinstance(value, list) else [value]
        if key in ("type", "required", "$ref") and not all(isinstance(word, str) for word in words):
            return key
        if (key == "required" and isinstance(value, str)) or (key == "$ref" and isinstance(value, list)):
            return key
    return ""


def bounded(kind: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """A text or number with the bounds that a contract holds."""
    kept = {
        key: schema[key] for key in KEPT[kind] if key in schema and not why_left_out(kind, key, schema[key])
    }
    for key, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        # Draft 4 says with a boolean that the bound beside it is exclusive.
        if isinstance(kept.get(exclusive), bool) and kept.pop(exclusive) and key in kept:
            kept[exclusive] = kept.pop(key)
    for key in ("minLength", "maxLength"):
        if key in kept:
            kept[key] = int(kept[key])
    if kind == "integer":
        rounding = {"minimum": math.ceil, "exclusiveMaximum": math.ceil}
        for key in kept.keys() & set(BOUNDS):
            kept[key] = rounding.get(key, math.floor)(kept[key])
    return {"type": kind, **kept}


def words_of(schema: Mapping[str, Any], otherwise: str) -> dict[str, str]:
    """The schema's description, or that of its parts where it has none of its own."""
    words = str(schema.get("description") or otherwise)
    return {"description": words} if words else {}


def fitting_type(value: Any) -> dict[str, Any]:
    """The type of a JSON value."""
    if isinstance(value, bool):
        return {"type": "boolean"}
    if isinstance(value, int | float):
        return {"type": "integer" if isinstance(value, int) else "number"}
    if isinstance(value, str):
        return {"type": "string"}
    if isinstance(value, list):
        return {"type": "array", "items": {}}
    return {"type": "object", "additionalProperties": True}


def implied_type(schema: Mapping[str, Any]) -> str | None:
    """The type of a schema that names none, by a key that only one type has."""
    if "properties" in schema or isinstance(schema.get("additionalProperties"), Mapping):
        return "object"
    return "array" if "items" in schema or "prefixItems" in schema else None


def distinct(values: Iterable[Any]) -> list[Any]:
    """Each value once; 1 and true are two."""
    return [value for _, value in {(type(value), value): value for value in values}.items()]


def _readable(pattern: Any) -> bool:
    """Whether the contract's engine of regular expressions reads a pattern."""
    if not isinstance(pattern, str):
        return False
    try:
        Field("text", {"type": "string", "pattern": pattern}).parse("")
    except ContractError:
        return False
    except ValueError:
        return True
    return True


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _whole(value: Any) -> bool:
    return _number(value) and value >= 0 and int(value) == value
