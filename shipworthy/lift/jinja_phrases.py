"""Conditions of a template in plain words: `if a == "b" and not c` as `the a is "b" and there is no c`."""

from __future__ import annotations

import re
from typing import Any

from .names import word_set

FLAG_WORDS = word_set(
    "allow allows are can do does enable enabled has have include includes is must needs only should show "
    "shows use uses wants was were will with"
)
COMPARED = {
    "eq": ("is", "is not"),
    "ne": ("is not", "is"),
    "lt": ("is less than", "is at least"),
    "lteq": ("is at most", "is more than"),
    "gt": ("is more than", "is at most"),
    "gteq": ("is at least", "is less than"),
    "in": ("is in", "is not in"),
    "notin": ("is not in", "is in"),
}
SIGNS = {
    "Add": "+",
    "Sub": "-",
    "Mul": "times",
    "Div": "divided by",
    "FloorDiv": "divided by",
    "Mod": "modulo",
}
OF_TESTS = {
    "boolean": "true or false",
    "divisibleby": "divisible by",
    "eq": "equal to",
    "equalto": "equal to",
    "float": "a fraction",
    "integer": "a whole number",
    "iterable": "a list",
    "mapping": "a mapping",
    "number": "a number",
    "sequence": "a list",
    "string": "text",
}
OF_METHODS = {
    "endswith": ("ends with", "does not end with"),
    "startswith": ("starts with", "does not start with"),
}
OF_LOOPS = {"first": "the first item", "last": "the last item"}
UNLIKE_VOWELS = re.compile(r"(?i)(?:one|once|us[aei]|uni|eu)")


class Phrases:
    """Conditions in words.

    Attributes:
        aliases: what names of the template's own stand for, in words.
    """

    def __init__(self) -> None:
        self.aliases: dict[str, str] = {}

    def condition(self, node: Any, *, holds: bool = True) -> str:
        """That an expression is true, or that it is not."""
        kind = type(node).__name__
        if kind == "Not":
            return self.condition(node.node, holds=not holds)
        if kind in ("And", "Or"):
            return self._joined(node, holds)
        if kind == "Compare":
            return self._compared(node, holds)
        if kind == "Test":
            return self._tested(node, holds)
        if kind == "Filter" and node.node is not None:
            return self.condition(node.node, holds=holds)
        if kind == "Const":
            return "in any case" if bool(node.value) == holds else "in no case"
        if kind == "Call" and type(node.node).__name__ == "Getattr" and node.node.attr in OF_METHODS:
            verb = OF_METHODS[node.node.attr][not holds]
            return f"{self.operand(node.node.node)} {verb} {self.listed(node.args)}"
        if kind in ("Name", "Getattr", "Getitem"):
            return self._present(node, holds)
        return f"{self.operand(node)} is {'' if holds else 'not '}true"

    def operand(self, node: Any) -> str:
        """A value in words."""
        kind = type(node).__name__
        if kind == "Const":
            return self._constant(node.value)
        if kind in ("List", "Tuple"):
            return self.listed(node.items)
        if kind == "Filter" and node.node is not None:
            if node.name in ("length", "count"):
                return f"the number of {self.noun(node.node)}"
            return self.operand(node.node)
        if kind == "Call":
            callee = node.node
            return (
                self.operand(callee.node)
                if type(callee).__name__ == "Getattr"
                else f"the {self.noun(callee)}"
            )
        if kind in SIGNS:
            return f"{self.operand(node.left)} {SIGNS[kind]} {self.operand(node.right)}"
        if kind in ("Or", "And"):
            return f"{self.operand(node.left)} {kind.lower()} {self.operand(node.right)}"
        if kind == "Concat":
            return " and ".join(map(self.operand, node.nodes))
        if kind == "CondExpr":
            return self.operand(node.expr1)
        if kind in ("Compare", "Test", "Not"):
            return f"whether {self.condition(node)}"
        if kind in ("Neg", "Pos"):
            return f"{'-' if kind == 'Neg' else ''}{self.operand(node.node)}"
        return f"the {self.noun(node)}"

    def listed(self, items: list[Any]) -> str:
        """Values in words, with commas."""
        return ", ".join(map(self.operand, items))

    def noun(self, node: Any) -> str:
        """What a path names, without an article."""
        kind = type(node).__name__
        if kind in ("Name", "NSRef"):
            return self.aliases.get(node.name, _words(node.name))
        if kind == "Getattr":
            if _is_loop(node.node):
                return "item's number" if node.attr.startswith("index") else f"loop's {_words(node.attr)}"
            return f"{self.noun(node.node)}'s {_words(node.attr)}"
        if kind == "Getitem":
            key = node.arg
            if type(key).__name__ == "Const" and isinstance(key.value, str):
                return f"{self.noun(node.node)}'s {_words(key.value)}"
            if type(key).__name__ == "Slice":
                return self.noun(node.node)
            return f"{self.noun(node.node)} at {self.operand(key)}"
        if kind in ("Filter", "Call", "Neg", "Pos") and node.node is not None:
            return self.noun(node.node)
        return "value"

    def _constant(self, value: Any) -> str:
        if isinstance(value, str):
            return f'"{value}"'
        if isinstance(value, bool):
            return str(value).lower()
        return "nothing" if value is None else str(value)

    def _joined(self, node: Any, holds: bool) -> str:
        both = (type(node).__name__ == "And") == holds
        sides = [
            f"({self.condition(side, holds=holds)})"
            if type(side).__name__ in ("And", "Or") and type(side) is not type(node)
            else self.condition(side, holds=holds)
            for side in (node.left, node.right)
        ]
        return f" {'and' if both else 'or'} ".join(sides)

    def _compared(self, node: Any, holds: bool) -> str:
        if len(node.ops) > 1:
            parts = []
            left = node.expr
            for operand in node.ops:
                parts.append(
                    f"{self.operand(left)} {COMPARED[operand.op][not holds]} {self.operand(operand.expr)}"
                )
                left = operand.expr
            return f" {'and' if holds else 'or'} ".join(parts)
        left, operator, right = node.expr, node.ops[0].op, node.ops[0].expr
        value = right.value if type(right).__name__ == "Const" else 0
        if operator in ("eq", "ne") and (value is None or isinstance(value, bool)):
            return self.condition(left, holds=holds == ((operator == "eq") == bool(value)))
        if operator in ("in", "notin"):
            return self._contained(left, right, holds == (operator == "in"))
        return f"{self.operand(left)} {COMPARED[operator][not holds]} {self.operand(right)}"

    def _contained(self, left: Any, right: Any, holds: bool) -> str:
        if type(right).__name__ in ("List", "Tuple"):
            return f"{self.operand(left)} is {'one' if holds else 'none'} of {self.operand(right)}"
        if type(left).__name__ == "Const":
            verb = "include" if _plural(self.noun(right)) else "includes"
            negated = f"do{'es' if verb == 'includes' else ''} not include"
            return f"{self.operand(right)} {verb if holds else negated} {self.operand(left)}"
        return f"{self.operand(left)} is {'' if holds else 'not '}in {self.operand(right)}"

    def _tested(self, node: Any, holds: bool) -> str:
        if node.name in ("defined", "truthy", "true"):
            return self.condition(node.node, holds=holds)
        if node.name in ("undefined", "none", "null", "falsy", "false"):
            return self.condition(node.node, holds=not holds)
        what = OF_TESTS.get(node.name, _words(node.name))
        given = f" {self.listed(node.args)}" if node.args else ""
        return f"{self.operand(node.node)} is {'' if holds else 'not '}{what}{given}"

    def _present(self, node: Any, holds: bool) -> str:
        if type(node).__name__ == "Getattr" and _is_loop(node.node):
            what = OF_LOOPS.get(node.attr, _words(node.attr))
            return f"it is {'' if holds else 'not '}{what}"
        owned = type(node).__name__ != "Name"
        name = self._last(node)
        if not name or name.split()[0] in FLAG_WORDS or name.split()[-1] in FLAG_WORDS:
            return f'"{self.noun(node)}" is {"" if holds else "not "}true'
        subject = f"{self.operand(node.node)} has" if owned else "there are" if _plural(name) else "there is"
        if not holds:
            return f"{subject} no {name}"
        return f"{subject} {name}" if _plural(name) else f"{subject} {_article(name)} {name}"

    def _last(self, node: Any) -> str:
        """The last word of a path, where it is a word."""
        if type(node).__name__ == "Name":
            return self.noun(node)
        if type(node).__name__ == "Getattr":
            return _words(node.attr)
        key = node.arg
        return _words(key.value) if type(key).__name__ == "Const" and isinstance(key.value, str) else ""


def _words(name: str) -> str:
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return " ".join(re.sub(r"[_\W]+", " ", spaced).split()) or name


def _plural(name: str) -> bool:
    last = name.split()[-1].lower() if name else ""
    return last.endswith("s") and not last.endswith(("ss", "us", "is")) and len(last) > 2


def _article(name: str) -> str:
    return "an" if name[0].lower() in "aeiou" and not UNLIKE_VOWELS.match(name) else "a"


def _is_loop(node: Any) -> bool:
    return type(node).__name__ == "Name" and node.name == "loop"
