"""What an output of a template says, in words and slots."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from .jinja_layout import in_line
from .jinja_phrases import Phrases
from .names import word_set
from .pieces import Slot

MARK = re.compile(r"\x00(\d+)\x00")
"""Stands for a slot, by its number; a template cannot hold it."""
WORD = re.compile(r"[^\W\d_]{2}")
NAMING = word_set(
    "attr groupby indent int map max min reject rejectattr round select selectattr sort sum tojson unique"
)
"""Filters whose texts are names of properties or of filters, not words of the prompt."""
QUIET_METHODS = word_set(
    "count endswith find format get index keys items join lower lstrip rfind rindex rsplit rstrip split "
    "splitlines startswith strftime strip upper values"
)
CONVERSION = re.compile(r"%%|%[-+ 0#]*\d*(?:\.\d+)?[a-zA-Z]|%\((\w+)\)[a-zA-Z]")
FIELD = re.compile(r"\{\{|\}\}|\{(\w*)[^{}]*\}")


@dataclass(frozen=True)
class Root:
    """A local name that stands for an input, or for a part of one."""

    name: str


Branch = tuple[Any | None, str]
"""A condition, or None for `else`, and what is said where it holds."""


class Said:
    """The expressions; statements are a subclass's, for macros are told where they are called.

    Attributes:
        slots: those made so far; a text marks each by its number.
        names: what names of the template's own stand for: a `Root`, a text, or an expression.
    """

    def __init__(self, tree: Any, inputs: frozenset[str], spellings: Sequence[str]) -> None:
        from jinja2 import nodes

        self.inputs = inputs
        self.slots: list[Slot] = []
        self.names: dict[str, Any] = {}
        self.phrases = Phrases()
        self.macros = {macro.name: macro for macro in tree.find_all(nodes.Macro)}
        self.calling: list[str] = []
        self.caller = ""
        outputs = [
            part
            for output in tree.find_all(nodes.Output)
            for part in output.nodes
            if not isinstance(part, nodes.TemplateData)
        ]
        exact = len(outputs) == len(spellings)
        self.spellings = dict(zip(map(id, outputs), spellings, strict=True)) if exact else {}

    def told(self, body: Iterable[Any]) -> str:
        """The words of statements, as text with marks."""
        raise NotImplementedError

    def said(self, node: Any) -> str:
        """What an output says, as text with marks."""
        kind = type(node).__name__
        if kind == "TemplateData":
            return str(node.data)
        if kind == "Const":
            return "" if node.value is None else str(node.value)
        say = getattr(self, f"_say_{kind.lower()}", None)
        if say is not None:
            return str(say(node))
        if kind in ("Compare", "Test", "Not"):
            return f"({self.phrases.operand(node)})"
        return " ".join(filter(None, (self.said(child) for child in node.iter_child_nodes())))

    def _say_name(self, node: Any) -> str:
        if node.name in self.names:
            return self.named(node.name, self.names, node)
        return self._slot(node.name, node) if node.name in self.inputs else ""

    def named(self, name: str, names: Mapping[str, Any], node: Any = None) -> str:
        """What a name says."""
        value = names.get(name)
        if value is None:
            return self._slot(name, node) if name in self.inputs else ""
        if isinstance(value, Root):
            return self._slot(value.name, node)
        return value if isinstance(value, str) else self.said(value)

    def _say_getattr(self, node: Any) -> str:
        root = self.root(node)
        if root is not None:
            return self._slot(root.name, node)
        owner = getattr(node.node, "name", "")
        if owner == "loop":
            return f"(the {self.phrases.noun(node)})"
        if f"{owner}.{node.attr}" in self.names:
            return self.named(f"{owner}.{node.attr}", self.names)
        literal = self.literal(node)
        return self.said(node.node if literal is None else literal)

    def _say_getitem(self, node: Any) -> str:
        root = self.root(node)
        key = "" if type(node.arg).__name__ in ("Const", "Slice", "Neg") else self.said(node.arg)
        if root is not None:
            return self._slot(root.name, node) + (f" (of {key})" if MARK.search(key) else "")
        literal = self.literal(node)
        if literal is not None:
            return self.said(literal)
        return f"{key} ({self.said(node.node)})" if key else self.said(node.node)

    def _say_filter(self, node: Any) -> str:
        said = self.said(node.node) if node.node is not None else ""
        if node.name in ("default", "d"):
            return said + self._instead(node.args[0] if node.args else None)
        if node.name == "format":
            return self._formatted(CONVERSION, said, node.args, node.kwargs)
        if node.name == "join" and node.args and not MARK.search(said):
            return said
        named = [keyword.value for keyword in node.kwargs if keyword.key == "default"]
        return said + self._worded(node.name, named if node.name in NAMING else node.args)

    def _say_call(self, node: Any) -> str:
        callee = node.node
        if type(callee).__name__ == "Getattr":
            return self._method(node, callee)
        name = callee.name
        if name in self.macros:
            return self._inlined(node, self.macros[name])
        if name == "caller":
            return self.caller
        if name == "loop":
            return "(and so on, for what is within it)"
        return " ".join(filter(None, (self.said(argument) for argument in [*node.args, *node.kwargs])))

    def _method(self, node: Any, callee: Any) -> str:
        if getattr(callee.node, "name", "") == "loop":
            return " / ".join(self.said(argument) for argument in node.args)
        said = self.said(callee.node)
        if callee.attr == "format":
            return self._formatted(FIELD, said, node.args, node.kwargs)
        if callee.attr == "get":
            return said + self._instead(node.args[1] if len(node.args) > 1 else None)
        if callee.attr == "join":
            return " ".join(self.said(argument) for argument in node.args)
        return said + self._worded(callee.attr, [] if callee.attr in QUIET_METHODS else node.args)

    def _say_or(self, node: Any) -> str:
        return self.said(node.left) + self._instead(node.right)

    def _say_and(self, node: Any) -> str:
        return in_line(self.heads([(node.left, self.said(node.right))]))

    def _say_condexpr(self, node: Any) -> str:
        otherwise = self.said(node.expr2) if node.expr2 is not None else ""
        return in_line(self.heads([(node.test, self.said(node.expr1)), (None, otherwise)]))

    def _say_concat(self, node: Any) -> str:
        return "".join(map(self.said, node.nodes))

    def _say_add(self, node: Any) -> str:
        numbers = [
            side for side in (node.left, node.right) if not isinstance(getattr(side, "value", ""), str)
        ]
        return "".join(self.said(side) for side in (node.left, node.right) if side not in numbers)

    def _say_mod(self, node: Any) -> str:
        values = node.right.items if type(node.right).__name__ == "Tuple" else [node.right]
        return self._formatted(CONVERSION, self.said(node.left), values, [])

    def _say_list(self, node: Any) -> str:
        return ", ".join(filter(None, map(self.said, node.items)))

    _say_tuple = _say_list

    def _say_dict(self, node: Any) -> str:
        return ", ".join(f"{self.said(pair.key)}: {self.said(pair.value)}" for pair in node.items)

    def heads(self, branches: list[Branch]) -> Iterator[tuple[str, str]]:
        """Each branch that says something, with its head; what says nothing is told by its negation."""
        told = False
        silent: list[str] = []
        for test, text in self._possible(branches):
            if not text.strip():
                if test is not None:
                    silent.append(self.phrases.condition(test, holds=False))
                continue
            conditions = [*silent, *([self.phrases.condition(test)] if test is not None else [])]
            words = " and ".join(conditions)
            if told:
                head = f"Otherwise, if {words}:" if words else "Otherwise:"
            else:
                head = f"If {words}:" if words else ""
            yield head, text
            told, silent = True, []

    def _possible(self, branches: Iterable[Branch]) -> Iterator[Branch]:
        """The branches that are not ruled out by what the template itself says, as a macro's arguments."""
        for test, text in branches:
            known = None if test is None else self._known(test)
            if known is not False:
                yield (None if known else test), text
            if known:
                return

    def _known(self, test: Any) -> bool | None:
        """How a test of values as written comes out; None where that depends on the row."""
        kind = type(test).__name__
        if kind == "Not":
            inner = self._known(test.node)
            return None if inner is None else not inner
        if kind == "Compare":
            left, right = self.literal(test.expr), self.literal(test.ops[0].expr)
            both = hasattr(left, "value") and hasattr(right, "value") and test.ops[0].op in ("eq", "ne")
            return (left.value == right.value) == (test.ops[0].op == "eq") if both else None
        value = self.literal(test)
        return bool(getattr(value, "value", getattr(value, "items", None))) if value is not None else None

    def _instead(self, node: Any) -> str:
        """What is said where a value is not there."""
        said = self.said(node) if node is not None else ""
        if not said.strip():
            return ""
        return f" (or, without it, {said})" if MARK.search(said) else f' (or, without it, "{said}")'

    def _worded(self, name: str, arguments: Iterable[Any]) -> str:
        """Arguments that hold words or inputs."""
        said = [self.said(argument) for argument in arguments]
        kept = [
            one if MARK.search(one) else f'"{one}"' for one in said if MARK.search(one) or WORD.search(one)
        ]
        return f" ({name}: {', '.join(kept)})" if kept else ""

    def _formatted(
        self, pattern: re.Pattern[str], text: str, args: Sequence[Any], kwargs: Sequence[Any]
    ) -> str:
        values = iter([self.said(argument) for argument in args])
        named = {keyword.key: self.said(keyword.value) for keyword in kwargs}

        def replaced(match: re.Match[str]) -> str:
            if match[0] in ("%%", "{{", "}}"):
                return match[0][0]
            return named.pop(match[1], "") if match[1] in named else next(values, "")

        filled = pattern.sub(replaced, text)
        return " ".join(filter(None, (filled, *values, *named.values())))

    def _inlined(self, call: Any, macro: Any) -> str:
        if macro.name in self.calling:
            return "(and so on)"
        names = [argument.name for argument in macro.args]
        given = dict(zip(reversed(names), reversed(macro.defaults), strict=False))
        given.update(zip(names, call.args, strict=False))
        given.update({keyword.key: keyword.value for keyword in call.kwargs})
        aliases = dict(self.phrases.aliases)
        nouns = {name: self.phrases.noun(value) for name, value in given.items() if self.root(value)}
        self.calling.append(macro.name)
        with self.scope():
            outer = dict(self.names)
            for name, value in given.items():
                inner, self.names = self.names, outer
                bound: dict[str, Any] = {}
                literal, root = self.literal(value), self.root(value)
                bound[name] = literal if literal is not None else root or self.said(value)
                self.names = {**inner, **bound}
            self.phrases.aliases.update(nouns)
            text = self.told(macro.body).strip("\n")
        self.phrases.aliases = aliases
        self.calling.pop()
        return text

    def _slot(self, name: str, node: Any) -> str:
        spelling = f"{{{{ {_source(node) or name} }}}}"
        self.slots.append(Slot(name, spelling))
        return f"\x00{len(self.slots) - 1}\x00"

    def root(self, node: Any) -> Root | None:
        """The input that a path, or what filters make of one, begins at."""
        kind = type(node).__name__
        if kind == "Name":
            if node.name in self.names:
                value = self.names[node.name]
                return value if isinstance(value, Root) else None
            return Root(node.name) if node.name in self.inputs else None
        if kind in ("Getattr", "Getitem"):
            return self.root(node.node)
        if kind == "Filter" and node.node is not None and node.name not in ("default", "d"):
            return self.root(node.node)
        if kind == "Call" and type(node.node).__name__ == "Getattr" and node.node.attr != "get":
            return self.root(node.node.node)
        return None

    def literal(self, node: Any) -> Any:
        """The list, mapping or text as written that an expression stands for, or None."""
        kind = type(node).__name__
        if kind in ("List", "Dict", "Const"):
            return node
        if kind == "Tuple":
            return node
        if kind == "Name":
            value = self.names.get(node.name)
            return value if hasattr(value, "iter_child_nodes") else None
        if kind not in ("Getattr", "Getitem"):
            return None
        owner = self.literal(node.node)
        key = node.attr if kind == "Getattr" else getattr(node.arg, "value", None)
        if type(owner).__name__ == "Dict":
            return next((pair.value for pair in owner.items if getattr(pair.key, "value", None) == key), None)
        if type(owner).__name__ in ("List", "Tuple") and isinstance(key, int) and abs(key) < len(owner.items):
            return owner.items[key]
        return None

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Names that are set within are forgotten after it, those of namespaces aside."""
        before = dict(self.names)
        yield
        self.names = {**before, **{name: value for name, value in self.names.items() if "." in name}}


def _source(node: Any) -> str:
    """A path as a template spells it, or empty."""
    kind = type(node).__name__
    if kind == "Name":
        return str(node.name)
    if kind == "Getattr":
        inner = _source(node.node)
        return f"{inner}.{node.attr}" if inner else ""
    if kind == "Getitem" and hasattr(node.arg, "value"):
        inner = _source(node.node)
        return f"{inner}[{node.arg.value!r}]" if inner else ""
    return ""
