"""JSON Schemas as people and tools write them, as the part of JSON Schema that a contract holds.

References are replaced by what they refer to, lists of types and `oneOf` become `anyOf`, parts
of `allOf` are merged, and a property that need not be there may be null. What a contract
cannot hold is left out and told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import PrototypeError
from ..runtime import Field
from .names import word_set

KEPT = {
    "string": ("format", "minLength", "maxLength", "pattern"),
    "integer": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
}
FORMATS = ("date", "date-time")
SILENT = word_set(
    "$schema $id $defs definitions title description examples default type enum const anyOf oneOf allOf $ref "
    "properties required items nullable strict additionalProperties propertyOrdering propertyOrder $comment"
)
MAX_DEPTH = 20


@dataclass
class Normalised:
    """Fields of an object schema, and what of it no contract holds: its place, and why."""

    fields: tuple[Field, ...]
    left_out: list[tuple[str, str]] = field(default_factory=list)


def fields_of(schema: Mapping[str, Any], *, where: str) -> Normalised:
    """The properties of an object schema as fields, in order.

    Raises:
        PrototypeError: it is no object schema, refers to nothing or to itself, or is nested too deeply.
    """
    reader = _Reader(schema, where)
    whole = reader.read(schema, "$", 0)
    if whole.get("type") != "object" or not whole.get("properties"):
        raise PrototypeError(
            "a JSON Schema of an object with properties is expected", hint="name its fields", where=where
        )
    found = []
    for name, own in whole["properties"].items():
        stated = {key: value for key, value in own.items() if key != "description"}
        found.append(Field(name, stated, " ".join(str(own.get("description", "")).split())))
    return Normalised(tuple(found), reader.left_out)


def normalised(schema: Mapping[str, Any], *, where: str) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """A schema of any type, and what of it no contract holds.

    Raises:
        PrototypeError: it refers to nothing or to itself, or is nested too deeply.
    """
    reader = _Reader(schema, where)
    return reader.read(schema, "$", 0), reader.left_out


def optional(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema, null allowed and the default where none is stated."""
    options = list(schema.get("anyOf", [{k: v for k, v in schema.items() if k != "description"}]))
    if {"type": "null"} not in options:
        options.append({"type": "null"})
    about = {"description": schema["description"]} if schema.get("description") else {}
    return {"anyOf": options, "default": schema.get("default"), **about}


class _Reader:
    def __init__(self, root: Mapping[str, Any], where: str) -> None:
        self.root = root
        self.where = where
        self.left_out: list[tuple[str, str]] = []

    def read(self, schema: Any, place: str, depth: int) -> dict[str, Any]:
        if depth > MAX_DEPTH:
            raise PrototypeError(
                f"the schema at {place} is nested too deeply, or refers to itself",
                hint="write out as many levels as an answer has",
                where=self.where,
            )
        if schema is True or schema == {}:
            return {}
        if not isinstance(schema, Mapping):
            raise PrototypeError(f"no JSON Schema at {place}", hint="mend it", where=self.where)
        schema = self._whole(schema, place, depth)
        about = {"description": schema["description"]} if schema.get("description") else {}
        default = {"default": schema["default"]} if "default" in schema else {}
        return {**self._typed(schema, place, depth), **default, **about}

    def _whole(self, schema: Mapping[str, Any], place: str, depth: int) -> Mapping[str, Any]:
        """With its reference and the parts of `allOf` merged in; what stands beside them wins."""
        found = dict(schema)
        parts = list(found.pop("allOf", ()))
        if "$ref" in found:
            parts.insert(0, self._resolved(found.pop("$ref"), place))
        for part in parts:
            if depth > MAX_DEPTH:
                return self.read(part, place, depth + 1)
            whole = self._whole(part, place, depth + 1)
            properties = {**whole.get("properties", {}), **found.get("properties", {})}
            required = [*whole.get("required", ()), *found.get("required", ())]
            found = {**whole, **found}
            if properties:
                found.update(properties=properties, required=required)
        return found

    def _resolved(self, reference: Any, place: str) -> Any:
        at: Any = self.root
        if not isinstance(reference, str) or not reference.startswith("#"):
            raise PrototypeError(
                f"the schema at {place} refers to {reference!r}, outside its file",
                hint="copy it into the schema's $defs",
                where=self.where,
            )
        for part in reference.removeprefix("#").strip("/").split("/"):
            key = part.replace("~1", "/").replace("~0", "~")
            at = at if not key else at.get(key) if isinstance(at, Mapping) else None
        if at is None:
            raise PrototypeError(
                f"the schema at {place} refers to {reference!r}, which is not there",
                hint="correct the reference",
                where=self.where,
            )
        return at

    def _typed(self, schema: Mapping[str, Any], place: str, depth: int) -> dict[str, Any]:
        self._tell_what_is_left(schema, place)
        if "const" in schema:
            return {"const": schema["const"]}
        if "enum" in schema:
            return self._enum(list(schema["enum"]))
        options = self._options(schema)
        if options:
            return self._union([self.read(option, place, depth + 1) for option in options])
        kind = schema.get("type")
        if kind == "object" or (kind is None and "properties" in schema):
            return self._object(schema, place, depth)
        if kind == "array":
            return {"type": "array", "items": self.read(schema.get("items", {}), f"{place}[]", depth + 1)}
        if kind in KEPT:
            kept = {key: schema[key] for key in KEPT[kind] if key in schema}
            if kept.get("format") not in (None, *FORMATS):
                kept.pop("format")
            return {"type": kind, **kept}
        if kind in ("boolean", "null"):
            return {"type": kind}
        if kind is not None:
            self.left_out.append((place, f"a type {kind!r} is none of JSON Schema's"))
        return {}

    @staticmethod
    def _options(schema: Mapping[str, Any]) -> list[Any]:
        """What a value may be one of, however the schema says that."""
        rest = {key: value for key, value in schema.items() if key not in ("default", "description")}
        if isinstance(schema.get("type"), list):
            return [{**rest, "type": one} for one in schema["type"]]
        if rest.pop("nullable", None) is True:
            return [rest, {"type": "null"}]
        return list(schema.get("anyOf") or schema.get("oneOf") or ())

    def _enum(self, values: list[Any]) -> dict[str, Any]:
        named = [value for value in values if value is not None]
        if not named:
            return {"type": "null"}
        if len(named) < len(values):
            return {"anyOf": [{"enum": named}, {"type": "null"}]}
        return {"enum": named}

    def _union(self, options: list[dict[str, Any]]) -> dict[str, Any]:
        flat: list[dict[str, Any]] = []
        for option in options:
            plain = {key: value for key, value in option.items() if key not in ("default", "description")}
            for one in plain.get("anyOf", [plain]):
                if one not in flat:
                    flat.append(one)
        enums = [one for one in flat if "enum" in one or "const" in one]
        if len(enums) > 1:
            values = [value for one in enums for value in one.get("enum", [one.get("const")])]
            merged = {"enum": list(dict.fromkeys(values))}
            flat = [merged, *(one for one in flat if one not in enums)]
        return flat[0] if len(flat) == 1 else {"anyOf": flat}

    def _object(self, schema: Mapping[str, Any], place: str, depth: int) -> dict[str, Any]:
        properties = schema.get("properties")
        if not properties:
            values = schema.get("additionalProperties")
            inner = self.read(values, f"{place}.*", depth + 1) if isinstance(values, Mapping) else True
            return {"type": "object", "additionalProperties": inner or True}
        required = list(schema.get("required", ()))
        found: dict[str, Any] = {}
        for name, own in properties.items():
            typed = self.read(own, f"{place}.{name}", depth + 1)
            found[name] = typed if name in required else optional(typed)
        title = {"title": schema["title"]} if str(schema.get("title", "")).isidentifier() else {}
        needed = [name for name in found if name in required]
        return {"type": "object", "properties": found, "required": needed, **title}

    def _tell_what_is_left(self, schema: Mapping[str, Any], place: str) -> None:
        kinds = schema.get("type")
        kept = {
            key for kind in ([kinds] if isinstance(kinds, str) else kinds or ()) for key in KEPT.get(kind, ())
        }
        for key in schema.keys() - SILENT - kept:
            if not str(key).startswith("x-"):
                self.left_out.append(
                    (f"{place}: {key}", "no type of Python's says this; check it in a metric")
                )
        named = schema.get("format")
        if isinstance(named, str) and named not in FORMATS:
            self.left_out.append((f"{place}: format {named}", "it stays text; check it in a metric"))
