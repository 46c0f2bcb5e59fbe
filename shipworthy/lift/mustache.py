"""Mustache, as LangChain knows it, written as Jinja.

Variables become variables. Whether a section is a condition, a loop or a step into an
object is decided by its data in Mustache, and by its template here: what is read how is told.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..errors import PrototypeError
from .jinja_checks import check_size
from .line_numbers import Lines

TAG = re.compile(r"\{\{\{\s*([^{}]*?)\s*\}\}\}|\{\{\s*([#^/&!>=]?)\s*([^{}]*?)\s*=?\}\}", re.DOTALL)
NAME = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*")
TRUTH = ("is_", "has_", "needs_", "should_", "can_", "was_", "must_", "no_", "use_", "show_", "include_")


@dataclass
class Section:
    """A section with what it holds; the whole template is one without a name."""

    name: str = ""
    inverted: bool = False
    line: int = 1
    body: list[str | Variable | Section] = field(default_factory=list)

    def variables(self) -> Iterable[str]:
        """Names used directly or within, sections' own included."""
        for part in self.body:
            if isinstance(part, Variable):
                yield part.name
            elif isinstance(part, Section):
                yield part.name
                yield from part.variables()


@dataclass(frozen=True)
class Variable:
    """A place that a value fills."""

    name: str


@dataclass(frozen=True)
class Translated:
    """The Jinja template; `told` holds what was read how: its spelling, line and the reading."""

    jinja: str
    told: tuple[tuple[str, int, str], ...]
    has_sections: bool


def to_jinja(text: str, *, known: Iterable[str] = (), where: str) -> Translated:
    """A Mustache template as Jinja.

    Args:
        text: the template.
        known: names that the prompt states as inputs of its own.
        where: the template's place, for errors.

    Raises:
        PrototypeError: a section is not closed, or closed without being open; a tag is a partial,
            another delimiter, or none.
    """
    whole = parse_mustache(text, where)
    told: list[tuple[str, int, str]] = []
    outside = {part.name for part in whole.body if isinstance(part, Variable)} | set(known)
    jinja = _jinja(whole, "", outside, told)
    return Translated(jinja, tuple(told), any(isinstance(part, Section) for part in whole.body))


def parse_mustache(text: str, where: str) -> Section:
    """The template as a tree of text, variables and sections.

    Raises:
        PrototypeError: as `to_jinja`.
    """
    check_size(text, where)
    lines = Lines(text)
    open_ones = [Section()]
    at = 0
    for match in TAG.finditer(text):
        start, end = match.span()
        kind, name = ("&", match[1]) if match[1] is not None else (match[2], match[3])
        line = lines.number(start)
        place = f"{where}, line {line}"
        if kind in ("#", "^", "/", "!"):
            start, end = _standalone(text, start, end)
        if start > at:
            open_ones[-1].body.append(text[at:start])
        at = max(end, at)
        if kind in (">", "="):
            what = "a partial is another file" if kind == ">" else "other delimiters are not read"
            raise PrototypeError(f"{match[0]}: {what}", hint="write the template out", where=place)
        if kind != "!" and name != "." and not NAME.fullmatch(name):
            raise PrototypeError(f"{match[0]} names no value", hint="correct the tag", where=place)
        if kind in ("#", "^"):
            section = Section(name, kind == "^", line)
            open_ones[-1].body.append(section)
            open_ones.append(section)
        elif kind == "/":
            if open_ones[-1].name != name or len(open_ones) == 1:
                raise PrototypeError(f"{match[0]} closes nothing", hint="open it before", where=place)
            open_ones.pop()
        elif kind != "!":
            open_ones[-1].body.append(Variable(name))
    if len(open_ones) > 1:
        last = open_ones[-1]
        raise PrototypeError(
            f"the section {last.name!r} is not closed",
            hint=f"add {{{{/{last.name}}}}}",
            where=f"{where}, line {last.line}",
        )
    open_ones[0].body.append(text[at:])
    return open_ones[0]


def _standalone(text: str, start: int, end: int) -> tuple[int, int]:
    """The bounds of a tag's whole line where it stands alone on it."""
    first = text.rfind("\n", 0, start) + 1
    last = text.find("\n", end)
    stop = len(text) if last < 0 else last + 1
    alone = not text[first:start].strip() and not text[end:stop].strip()
    return (first, stop) if alone else (start, end)


def _jinja(
    section: Section, item: str, outside: set[str], told: list[tuple[str, int, str]], depth: int = 0
) -> str:
    """A section's body; `item` is the loop variable that names within refer to, or empty."""
    written = []
    for part in section.body:
        if isinstance(part, str):
            written.append(raw(part))
        elif isinstance(part, Variable):
            written.append("{{ " + _value(part.name, item, outside) + " }}")
        else:
            written.append(_section(part, item, outside, told, depth))
    return "".join(written)


def _section(
    section: Section, item: str, outside: set[str], told: list[tuple[str, int, str]], depth: int
) -> str:
    value = _value(section.name, item, outside)
    if section.inverted:
        return f"{{% if not {value} %}}{_jinja(section, item, outside, told, depth)}{{% endif %}}"
    own = [name for name in section.variables() if name == "." or name.split(".")[0] not in outside]
    own = [name for name in own if name.split(".")[0] != section.name.split(".")[0]]
    tag = f"{{{{#{section.name}}}}}"
    if own and not section.name.startswith(TRUTH):
        told.append((tag, section.line, "read as a loop over a list; Mustache lets the data decide"))
        inner = "item" if not depth else f"item_{depth + 1}"
        body = _jinja(section, inner, outside, told, depth + 1)
        return f"{{% for {inner} in {value} %}}{body}{{% endfor %}}"
    told.append((tag, section.line, "read as a condition; Mustache lets the data decide"))
    body = _jinja(section, item, outside | set(own) | {section.name}, told, depth)
    return f"{{% if {value} %}}{body}{{% endif %}}"


def _value(name: str, item: str, outside: set[str]) -> str:
    if name == ".":
        return item or "text"
    return f"{item}.{name}" if item and name.split(".")[0] not in outside else name


def raw(text: str) -> str:
    """Text that Jinja shows as it is."""
    if not re.search(r"\{[{%#]|[%#}]\}|\{$", text):
        return text
    return "{% raw %}" + text.replace("endraw", "{% endraw %}endraw{% raw %}") + "{% endraw %}"
