"""Where a name of a Handlebars template leads: an input, a part of a list's item, a loop's counter.

Handlebars looks a name up in the context of its block alone; `../` goes to the block around it.
Contexts are known when a template is read, so each path becomes one expression of Jinja.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .names import word_set

Schema = Mapping[str, Any]
JINJA_WORDS = word_set(
    "loop range dict namespace caller varargs kwargs self super cycler joiner lipsum true false none null "
    "undefined True False None and or not in is if else elif for import set block filter with without context"
)
COUNTERS = {"index": "index0", "first": "first", "last": "last"}


@dataclass(frozen=True)
class Value:
    """An expression of Jinja, and what the prompt's schemas say about it."""

    code: str
    schema: Schema = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """Its type of JSON Schema, null aside, or empty where nothing says it."""
        kinds = self.schema.get("type", "")
        named = [kind for kind in ([kinds] if isinstance(kinds, str) else kinds) if kind != "null"]
        return str(named[0]) if len(named) == 1 else ""

    def part(self, name: str) -> Value:
        """A property, an item, or the length of a list or text."""
        if name.isdecimal():
            return Value(f"{self.code}[{int(name)}]", _schema(self.schema.get("items")))
        properties = _schema(self.schema.get("properties"))
        needed = name in self.schema.get("required", ()) and not self.schema.get("optional")
        known = name in properties or self.schema.get("optional")
        own = {**_schema(properties.get(name)), **({} if needed or not known else {"optional": True})}
        plain = name.isidentifier() and not keyword.iskeyword(name) and name not in JINJA_WORDS
        if plain and not (name == "length" and name in properties):
            return Value(f"{self.code}.{name}", own)
        return Value(f"{self.code}[{quoted(name)}]", own)

    def item(self, code: str) -> Value:
        """One item of a list, or value of a mapping, by the name that a loop gives it."""
        if self.kind == "object":
            shared = [_schema(one) for one in _schema(self.schema.get("properties")).values()]
            return Value(code, shared[0] if shared and all(one == shared[0] for one in shared) else {})
        return Value(code, _schema(self.schema.get("items")))


@dataclass
class Loop:
    """A running `{{#each}}`; `key` is the name of a mapping's key, empty for a list."""

    item: str
    key: str
    saved: dict[str, str] = field(default_factory=dict)

    def counter(self, name: str, *, named: bool) -> str:
        """`@index`, `@first`, `@last` or `@key`; by a name of its own where a loop inside may ask for it."""
        if name == "key":
            if self.key:
                return self.key
            name = "index"
        code = f"loop.{COUNTERS[name]}"
        if not named:
            return code
        self.saved[f"{self.item}_{name}"] = code
        return f"{self.item}_{name}"


class LoopNames:
    """Names for what loops run over, and their counters, none that the template's own names begin with."""

    def __init__(self) -> None:
        self._given: set[str] = set()
        self._starts: set[str] = set()
        self._numbers: dict[str, int] = {}

    def avoid(self, words: Iterable[str]) -> None:
        """Names of the template's own, with what stands in them before an underscore."""
        for word in words:
            self._starts.update((word, *(word[:at] for at, char in enumerate(word) if char == "_")))

    def means(self, name: str) -> bool:
        """Whether a name means something in a template already: to Jinja, or as what a loop runs over."""
        return name in JINJA_WORDS or name in self._given

    def new(self, wanted: str) -> str:
        """A name like the wanted one."""
        plain = wanted.isidentifier() and wanted not in JINJA_WORDS
        name = base = (wanted.lstrip("_") if plain else "") or "item"
        while name in self._starts:
            self._numbers[base] = self._numbers.get(base, 1) + 1
            name = f"{base}_{self._numbers[base]}"
        self._given.add(name)
        self.avoid([name])
        return name


@dataclass(frozen=True)
class Scope:
    """A context: its value (None for all of the inputs), the one around it, and names that go before it."""

    value: Value | None
    around: Scope | None = None
    loop: Loop | None = None
    named: Mapping[str, Value] = field(default_factory=dict)
    given: Mapping[str, Value] = field(default_factory=dict)

    def block_name(self, name: str) -> Value | None:
        """What a block parameter of this name stands for, here or around."""
        scopes: Iterator[Scope] = self.outwards()
        return next((scope.named[name] for scope in scopes if name in scope.named), None)

    def outwards(self) -> Iterator[Scope]:
        """This context and those around it."""
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.around


def quoted(text: str) -> str:
    """A text as an expression of Jinja."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\r", "\\r")
    # Braces of a tag would end it where a dialect is respelled before it is parsed.
    return "'" + escaped.replace("}", "\\x7d").replace("{", "\\x7b").replace("%", "\\x25") + "'"


def _schema(value: Any) -> Schema:
    return value if isinstance(value, Mapping) else {}


def singular(code: str) -> str:
    """What one item of a list is called, by the list's name."""
    name = re.findall(r"\w+", code)[-1] if re.search(r"\w", code) else ""
    if name.endswith("ies") and len(name) > 4:
        return f"{name[:-3]}y"
    return name[:-1] if name.endswith("s") and not name.endswith("ss") and len(name) > 3 else "item"


def literal(value: object) -> Value:
    """A literal as an expression."""
    if isinstance(value, str):
        return Value(quoted(value), {"type": "string"})
    if value is None:
        return Value("none")
    return Value(str(value).lower() if isinstance(value, bool) else str(value))
