"""JSON that a prompt shows: skeletons, examples and schemas of what an answer is to look like.

Skeletons are read as people write them: placeholders, alternatives and comments in place of
values, doubled braces, trailing commas. What cannot be read so is no skeleton.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import PrototypeError
from .schemas import fields_of
from .slots import python_name
from .worded_types import NULL, TEXT, Schema, choice, labels_in, nullable, objects_of, range_in, type_of

MAX_DEPTH = 8
MAX_SKELETONS = 20
REACH = 600
"""How many characters before an object may lead to it."""

ASKS = re.compile(
    r"(?i)json|\b(?:format|schema|structure|output|return|respond|response|reply|answer|example|produce|"
    r"provide|like this|follow(?:s|ing)|result|"
    r"ausgabe|antwort\w*|sortie|réponse|réponds|salida|respuesta|formato)\b"
)
GIVEN = re.compile(r"(?i)^\W*(?:input|given|here (?:is|are)|data|request|user|eingabe|entrée|entrada)\b")
KEY = re.compile(r"\s*(?:\"([^\"\n]{1,80})\"|'([^'\n]{1,80})'|([^\W\d][\w-]{0,60}\??))\s*:\s*")


def skeleton_in(text: str) -> tuple[dict[str, Schema], str] | None:
    """The fields of the JSON that an answer is to look like, and the words that lead to it.

    An array of objects is one field, `answer`.
    """
    found = [shown for shown in _objects(text) if shown.node and ASKS.search(shown.lead)]
    if not found:
        return None
    first = next((shown for shown in found if _has_places(shown.node)), found[0])
    schema = _stated_schema(first.node)
    if schema is not None:
        return schema, first.lead
    fields = {key: _schema_of(value) for key, value in first.node.items()}
    for other in found:
        if other.node.keys() == first.node.keys():
            fields = {key: _both(own, _schema_of(other.node[key])) for key, own in fields.items()}
    named = {python_name(key): own for key, own in fields.items()}
    return {"answer": objects_of(named)} if first.in_array else named, first.lead


def _objects(text: str) -> Iterator[_Shown]:
    """Objects in braces with keys, outermost only."""
    at, found = text.find("{"), 0
    while at != -1 and found < MAX_SKELETONS:
        parsed = _Skeleton(text).object(at, 0)
        if parsed is not None:
            node, end = parsed
            found += 1
            yield _Shown(node, _lead(text, at), text[:at].rstrip().endswith("["))
            at = text.find("{", end)
        else:
            at = text.find("{", at + 1)


def _lead(text: str, at: int) -> str:
    """The words on the same line, or else the nearest line of words above; none of what is given."""
    for line in reversed(text[max(0, at - REACH) : at].split("\n")):
        words_of = re.sub(r"[\[{`~\s]+(?:json\w*)?\s*$", "", line).strip()
        if words_of:
            return "" if GIVEN.search(words_of) else words_of
    return ""


@dataclass(frozen=True)
class _Shown:
    """An object that the prompt shows, the words before it, and whether it stands in an array."""

    node: dict[str, Any]
    lead: str
    in_array: bool


class _Skeleton:
    """Reads an object from an offset: its node and where it ends, or None."""

    def __init__(self, text: str) -> None:
        self.text = text

    def object(self, at: int, depth: int) -> tuple[dict[str, Any], int] | None:
        doubled = self.text.startswith("{{", at)
        closing = "}}" if doubled else "}"
        at += len(closing)
        found: dict[str, Any] = {}
        while depth < MAX_DEPTH:
            at = self._skip(at)
            if self.text.startswith(closing, at):
                return found, at + len(closing)
            key = KEY.match(self.text, at)
            if key is None:
                return None
            value = self._value(key.end(), depth + 1)
            if value is None:
                return None
            node, at = value
            at, comment = self._comma(at)
            name = next(part for part in key.groups() if part)
            if name.endswith("?"):
                name, comment = name[:-1], f"{comment} or null"
            found[name] = _Commented(node, comment) if comment else node
        return None

    def _value(self, at: int, depth: int) -> tuple[Any, int] | None:
        if self.text.startswith("{", at) and KEY.match(
            self.text, self._skip(at + (2 if self.text.startswith("{{", at) else 1))
        ):
            return self.object(at, depth)
        if self.text.startswith("[", at):
            return self._array(at, depth)
        end, quote = at, ""
        while end < len(self.text) and end - at < 400:
            char = self.text[end]
            if quote:
                quote = "" if char == quote and self.text[end - 1] != "\\" else quote
            elif char == '"':
                quote = char
            elif char in ",}]\n" or self.text.startswith("//", end):
                break
            end += 1
        raw = self.text[at:end].strip()
        return (_scalar(raw), end) if raw else None

    def _array(self, at: int, depth: int) -> tuple[list[Any], int] | None:
        found: list[Any] = []
        at = self._skip(at + 1)
        while depth < MAX_DEPTH and at < len(self.text):
            if self.text.startswith("]", at):
                return found, at + 1
            value = self._value(at, depth + 1)
            if value is None:
                return None
            node, at = value
            found.append(node)
            at, _ = self._comma(at)
            at = self._skip(at)
        return None

    def _comma(self, at: int) -> tuple[int, str]:
        """Behind a comma, and the comment beside it."""
        found = re.compile(r"[ \t]*,?[ \t]*(?:(?://|#)[ \t]*([^\n]*))?").match(self.text, at)
        return (found.end(), (found[1] or "").strip()) if found else (at, "")

    def _skip(self, at: int) -> int:
        """Behind blanks, comments and marks of omission."""
        found = re.compile(r"(?:\s|//[^\n]*|/\*.*?\*/|\.\.\.,?|…,?)*", re.S).match(self.text, at)
        return found.end() if found else at


class _Commented:
    """A value with the comment beside it."""

    def __init__(self, node: Any, comment: str) -> None:
        self.node = node
        self.comment = comment


class _Place(str):
    """Words that stand for a value: a placeholder, alternatives, a type."""

    __slots__ = ()


def _scalar(raw: str) -> Any:
    try:
        value = json.loads(raw)
    except ValueError:
        return _Place(raw)
    return value


def _has_places(node: Any) -> bool:
    if isinstance(node, _Commented | _Place):
        return True
    if isinstance(node, str):
        return (
            re.search(r"[|<>…]|\.\.\.|^(?:string|number|integer|int|float|boolean|date)\b", node) is not None
        )
    inner = node.values() if isinstance(node, Mapping) else node if isinstance(node, list) else ()
    return any(_has_places(part) for part in inner)


def _schema_of(node: Any) -> Schema:
    if isinstance(node, _Commented):
        stated = type_of(node.comment)
        own = _schema_of(node.node)
        if stated is None or (own not in (TEXT, nullable(TEXT)) and NULL not in stated.get("anyOf", ())):
            return own
        return stated if own in (TEXT, nullable(TEXT)) else nullable(own)
    if isinstance(node, Mapping):
        if not node:
            return {"type": "object", "additionalProperties": True}
        inner = {python_name(key): _schema_of(value) for key, value in node.items()}
        return {"type": "object", "properties": inner, "required": list(inner)}
    if isinstance(node, list):
        return {"type": "array", "items": _schema_of(node[0]) if node else TEXT}
    if isinstance(node, bool):
        return {"type": "boolean"}
    if node is None:
        return nullable(TEXT)
    if isinstance(node, int | float):
        return {"type": "integer" if isinstance(node, int) else "number"}
    return _schema_of_words(str(node))


def _schema_of_words(text: str) -> Schema:
    plain = re.sub(r"^[<\[({]+|[>\])}]+$", "", text.strip())
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", plain):
        return {"type": "string", "format": "date"}
    slashes = labels_in(plain) if re.fullmatch(r"[\w -]+(?:\s*[|/]\s*[\w -]+)+", plain) else None
    if slashes and len(slashes) > 1:
        optional = "null" in slashes
        kept = [label for label in slashes if label != "null"]
        own = choice(kept) if len(kept) > 1 else type_of(kept[0]) or TEXT
        return nullable(own) if optional else own
    ranged = range_in(plain, clear=True)
    if ranged and len(plain) <= 40:
        return ranged[0]
    return type_of(plain) or TEXT


def _both(one: Schema, other: Schema) -> Schema:
    """A type that examples agree on: null and fractions that one of them shows are allowed."""
    if other == nullable(TEXT) and one != other:
        return nullable(one)
    if one == nullable(TEXT) and NULL not in other.get("anyOf", ()):
        return nullable(other)
    return other if (one, other) == ({"type": "integer"}, {"type": "number"}) else one


def _stated_schema(node: Mapping[str, Any]) -> dict[str, Schema] | None:
    """The properties of a JSON Schema that stands in the prompt in place of an answer."""
    if "properties" not in node or not isinstance(node["properties"], Mapping):
        return None
    try:
        fields = fields_of({**_plain(node), "type": "object"}, where="the schema in the prompt").fields
    except PrototypeError:
        return None
    return {field.name: field.schema for field in fields}


def _plain(node: Any) -> Any:
    if isinstance(node, _Commented):
        return _plain(node.node)
    if isinstance(node, Mapping):
        return {key: _plain(value) for key, value in node.items()}
    return [_plain(part) for part in node] if isinstance(node, list) else node
