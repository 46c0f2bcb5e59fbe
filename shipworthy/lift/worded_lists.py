"""Fields and keys that a prompt lists: a line for each, or all in one sentence."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from .phrases import any_of, words
from .slots import python_name
from .worded_types import TEXT, Schema, choice, object_of, objects_of, type_of

MAX_KEYS_LENGTH = 1000
NEVER = re.compile(r"(?i)\b(?:do not|don['’]t|never|avoid|without)\b[^,.;:]{0,60}$")
NAMED_KEY = re.compile(
    r"(?s)(?:an? |the )?([\"'`]?)([^\W\d][\w-]*(?:[ ][^\W\d][\w-]*){0,2})\1"
    r"(?:\s*(?:\((.*)\)|[:=]\s*(.+)|(\[\])))?\s*"
)
KEYS_LEAD = re.compile(
    r"(?i)((?:\bjson\b|\bobje[ck]?ts?\b|\bobjeto\b|\bdict\w*)[^.\n:]{0,60}?"
    rf"(?:{any_of('keys')}|containing|contains|with)(?!\w)|"
    rf"(?<!\w){any_of('keys')}\s+(?:are|named|sind|sont|son)(?!\w))[ \t]*:?[ \t\n]*"
)
EXTRACT = re.compile(r"(?i)(?<!\w)(extract|extrahiere|extrais|extrae)\s+(?=\w)")
KEYS_START = re.compile(rf"(?i)^(?:(?:{any_of('fillers')}|{any_of('keys')}|exactly|only|\d)[ \t:]+)*")
KEYS_STOP = re.compile(r"(?<=[\w)`\"'])\.(?:\s|$)|\n\s*\n|\n(?=\s*[A-Z{<])|;")
KEYS_END = re.compile(
    r"(?is)\s+(?:zurück|aus|only|"
    r"(?:from|for|in|as|about|without|based|aus|als|à partir|de|and return|and put) .*)$"
)
PLACE = re.compile(r"\{\{?[\w .-]+\}?\}|\$\{?\w+\}?|<[\w -]+>|\[[A-Z][A-Z _-]+\]")
FIELD_LEAD = re.compile(
    r"(?i)json|\b(?:extract\w*|fields?|keys?|details|information|properties|attributes|columns|entities|"
    r"data points|"
    r"(?:return|provide|output|include|give|find|identify|report) (?:me )?(?:the |these )?following|"
    r"extrahier\w*|felder|schlüssel|extra(?:is|yez|ire)|champs|clés|extra(?:e|iga|er)|campos|claves)\b"
)
LABEL_LEAD = re.compile(
    r"(?i)\b(?:categor|labels?\b|class(?:es|ify)?\b|queues?\b|options?\b|rules?\b|guidelines?\b|steps?\b|"
    r"instructions?\b|notes?\b|criteria\b|requirements?\b|examples?:|kategorie|regeln)"
)
LINE = re.compile(
    r"(?P<indent>[ \t]*)(?P<mark>(?:[-*•+]|\d{1,2}[.)])[ \t]+)?"
    r"(?P<quote>\*\*`?|`|\"|')?"
    r"(?P<name>[^\W\d](?:[\w./&+'’]|-(?=\w)|[ ](?=[\w&(/])){0,48})(?P<inner>:)?"
    r"(?(quote)(?:`?\*\*|`|\"|'))"
    r"(?:[ \t]*\((?P<type>[^()\n]{1,120})\))?[ \t]*"
    r"(?:(?P<sep>:|=|[-–—](?=[ \t])|→|->)[ \t]*(?P<about>[^\n]*))?"
)


def fields_listed(text: str) -> tuple[dict[str, tuple[Schema, str]], str] | None:
    """Fields that a list describes, each with its type and words, and the line that leads to the list."""
    lines = text.split("\n")
    for index, line in enumerate(lines):
        if not FIELD_LEAD.search(line) or not re.search(r"[:.!)]\W*$|^#", line.strip()):
            continue
        items = _items(lines, index + 1)
        fields = re.search(r"(?i)json|extract|fields?\b|keys?\b", line)
        if len(items) < 2 or NEVER.search(line) or (LABEL_LEAD.search(line) and not fields):
            continue
        if all(_names_a_field(item) for item in items):
            return {item.field_name: (_described(item), item.about) for item in items}, line
    return None


def keys_listed(text: str) -> tuple[dict[str, Schema], str] | None:
    """Keys that a sentence lists, as in `return JSON with keys a, b (integer) and c`."""
    for pattern in (KEYS_LEAD, EXTRACT) if re.search(r"(?i)\bjson\b", text) else (KEYS_LEAD,):
        for found in pattern.finditer(text):
            before = text[text.rfind("\n", 0, found.start()) + 1 : found.start()]
            inside = KEYS_STOP.split(text[found.end() : found.end() + MAX_KEYS_LENGTH], maxsplit=1)[0].strip()
            inside = KEYS_END.sub("", KEYS_START.sub("", inside))
            keys = None if NEVER.search(before) else _keys(inside)
            if keys:
                many = re.search(r"(?i)\b(?:array|list)s? of\b", found[1])
                return {"answer": objects_of(keys)} if many else keys, f"{found[1]} {inside}".strip()
    braced = re.search(r"(?i)\bjson\b[^\n{]{0,60}\{\{?(?P<inside>[\w\s,()`\"'/-]+)\}?\}", text)
    schema = object_of(braced["inside"]) if braced and "," in braced["inside"] else None
    return (dict(schema["properties"]), braced[0]) if braced and schema else None


def block_after(text: str, at: int) -> list[str]:
    """Names of the items of the list that starts below an offset, or none."""
    items = _items(_lines(text), text.count("\n", 0, at) + 1)
    return [item.name for item in items] if all(item.marked for item in items) else []


@lru_cache(maxsize=4)
def _lines(text: str) -> list[str]:
    return text.split("\n")


def _keys(inside: str) -> dict[str, Schema] | None:
    parts = re.split(
        rf"\s*,\s*(?![^()\[\]]*[)\]])(?:{any_of('also')}\s+)?|\s+{any_of('also')}\s+(?![^()]*\))",
        inside.strip(),
    )
    found: dict[str, Schema] = {}
    for part in parts:
        key = NAMED_KEY.fullmatch(part.strip(" ."))
        if key is None:
            return None
        name = python_name(key[2])
        about = key[3] or key[4] or ("list" if key[5] else "")
        found[name] = type_of(about, name=name) or TEXT
    quoted = re.search(r"[`\"'_(]", inside) is not None
    return found if len(found) > 1 or (found and quoted) else None


def _items(lines: Sequence[str], start: int) -> list[_Item]:
    """The items of the list that starts at a line, or one blank line below it."""
    if start < len(lines) and not lines[start].strip():
        start += 1
    items: list[_Item] = []
    indent = None
    for line in lines[start:]:
        found = LINE.fullmatch(line.rstrip(" \t\r,"))
        depth = len(line) - len(line.lstrip())
        if items and indent is not None and depth > indent and line.strip():
            items[-1].inner.append(re.sub(r"^(?:[-*•+]|\d{1,2}[.)])\s+", "", line.strip()))
            continue
        if found is None or not (found["mark"] or found["sep"]):
            break
        indent = depth if indent is None else indent
        kind = f"({found['type']})" if found["type"] else ""
        about = " ".join(part for part in (kind, found["about"] or "") if part).strip()
        key = (found["quote"] or "").strip("*") != ""
        items.append(_Item(found["name"].strip().rstrip(":"), about, bool(found["mark"]), key))
    return items


def _names_a_field(item: _Item) -> bool:
    """Whether a name is short enough; what has an input behind it is given, not asked for."""
    if PLACE.fullmatch(item.about):
        return False
    size = len(re.split(r"[\s_-]+", item.name))
    return size <= 4 if item.about else item.marked and size <= 3


def _described(item: _Item) -> Schema:
    """The type of a field by its description; labels may stand in the lines below it."""
    if item.inner and words("one_of").search(item.about):
        labels = [found["name"].strip() for found in map(LINE.fullmatch, item.inner) if found]
        if len(labels) == len(item.inner) > 1:
            return choice(labels, name=item.field_name)
    plain = item.about[1:-1] if re.fullmatch(r"\([^()]*\)", item.about) else item.about
    return type_of(plain, name=item.field_name) or TEXT


@dataclass(frozen=True)
class _Item:
    """One line of a list: its name, what stands behind it, whether it is marked as an item or as a key."""

    name: str
    about: str
    marked: bool
    is_key: bool
    inner: list[str] = field(default_factory=list)

    @property
    def field_name(self) -> str:
        """A key as it is, a word that only starts its line in small letters."""
        return python_name(self.name if self.is_key or not self.name.istitle() else self.name.lower())
