"""Picoschema, Dotprompt's short form of JSON Schema, written out.

`name: type, description`; a `?` after the name makes it optional; `(array)`, `(object)` and
`(enum)` after the name say what the value is made of, and `(*)` stands for every other name.
A type that Picoschema does not have names a schema that the caller's code registers: it is
told. Bounds that a number's description states ("1 to 5") become the type's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import PrototypeError

SCALARS = ("string", "boolean", "number", "integer", "null", "any")
TYPES = (*SCALARS, "object", "array")
KEY = re.compile(r"(?P<name>[^(]*?)(?P<optional>\?)?\s*(?:\((?P<kind>[^,)]*)(?:,(?P<about>.*))?\))?\s*", re.S)
NUMBER = r"-?\d{1,15}(?:\.\d{1,15})?"
RANGE = re.compile(
    rf"(?:^|[\s(\[,;:])(?:between\s+|from\s+)?(?P<low>{NUMBER})\s*(?:to|through|and|-|–|—|\.\.\.?|…)\s*(?P<high>{NUMBER})"
    r"(?![\w%]|\.\d)",
    re.I,
)
ROUGHLY = re.compile(r"\b(?:about|around|roughly|usually|typically|often|ideally|e\.g\.|for example)\b", re.I)
MAX_DEPTH = 20


@dataclass
class Picoschema:
    """A schema written out.

    Attributes:
        schema: as JSON Schema.
        unknown: places of named schemas and their names, such as `("$.owner", "Person")`.
        bounds: places of numbers whose description states bounds, and the words that do.
        open: places of objects that may have further names.
    """

    schema: Mapping[str, Any]
    unknown: list[tuple[str, str]] = field(default_factory=list)
    bounds: list[tuple[str, str]] = field(default_factory=list)
    open: list[str] = field(default_factory=list)


def written_out(value: Any, *, where: str) -> Picoschema:
    """A Picoschema as JSON Schema; what is JSON Schema already stays as it is.

    Args:
        value: as the front matter has it: a text, or a mapping.
        where: its place, for messages.

    Raises:
        PrototypeError: it is neither, or nested too deeply.
    """
    reader = _Reader(where)
    found = reader.any_schema(value, "$", 0)
    return Picoschema(found, reader.unknown, reader.bounds, reader.open)


class _Reader:
    def __init__(self, where: str) -> None:
        self.where = where
        self.unknown: list[tuple[str, str]] = []
        self.bounds: list[tuple[str, str]] = []
        self.open: list[str] = []

    def any_schema(self, value: Any, place: str, depth: int) -> dict[str, Any]:
        """JSON Schema, whose parts people write in the short form too, or the short form."""
        if not isinstance(value, Mapping) or not _is_json_schema(value):
            return self.read(value, place, depth)
        if depth > MAX_DEPTH:
            raise self.error(place, "the schema is nested too deeply")
        found = {**value, "type": value.get("type", "object")}
        if "properties" in value:
            if not isinstance(value["properties"], Mapping):
                raise self.error(place, "properties are a mapping of names")
            found["properties"] = {
                name: self._part(one, f"{place}.{name}", depth + 1)
                for name, one in value["properties"].items()
            }
        if "items" in value:
            found["items"] = self._part(value["items"], f"{place}[]", depth + 1)
        return found

    def _part(self, value: Any, place: str, depth: int) -> Any:
        """A part of a JSON Schema: what is neither a text nor plainly a schema stays as it is."""
        if isinstance(value, str):
            return self.read(value, place, depth)
        if isinstance(value, Mapping) and _is_json_schema(value):
            return self.any_schema(value, place, depth)
        return value

    def read(self, value: Any, place: str, depth: int) -> dict[str, Any]:
        if depth > MAX_DEPTH:
            raise self.error(place, "the schema is nested too deeply")
        if isinstance(value, str):
            return self._scalar(value, place)
        if isinstance(value, Mapping):
            return self._object(value, place, depth)
        if value is None:
            return {"type": "null"}
        raise self.error(place, f"a type such as `string, what it is` is expected, not {value!r}")

    def error(self, place: str, problem: str) -> PrototypeError:
        return PrototypeError(problem, hint="correct the schema", where=f"{self.where}: {place}")

    def _scalar(self, text: str, place: str) -> dict[str, Any]:
        kind, _, about = (part.strip() for part in text.partition(","))
        described = {"description": about} if about else {}
        if kind == "any":
            return described
        if kind.endswith("[]"):
            return {"type": "array", "items": self._scalar(kind[:-2], f"{place}[]"), **described}
        if kind not in SCALARS:
            self.unknown.append((place, kind))
            return described
        return {"type": kind, **self._bounds(kind, about, place), **described}

    def _bounds(self, kind: str, about: str, place: str) -> dict[str, Any]:
        found = RANGE.search(about) if kind in ("integer", "number") else None
        if found is None or ROUGHLY.search(about[: found.start("low")]):
            return {}
        read = int if kind == "integer" else float
        try:
            low, high = read(found["low"]), read(found["high"])
        except ValueError:
            return {}
        if low >= high:
            return {}
        self.bounds.append((place, found[0].strip(" ,;:([")))
        return {"minimum": low, "maximum": high}

    def _object(self, value: Mapping[str, Any], place: str, depth: int) -> dict[str, Any]:
        properties: dict[str, Any] = {}
        required: list[str] = []
        found: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
        for key, inner in value.items():
            if key.strip() == "(*)":
                found["additionalProperties"] = self.read(inner, f"{place}.*", depth + 1) or True
                self.open.append(place)
                continue
            parts = KEY.fullmatch(key)
            if parts is None or not parts["name"].strip():
                raise self.error(place, f"{key!r} names no field; write it as name(array, what it is)")
            name = parts["name"].strip()
            if name in properties:
                raise self.error(place, f"{name!r} stands twice")
            if not parts["optional"]:
                required.append(name)
            properties[name] = self._property(parts, inner, f"{place}.{name}", depth)
        return {**found, "required": required}

    def _property(self, parts: re.Match[str], value: Any, place: str, depth: int) -> dict[str, Any]:
        kind = (parts["kind"] or "").strip()
        about = {"description": parts["about"].strip()} if (parts["about"] or "").strip() else {}
        if not kind:
            return {**self.read(value, place, depth + 1), **about}
        if kind == "array":
            return {"type": "array", "items": self.read(value, f"{place}[]", depth + 1), **about}
        if kind == "object":
            return {**self.read(value, place, depth + 1), **about}
        if kind == "enum":
            values = value if isinstance(value, list) else [value]
            if not values or not all(isinstance(one, str | int | float | bool | None) for one in values):
                raise self.error(place, "an enum is a list of values")
            return {"enum": values, **about}
        raise self.error(place, f"({kind}) is neither array, object nor enum")


def _is_json_schema(value: Mapping[str, Any]) -> bool:
    return value.get("type") in TYPES or isinstance(value.get("properties"), Mapping)
