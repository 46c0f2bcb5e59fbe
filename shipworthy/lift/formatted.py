"""Templates whose slots may say how a value is written: `{price:.2f}`, `{name!r}`, `%d`.

`parse_format` takes apart what Python's `str.format` fills, f-strings of LangChain
included; other languages come as parts that their reader has made.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..errors import RowInputError
from .line_numbers import Lines
from .pieces import Piece, Slot
from .plain_template import check_values, shown

MAX_SLOT_WORDS = 4
BRACE = re.compile(r"[{}]")
SLOT = re.compile(r"\{([^{}!:\n]*)(?:!([rsa]))?(?::([^{}\n]*))?\}")
NUMBER = re.compile(r"[^%]*[eEfFgG%]")
INTEGER = re.compile(r".*[bcdoxX]")
CONVERSIONS: Mapping[str, Callable[[Any], str]] = {"r": repr, "a": ascii, "s": str}
WIDE = re.compile(r"\d{4,}")


@dataclass(frozen=True)
class FormatSlot(Slot):
    """A slot with Python's format specification and conversion of its value."""

    spec: str = ""
    conversion: str = ""


@dataclass(frozen=True)
class FormatTemplate:
    """Text and slots; literal braces and the like are in the pieces as they are rendered."""

    text: str
    parts: tuple[Piece, ...]
    inputs: Mapping[str, Mapping[str, Any]] = field(init=False)

    def __post_init__(self) -> None:
        found: dict[str, dict[str, Any]] = {}
        for piece in self.parts:
            if isinstance(piece, Slot):
                stated = schema_of_spec(piece.spec) if isinstance(piece, FormatSlot) else {}
                found[piece.name] = found.get(piece.name) or stated
        object.__setattr__(self, "inputs", found)

    def pieces(self) -> tuple[Piece, ...]:
        """Text and slots in order."""
        return self.parts

    def render(self, values: Mapping[str, Any]) -> str:
        """The text of one row; values are data, whatever braces they hold.

        Raises:
            RowInputError: a slot has no value, or one that its format does not fit.
        """
        check_values(self.inputs, values)
        return "".join(
            _written(values[piece.name], piece) if isinstance(piece, Slot) else piece for piece in self.parts
        )


@dataclass(frozen=True)
class Key:
    """A slot as `str.format` spells it: what it asks for, and how that is to be written."""

    key: str
    spelling: str
    spec: str = ""
    conversion: str = ""


@dataclass
class Parsed:
    """A format string taken apart, and what of it was left as text: its spelling, line and why."""

    parts: list[str | Key] = field(default_factory=list)
    told: list[tuple[str, int, str]] = field(default_factory=list)

    def named(self, name: Callable[[str], str]) -> tuple[Piece, ...]:
        """Pieces, each key named by a function."""
        return tuple(
            part
            if isinstance(part, str)
            else FormatSlot(name(part.key), part.spelling, part.spec, part.conversion)
            for part in self.parts
        )


def parse_format(text: str) -> Parsed:
    """A format string as text and keys; `{{` and `}}` are literal braces.

    A brace that opens no slot stays text and is told, where Python would refuse the whole:
    it is most often JSON that somebody forgot to escape.
    """
    found = Parsed()
    lines = Lines(text)
    literal: list[str] = []
    at = 0

    def tell(spelling: str, why: str) -> None:
        found.told.append((spelling, lines.number(at), why))

    while at < len(text):
        brace = BRACE.search(text, at)
        if brace is None:
            literal.append(text[at:])
            break
        literal.append(text[at : brace.start()])
        at = brace.start()
        match = SLOT.match(text, at)
        if text[at : at + 2] in ("{{", "}}"):
            literal.append(text[at])
            at += 2
        elif match and is_key(match[1]):
            spec = match[3] or ""
            if WIDE.search(spec):
                tell(match[0], "a width of over 999 characters is not kept")
                spec = ""
            found.parts += [*_joined(literal), Key(match[1].strip(), match[0], spec, match[2] or "")]
            literal = []
            at = match.end()
        else:
            line = text[at : at + 40].split("\n")[0]
            tell(match[0] if match else line, "a brace that opens no slot stays text; double it to say so")
            literal.append(text[at])
            at += 1
    found.parts += _joined(literal)
    return found


def is_key(key: str) -> bool:
    """Whether the words in braces can be what a slot asks for."""
    key = key.strip()
    if re.fullmatch(r"\d*", key):
        return True
    return (
        bool(re.match(r"[^\W\d]", key)) and len(key.split()) <= MAX_SLOT_WORDS and not re.search("[,;]", key)
    )


def schema_of_spec(spec: str) -> dict[str, Any]:
    """What a format specification shows of a value's type."""
    if re.search(r"%[HIMS]", spec):
        return {"type": "string", "format": "date-time"}
    if re.search(r"%[YmdBbAaj]", spec):
        return {"type": "string", "format": "date"}
    if NUMBER.fullmatch(spec):
        return {"type": "number"}
    return {"type": "integer"} if INTEGER.fullmatch(spec) else {}


def escape_braces(text: str) -> str:
    """Text that a format string shows as it is."""
    return text.replace("{", "{{").replace("}", "}}")


def _joined(literal: Sequence[str]) -> list[str | Key]:
    text = "".join(literal)
    return [text] if text else []


def _written(value: Any, slot: Slot) -> str:
    if not isinstance(slot, FormatSlot) or not (slot.spec or slot.conversion):
        return shown(value)
    if slot.conversion:
        value = CONVERSIONS[slot.conversion](value)
    try:
        return format(_typed(value, schema_of_spec(slot.spec)), slot.spec)
    except (ValueError, TypeError, OverflowError) as error:
        raise RowInputError(
            f"{value!r} cannot be written as {slot.spelling}: {error}",
            hint="give a value of the type that the prompt's format asks for",
            where=f"column {slot.name!r}",
        ) from error


def _typed(value: Any, schema: Mapping[str, Any]) -> Any:
    """A value that came as text, with the type that its format asks for."""
    if not isinstance(value, str) or not schema:
        return value
    if schema["type"] == "string":
        return datetime.fromisoformat(value)
    return float(value) if schema["type"] == "number" else int(value)
