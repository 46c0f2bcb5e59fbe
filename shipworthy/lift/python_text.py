"""Texts and values that stand in Python source, with what only a run can know as holes.

A text is followed through constants, f-strings, `+`, `%`, `.format`, `.join`, `dedent` and the
names that a function gives its texts; nothing is run.
"""

from __future__ import annotations

import ast
import re
import string
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from inspect import cleandoc
from typing import Any

from .python_syntax import Module, Scope, dotted, keywords

PERCENT = re.compile(r"%(?:\((?P<name>\w+)\))?[-+ #0]*\d*(?:\.\d+)?(?P<kind>[sdrfgi%])")
DOLLAR = re.compile(r"\$(?:\$|(?P<name>[A-Za-z_]\w*)|\{(?P<braced>[A-Za-z_]\w*)\})")
TRIMMED = {"strip": str.strip, "lstrip": str.lstrip, "rstrip": str.rstrip}
LAID_OUT = {"dedent": textwrap.dedent, "cleandoc": cleandoc}
MAX_DEPTH = 60
MAX_EXPRESSIONS = 20_000
"""Names that stand for sums of each other can double at every step: past this a text is not known."""


class _Unknown:
    """What cannot be known without running the program."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = _Unknown()


@dataclass(frozen=True)
class Hole:
    """A part of a text that the running program fills.

    Attributes:
        node: the expression, names followed.
        name: the key that the text has for it, or empty.
        said: the dotted name that the source has in its place, or empty.
        spec: Python's format specification.
        conversion: `r`, `s` or `a`, or empty.
    """

    node: ast.expr
    name: str = ""
    said: str = ""
    spec: str = ""
    conversion: str = ""

    @property
    def spelling(self) -> str:
        """The expression as source."""
        return ast.unparse(self.node)


Part = str | Hole


def text_of(
    module: Module,
    node: ast.expr,
    scope: Scope | None = None,
    *,
    made: Mapping[int, Sequence[Part]] | None = None,
) -> tuple[Part, ...] | None:
    """The parts of a text, neighbours joined; None where nothing shows that it is one.

    `scope` gives names their expressions, as `in_order` yields them; the module's constants stand behind it.
    `made` has the texts that calls of the prototype's own functions give, by `id` of the call's node.
    """
    parts = _Reading(module, scope or {}, made or {}).text(node, 0)
    return None if parts is None else joined(parts)


def value_of(module: Module, node: ast.expr, scope: Scope | None = None) -> Any:
    """A literal value, through constants and whole texts, or `UNKNOWN` where a part of it is."""
    return _Reading(module, scope or {}).value(node, 0)


def resolved(module: Module, node: ast.expr, scope: Scope | None = None) -> ast.expr:
    """What a name was given, followed to the end; the node itself where it is no such name."""
    return _Reading(module, scope or {}).resolved(node)


def joined(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Neighbouring texts as one; empty ones gone."""
    found: list[Part] = []
    for part in parts:
        if isinstance(part, str) and found and isinstance(found[-1], str):
            found[-1] += part
        elif part != "":
            found.append(part)
    return tuple(found)


def taken_apart(parts: Iterable[Part], pattern: re.Pattern[str]) -> Iterator[Part | re.Match[str]]:
    """Parts of a text, with the matches of a pattern where they stand."""
    for part in parts:
        if isinstance(part, Hole):
            yield part
            continue
        end = 0
        for match in pattern.finditer(part):
            yield part[end : match.start()]
            yield match
            end = match.end()
        yield part[end:]


class _Reading:
    """Texts and values of one module, under the names of one scope."""

    def __init__(
        self, module: Module, scope: Scope, made: Mapping[int, Sequence[Part]] | None = None
    ) -> None:
        self.module = module
        self.scope = scope
        self.made = made or {}
        self.left = MAX_EXPRESSIONS

    def resolved(self, node: ast.expr) -> ast.expr:
        seen: set[str] = set()
        while True:
            name = dotted(node)
            if not name or name in seen:
                return node
            seen.add(name)
            if name in self.scope:
                node = self.scope[name]
            elif name in self.module.constants:
                node = self.module.constants[name]
            else:
                return node

    def text(self, node: ast.expr, depth: int) -> list[Part] | None:
        self.left -= 1
        if depth > MAX_DEPTH or self.left < 0:
            return None
        if isinstance(node, ast.Constant):
            return [node.value] if isinstance(node.value, str) else None
        if isinstance(node, ast.JoinedStr):
            return self._f_string(node, depth)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return self._sum(node, depth)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
            return self._percent(node, depth)
        if isinstance(node, ast.Call):
            return self._call(node, depth)
        found = self.resolved(node)
        return None if found is node else self.text(found, depth + 1)

    def parts(
        self, node: ast.expr, depth: int, name: str = "", spec: str = "", conversion: str = ""
    ) -> list[Part]:
        """A text's parts, or one hole."""
        found = self.text(node, depth + 1)
        if found is not None:
            return found
        said = dotted(node) if "(" not in dotted(node) else ""
        if isinstance(node, ast.Name | ast.Attribute):
            name = name or dotted(node).rpartition(".")[2]
        node = self.resolved(node)
        value = node.value if isinstance(node, ast.Constant) else None
        plain = isinstance(value, int | float) and not isinstance(value, bool)
        return [str(value)] if plain else [Hole(node, name, said, spec, conversion)]

    def value(self, node: ast.expr, depth: int) -> Any:
        self.left -= 1
        if depth > MAX_DEPTH or self.left < 0:
            return UNKNOWN
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.List | ast.Tuple | ast.Set):
            items = [self.value(item, depth + 1) for item in node.elts]
            return UNKNOWN if UNKNOWN in items else items
        if isinstance(node, ast.Dict):
            keys = [UNKNOWN if key is None else self.value(key, depth + 1) for key in node.keys]
            values = [self.value(item, depth + 1) for item in node.values]
            known = UNKNOWN not in values and all(isinstance(key, str | int | float) for key in keys)
            return dict(zip(keys, values, strict=True)) if known else UNKNOWN
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            inner = self.value(node.operand, depth + 1)
            return -inner if isinstance(inner, int | float) else UNKNOWN
        parts = self.text(node, depth + 1)
        if parts is not None:
            return "".join(str(part) for part in parts) if _all_text(parts) else UNKNOWN
        found = self.resolved(node)
        return UNKNOWN if found is node else self.value(found, depth + 1)

    def _f_string(self, node: ast.JoinedStr, depth: int) -> list[Part]:
        found: list[Part] = []
        for value in node.values:
            if isinstance(value, ast.FormattedValue):
                spec = value.format_spec
                words = spec.values if isinstance(spec, ast.JoinedStr) else []
                written = "".join(str(one.value) for one in words if isinstance(one, ast.Constant))
                conversion = "" if value.conversion < 0 else chr(value.conversion)
                found += self.parts(value.value, depth, "", written, conversion)
            else:
                found += self.parts(value, depth)
        return found

    def _sum(self, node: ast.BinOp, depth: int) -> list[Part] | None:
        sums = [node]
        while isinstance(left := sums[-1].left, ast.BinOp) and isinstance(left.op, ast.Add):
            sums.append(left)
        found = self.text(sums[-1].left, depth + 1)
        for one in reversed(sums):
            right = self.text(one.right, depth + 1)
            if found is None and right is None:
                continue
            found = self.parts(one.left, depth) if found is None else found
            found += self.parts(one.right, depth) if right is None else right
        return found

    def _percent(self, node: ast.BinOp, depth: int) -> list[Part] | None:
        left = self.text(node.left, depth + 1)
        if left is None:
            return None
        right = self.resolved(node.right)
        given = list(right.elts) if isinstance(right, ast.Tuple) else [right]
        named = _by_key(right) if isinstance(right, ast.Dict) else {}
        found: list[Part] = []
        for part in taken_apart(left, PERCENT):
            if not isinstance(part, re.Match):
                found.append(part)
            elif part["kind"] == "%":
                found.append("%")
            elif part["name"]:
                own = named.get(part["name"], ast.Name(part["name"]))
                found += self.parts(own, depth, part["name"], *_of_percent(part))
            elif given:
                found += self.parts(given.pop(0), depth, "", *_of_percent(part))
        return found

    def _call(self, node: ast.Call, depth: int) -> list[Part] | None:
        if id(node) in self.made:
            return list(self.made[id(node)])
        name = node.func.attr if isinstance(node.func, ast.Attribute) else dotted(node.func)
        if name in LAID_OUT and node.args:
            return _laid_out(self.text(node.args[0], depth + 1), LAID_OUT[name])
        if name == "str" and node.args:
            return self.parts(node.args[0], depth)
        if not isinstance(node.func, ast.Attribute):
            return None
        if name in ("substitute", "safe_substitute"):
            return self._substituted(node, depth)
        base = self.text(node.func.value, depth + 1)
        if base is None:
            return None
        if name == "replace" and len(node.args) == 2:
            return self._replaced(base, node, depth)
        if name in TRIMMED and not node.args:
            return _laid_out(base, TRIMMED[name])
        if name == "format":
            return self._format(base, node, depth)
        if name == "join" and len(node.args) == 1:
            return self._join(base, self.resolved(node.args[0]), depth)
        return None

    def _format(self, base: list[Part], node: ast.Call, depth: int) -> list[Part] | None:
        named = keywords(node)
        for word in node.keywords:
            spread = self.resolved(word.value) if word.arg is None else None
            if isinstance(spread, ast.Dict):
                named = {**_by_key(spread), **named}
        given = list(node.args)
        found: list[Part] = []
        turn = 0
        for part in base:
            if isinstance(part, Hole):
                found.append(part)
                continue
            try:
                pieces = list(string.Formatter().parse(part))
            except ValueError:
                return None
            for text, slot, spec, conversion in pieces:
                written = (spec or "" if "{" not in (spec or "") else "", conversion or "")
                found.append(text)
                if slot is None:
                    continue
                key = re.split(r"[.\[]", slot, maxsplit=1)[0]
                if not key:
                    key, turn = str(turn), turn + 1
                number = int(key) if key.isdigit() else None
                if number is not None:
                    known = number < len(given)
                    found += self.parts(given[number], depth, "", *written) if known else ["{" + slot + "}"]
                else:
                    found += self.parts(named.get(key, ast.Name(key)), depth, key, *written)
        return found

    def _substituted(self, node: ast.Call, depth: int) -> list[Part] | None:
        """`string.Template`, filled."""
        made = self.resolved(node.func.value) if isinstance(node.func, ast.Attribute) else node
        if not (isinstance(made, ast.Call) and made.args and dotted(made.func).endswith("Template")):
            return None
        base = self.text(made.args[0], depth + 1)
        named = keywords(node)
        for given in [*node.args, *(word.value for word in node.keywords if word.arg is None)]:
            spread = self.resolved(given)
            named = {**(_by_key(spread) if isinstance(spread, ast.Dict) else {}), **named}
        found: list[Part] = []
        for part in taken_apart(base or (), DOLLAR):
            if isinstance(part, re.Match):
                key = part["name"] or part["braced"]
                found += self.parts(named.get(key, ast.Name(key)), depth, key) if key else ["$"]
            else:
                found.append(part)
        return None if base is None else found

    def _replaced(self, base: list[Part], node: ast.Call, depth: int) -> list[Part] | None:
        """`text.replace("[NAME]", value)`."""
        old = self.value(node.args[0], depth + 1)
        if not isinstance(old, str) or not old:
            return None
        new = self.parts(node.args[1], depth, re.sub(r"\W+", " ", old).strip())
        found: list[Part] = []
        for part in base:
            pieces: list[Part] = [*part.split(old)] if isinstance(part, str) else [part]
            for index, piece in enumerate(pieces):
                found += [*(new if index else []), piece]
        return found

    def _join(self, base: list[Part], items: ast.expr, depth: int) -> list[Part] | None:
        if not isinstance(items, ast.List | ast.Tuple):
            return [Hole(items)]
        found: list[Part] = []
        for index, item in enumerate(items.elts):
            found += [*(base if index else []), *self.parts(item, depth)]
        return found


def _by_key(node: ast.Dict) -> dict[str, ast.expr]:
    pairs = zip(node.keys, node.values, strict=True)
    return {str(key.value): value for key, value in pairs if isinstance(key, ast.Constant)}


def _of_percent(match: re.Match[str]) -> tuple[str, str]:
    """What `%05.2f` says, as a format specification and a conversion."""
    if match["kind"] in "sr":
        return "", "" if match["kind"] == "s" else "r"
    spec = match[0].partition(")")[2] if match["name"] else match[0][1:]
    return spec.replace("i", "d"), ""


def _all_text(parts: Sequence[Part]) -> bool:
    return all(isinstance(part, str) for part in parts)


def _laid_out(parts: list[Part] | None, change: Any) -> list[Part] | None:
    """A text trimmed or dedented as a whole, its holes standing in for words."""
    if parts is None:
        return None
    holes = [part for part in parts if isinstance(part, Hole)]
    marks = iter(range(len(holes)))
    whole = "".join(part if isinstance(part, str) else f"\0{next(marks)}\0" for part in parts)
    pieces = change(whole).split("\0")
    return [holes[int(piece)] if index % 2 else piece for index, piece in enumerate(pieces)]
