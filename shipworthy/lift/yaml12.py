"""YAML 1.2, read as data only: `Yes` is a string, nothing is built, and every value has a line.

PyYAML's parser says where each node stands; its resolver and constructors, which follow
YAML 1.1, are not used. What a plain scalar means is the core schema of YAML 1.2.2
(section 10.3.2). Values are those of JSON: keys are their text, `.inf` and `.nan` stay text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from ..errors import PrototypeError

Path = tuple[str | int, ...]
MAX_DEPTH = 100
MAX_ALIASED = 1_000_000
MAX_VALUES = 100_000

TAG = "tag:yaml.org,2002:"
NULL = re.compile(r"null|Null|NULL|~|")
BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
# Longer runs of digits are numbers to nobody, and quadratic to convert.
INT = re.compile(r"[-+]?[0-9]{1,300}")
OCTAL = re.compile(r"0o[0-7]{1,300}")
HEX = re.compile(r"0x[0-9a-fA-F]{1,300}")
NO_TEXT = "~nNtTfF-+.0123456789"
"""How what is no text may begin."""
FLOAT = re.compile(r"[-+]?(?:\.[0-9]{1,300}|[0-9]{1,300}(?:\.[0-9]{0,300})?)(?:[eE][-+]?[0-9]{1,300})?")
# Line breaks of YAML 1.1 that are ordinary characters in 1.2: private characters stand in meanwhile.
FORMER_BREAKS = (0x85, 0x2028, 0x2029)
PRIVATE = range(0xE000, 0xF900)


@dataclass(frozen=True)
class Document:
    """A document's value and the place of each of its nodes.

    Attributes:
        value: dict, list, str, int, float, bool or None; None where there is no document.
        lines: from 1, by path of keys and indices; a mapping's entry stands at its key.
    """

    value: Any
    where: str
    lines: Mapping[Path, int]

    def line(self, *path: str | int) -> int:
        """The line of a path, or of the nearest part above it that the document has."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def at(self, *path: str | int) -> str:
        """`file:line` of a path."""
        return f"{self.where}:{self.line(*path)}"


def load_yaml(text: str, *, where: str) -> Any:
    """The value of one YAML document.

    Raises:
        PrototypeError: as `read_yaml`.
    """
    return read_yaml(text, where=where).value


def read_yaml(text: str, *, where: str, first_line: int = 1) -> Document:
    """One YAML document with its lines.

    Args:
        text: of at most one document.
        where: the file, for errors.
        first_line: the line of the file at which `text` begins.

    Raises:
        PrototypeError: it does not parse; a key stands twice or is no scalar; a tag would build an
            object; aliases expand to over a million characters or contain themselves; nodes lie over
            100 deep; there are over 100,000 of them; a second document follows. `where` holds line and
            column, both from 1.
    """
    import yaml

    loader = getattr(yaml, "CLoader", yaml.Loader)
    breaks = [code for code in FORMER_BREAKS if chr(code) in text]
    stand_ins = dict(zip(breaks, (code for code in PRIVATE if chr(code) not in text), strict=False))
    builder = _Builder(where, first_line, {stand_in: former for former, stand_in in stand_ins.items()})
    parsed = text.translate(stand_ins) if stand_ins else text
    try:
        builder.read(yaml.parse(parsed, Loader=loader))
    except yaml.reader.ReaderError as error:
        raise _not_yaml(error.reason, builder.place(*_position(parsed, error))) from error
    except yaml.MarkedYAMLError as error:
        raise _not_yaml(error.problem or "", builder.place(*_within(parsed, error.problem_mark))) from error
    return Document(builder.value, where, builder.lines)


@dataclass
class _Builder:
    where: str
    first_line: int
    former_breaks: Mapping[int, int]
    value: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    anchors: dict[str, tuple[Any, int]] = field(default_factory=dict)
    open: list[str] = field(default_factory=list)
    size: int = 0
    aliased: int = 0
    events: Iterator[Any] = field(default_factory=lambda: iter(()))

    def read(self, events: Iterator[Any]) -> None:
        """The stream's first document; a second one is refused."""
        self.events = events
        next(events)
        if not _is(event := next(events), "DocumentStartEvent"):
            return
        self.value = self.node(next(events), ())
        next(events)
        if _is(event := next(events), "DocumentStartEvent"):
            raise self.refused(event, "a second document begins here", "keep one document in a file")

    def node(self, event: Any, path: Path) -> Any:
        if len(self.lines) > MAX_VALUES:
            hint = "keep rows in a file of their own, as CSV or JSON lines"
            raise self.refused(event, f"over {MAX_VALUES:,} values", hint)
        if len(path) > MAX_DEPTH:
            raise self.refused(event, f"nested over {MAX_DEPTH} deep", "write it flatter")
        self.lines.setdefault(path, self.first_line + event.start_mark.line)
        if _is(event, "AliasEvent"):
            return self.alias(event)
        before = self.size
        if event.anchor:
            self.open.append(event.anchor)
        self.size += 1
        if _is(event, "ScalarEvent"):
            value = self.scalar(event)
        elif _is(event, "SequenceStartEvent"):
            self.known_tag(event, "seq")
            value = self.sequence(path)
        else:
            self.known_tag(event, "map")
            value = self.mapping(path)
        if event.anchor:
            self.open.remove(event.anchor)
            self.anchors[event.anchor] = (value, self.size - before)
        return value

    def alias(self, event: Any) -> Any:
        if event.anchor in self.open:
            raise self.refused(event, f"*{event.anchor} contains itself", "write the value out")
        if event.anchor not in self.anchors:
            raise self.refused(event, f"*{event.anchor} has no anchor", f"add &{event.anchor} before it")
        value, size = self.anchors[event.anchor]
        self.size += size
        self.aliased += size
        if self.aliased > MAX_ALIASED:
            raise self.refused(event, "the aliases expand to over a million characters", "write less")
        return value

    def scalar(self, event: Any) -> Any:
        text = self.text(event)
        self.size += len(text)
        if event.tag is None:
            return plain_value(text) if event.implicit[0] else text
        kind = event.tag.removeprefix(TAG)
        if event.tag == "!" or kind == "str":
            return text
        value = plain_value(text)
        if kind == "float" and type(value) is int:
            value = float(value)
        if kind not in KINDS:
            raise self.tag(event)
        if type(value) is not KINDS[kind]:
            raise self.refused(event, f"{text!r} is no {kind}", "correct the value or leave the tag out")
        return value

    def text(self, event: Any) -> str:
        return str(event.value.translate(self.former_breaks) if self.former_breaks else event.value)

    def sequence(self, path: Path) -> list[Any]:
        values: list[Any] = []
        while not _is(event := next(self.events), "SequenceEndEvent"):
            values.append(self.node(event, (*path, len(values))))
        return values

    def mapping(self, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        while not _is(event := next(self.events), "MappingEndEvent"):
            if not _is(event, "ScalarEvent"):
                raise self.refused(event, "a key that is no text", "put {{…}} and the like in quotes")
            self.scalar(event)
            key = self.text(event)
            if key in found or (key == "<<" and merged):
                raise self.refused(event, f"the key {key!r} stands twice", "keep one of them")
            inner = (*path, key)
            self.lines[inner] = self.first_line + event.start_mark.line
            value = self.node(next(self.events), inner)
            if key == "<<" and event.implicit[0]:
                merged = self.merge(event, value)
            else:
                found[key] = value
        return {**merged, **found}

    def merge(self, event: Any, value: Any) -> dict[str, Any]:
        sources = value if isinstance(value, list) else [value]
        if not all(isinstance(source, dict) for source in sources):
            raise self.refused(event, "<< merges what is no mapping", "name a mapping's alias")
        return {key: item for source in reversed(sources) for key, item in source.items()}

    def known_tag(self, event: Any, kind: str) -> None:
        if event.tag not in (None, "!", TAG + kind):
            raise self.tag(event)

    def tag(self, event: Any) -> PrototypeError:
        name = event.tag.replace(TAG, "!!")
        return self.refused(event, f"the tag {name} would build an object", "write the value as plain YAML")

    def refused(self, event: Any, message: str, hint: str) -> PrototypeError:
        mark = event.start_mark
        return PrototypeError(message, hint=hint, where=self.place(mark.line, mark.column))

    def place(self, line: int, column: int) -> str:
        return f"{self.where}:{self.first_line + line}:{column + 1}"


KINDS: Mapping[str, type] = {"int": int, "float": float, "bool": bool, "null": type(None)}


def plain_value(text: str) -> Any:
    """What an unquoted scalar means in YAML 1.2."""
    if text and text[0] not in NO_TEXT:
        return text
    if NULL.fullmatch(text):
        return None
    if BOOL.fullmatch(text):
        return text.lower() == "true"
    if INT.fullmatch(text):
        return int(text)
    if OCTAL.fullmatch(text):
        return int(text[2:], 8)
    if HEX.fullmatch(text):
        return int(text[2:], 16)
    if FLOAT.fullmatch(text) and isfinite(number := float(text)):
        return number
    return text


def _is(event: Any, kind: str) -> bool:
    return bool(type(event).__name__ == kind)


def _within(text: str, mark: Any) -> tuple[int, int]:
    """Line and column, from 0, of a mark; the text's end where the mark lies behind it."""
    lines = text.rstrip().split("\n")
    if mark.line < len(lines):
        return mark.line, mark.column
    return len(lines) - 1, len(lines[-1])


def _position(text: str, error: Any) -> tuple[int, int]:
    """Line and column, from 0, of a character that the parser's reader refuses."""
    at = max(text.find(chr(error.character)) if isinstance(error.character, int) else 0, 0)
    return text.count("\n", 0, at), at - text.rfind("\n", 0, at) - 1


def _not_yaml(problem: str, place: str) -> PrototypeError:
    return PrototypeError(
        f"this is no valid YAML: {problem}",
        hint="correct the line; text with ': ' or {{…}} at its start needs quotes",
        where=place,
    )
