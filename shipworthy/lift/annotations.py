"""JSON Schemas as the Python annotations that a person would write, and text as literals.

Labels and prompts come from files that anybody may have written. They enter the source
as string literals only, built here from escapes, so that no text can become code.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .names import class_name

INDENT = "    "
WIDTH = 100
ROOM_BESIDE = 40
"""What a line holds besides a field's name and its Literal."""

ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


class Annotations:
    """Writes annotations, and remembers the imports and classes that they need."""

    def __init__(self, taken: Iterable[str]) -> None:
        """`taken`: names that no class or alias may have, such as those of all fields."""
        self._taken = set(taken)
        self.imports: set[str] = set()
        self.aliases: dict[str, list[str]] = {}
        self.models: dict[str, list[str]] = {}

    def of(self, schema: Mapping[str, Any], title: str) -> str:
        """The annotation of a schema; `title` names an object that has no title of its own."""
        if "enum" in schema:
            return self._literal(schema["enum"], title)
        if "const" in schema:
            return self._literal([schema["const"]], title)
        if "anyOf" in schema:
            return " | ".join(dict.fromkeys(self.of(option, title) for option in schema["anyOf"]))
        kind = schema.get("type")
        if kind in ("integer", "number"):
            return self._number("int" if kind == "integer" else "float", schema)
        if kind == "string":
            return self._string(schema)
        if kind == "array":
            return f"list[{self.of(schema.get('items', {}), f'{title}_item')}]"
        if kind == "object" and "properties" in schema:
            return self._model(schema, title)
        if kind == "object":
            self.imports.add("Any")
            return "dict[str, Any]"
        if kind in ("boolean", "null"):
            return "bool" if kind == "boolean" else "None"
        self.imports.add("Any")
        return "Any"

    def _literal(self, values: Sequence[Any], title: str) -> str:
        self.imports.add("Literal")
        words = [literal(value) for value in values]
        inline = f"Literal[{', '.join(words)}]"
        if len(title) + len(inline) <= WIDTH - ROOM_BESIDE:
            return inline
        name = self._free(class_name(title))
        self.aliases[name] = [f"{name} = Literal[", *(f"{INDENT}{word}," for word in words), "]"]
        return name

    def _number(self, python: str, schema: Mapping[str, Any]) -> str:
        words = {"minimum": "ge", "maximum": "le", "exclusiveMinimum": "gt", "exclusiveMaximum": "lt"}
        bounds = [f"{ours}={schema[theirs]!r}" for theirs, ours in words.items() if theirs in schema]
        if not bounds:
            return python
        self.imports |= {"Annotated", "Field"}
        return f"Annotated[{python}, Field({', '.join(bounds)})]"

    def _string(self, schema: Mapping[str, Any]) -> str:
        python = {"date": "datetime.date", "date-time": "datetime.datetime"}.get(schema.get("format", ""))
        if python is None:
            return "str"
        self.imports.add("datetime")
        return python

    def _model(self, schema: Mapping[str, Any], title: str) -> str:
        name = self._free(str(schema.get("title") or class_name(title)))
        self.imports.add("BaseModel")
        lines = []
        for field, own in schema["properties"].items():
            default = f" = {literal(own['default'])}" if "default" in own else ""
            lines.append(f"{INDENT}{field}: {self.of(own, f'{title}_{field}')}{default}")
        self.models[name] = [f"class {name}(BaseModel):", *lines]
        return name

    def _free(self, wanted: str) -> str:
        name, number = wanted, 2
        while name in self._taken:
            name, number = f"{wanted}{number}", number + 1
        self._taken.add(name)
        return name


def names_within(schema: Mapping[str, Any]) -> set[str]:
    """Names of all properties in a schema, at any depth."""
    found = set(schema.get("properties", {}))
    inner = [*schema.get("properties", {}).values(), *schema.get("anyOf", []), schema.get("items", {})]
    return found.union(*(names_within(part) for part in inner if part))


def literal(value: Any) -> str:
    """A JSON scalar as a Python literal."""
    return quoted(value) if isinstance(value, str) else repr(value)


def python_value(value: Any) -> str:
    """A JSON value as a Python literal."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{quoted(key)}: {python_value(own)}" for key, own in value.items()) + "}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(python_value, value))}]"
    return literal(value)


def quoted(text: str) -> str:
    """Text as a string literal in double quotes, or in single ones where that saves escapes."""
    quote = "'" if text.count('"') > text.count("'") else '"'
    return f"{quote}{escaped(text).replace(quote, chr(92) + quote)}{quote}"


def escaped(text: str, *, keep: str = "") -> str:
    """Text for the inside of a literal: backslashes and what cannot be seen are escaped.

    Quotes are left to the caller; characters of `keep` stand as they are.
    """
    odd = {ord(char): _escaped(char) for char in {*text} - {*keep} if char == "\\" or not char.isprintable()}
    return text.translate(odd) if odd else text


def _escaped(char: str) -> str:
    if char in ESCAPES:
        return ESCAPES[char]
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
