"""A template as text and slots that a person can read: all of its words, in order.

Conditions and loops are told in words. One that fills whole lines becomes lines of its own,
with what depends on it indented; one within a line stays there, in square brackets.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from .jinja_layout import Block, Item, in_line, laid_out
from .jinja_said import MARK, Branch, Said
from .pieces import Piece, Slot

MAX_UNROLLED = 20


def pieces_of(tree: Any, inputs: Iterable[str], spellings: Sequence[str]) -> tuple[Piece, ...]:
    """Text and slots.

    Args:
        tree: the parsed template.
        inputs: their names.
        spellings: each output as the text has it, in order; empty where they are not known.
    """
    teller = _Teller(tree, frozenset(inputs), spellings)
    text = teller.told(tree.body)
    pieces: list[Piece] = []
    for index, part in enumerate(MARK.split(text)):
        if index % 2:
            pieces.append(teller.slots[int(part)])
        elif part:
            pieces.append(part)
    return tuple(pieces)


class _Teller(Said):
    """The statements of a template."""

    def told(self, body: Iterable[Any]) -> str:
        """The words of statements, as text with marks."""
        return laid_out(list(self._items(body)))

    def _items(self, body: Iterable[Any]) -> Iterator[Item]:
        for node in body:
            tell = getattr(self, f"_{type(node).__name__.lower()}", None)
            if tell is not None:
                yield from tell(node)
            elif hasattr(node, "body"):
                yield Block()
                with self.scope():
                    yield from list(self._items(node.body))
                yield Block()
            else:
                yield Block()

    def _output(self, node: Any) -> Iterator[Item]:
        for part in node.nodes:
            first = len(self.slots)
            said = self.said(part)
            spelling = self.spellings.get(id(part))
            if spelling and len(self.slots) == first + 1:
                self.slots[first] = Slot(self.slots[first].name, spelling)
            yield said

    def _if(self, node: Any) -> Iterator[Item]:
        before = dict(self.names)
        branches: list[Branch] = []
        ends: list[tuple[Any | None, dict[str, Any]]] = []
        for branch in (node, *node.elif_):
            self.names = dict(before)
            branches.append((branch.test, self.told(branch.body)))
            ends.append((branch.test, self.names))
        self.names = dict(before)
        branches.append((None, self.told(node.else_)))
        ends.append((None, self.names))
        self.names = self._merged(before, ends)
        yield Block(tuple(self.heads(branches)))

    def _merged(
        self, before: Mapping[str, Any], ends: list[tuple[Any | None, dict[str, Any]]]
    ) -> dict[str, Any]:
        """Names after a condition: one that it sets is told with the condition."""
        merged = dict(before)
        for name in dict.fromkeys(name for _, end in ends for name in end):
            if all(end.get(name) is before.get(name) for _, end in ends):
                continue
            merged[name] = in_line(self.heads([(test, self.named(name, end)) for test, end in ends]))
        return merged

    def _for(self, node: Any) -> Iterator[Item]:
        literal = self.literal(node.iter)
        items = getattr(literal, "items", None)
        if type(literal).__name__ in ("List", "Tuple") and items and len(items) <= MAX_UNROLLED:
            yield from self._unrolled(node, items)
            return
        aliases = dict(self.phrases.aliases)
        head = f"For each of {self._looped(node.iter)}"
        with self.scope():
            root = self.root(node.iter)
            targets = getattr(node.target, "items", [node.target])
            for target in targets:
                name = getattr(target, "name", "")
                self.names[name] = root if root is not None else f"({self.phrases.noun(target)})"
                if len(name) <= 2:
                    self.phrases.aliases[name] = "item"
            if node.test is not None:
                head = f"{head} where {self.phrases.condition(node.test)}"
            body = self.told(node.body)
        self.phrases.aliases = aliases
        parts = [(f"{head}:", body)] if body.strip() else []
        otherwise = self.told(node.else_)
        if otherwise.strip():
            parts.append(("If there are none:", otherwise))
        yield Block(tuple(parts))

    def _looped(self, node: Any) -> str:
        kind = type(node).__name__
        if kind == "Call" and getattr(node.node, "name", "") == "range":
            return f"the numbers of the range {self.phrases.listed(node.args)}"
        if kind == "Filter" and node.name == "groupby" and node.args:
            return f"{self.phrases.operand(node.node)}, by {self.phrases.listed(node.args)}"
        return self.phrases.operand(node)

    def _unrolled(self, node: Any, items: Sequence[Any]) -> Iterator[Item]:
        yield Block()
        for item in items:
            with self.scope():
                self._set(node.target, item)
                yield from list(self._items(node.body))
        yield Block()

    def _assign(self, node: Any) -> Iterator[Item]:
        self._set(node.target, node.node)
        yield Block()

    def _set(self, target: Any, value: Any) -> None:
        kind = type(target).__name__
        if kind == "NSRef":
            self.names[f"{target.name}.{target.attr}"] = self.said(value)
            return
        if kind == "Tuple":
            parts = getattr(self.literal(value), "items", None) or [value] * len(target.items)
            for name, part in zip(target.items, parts, strict=False):
                self._set(name, part)
            return
        if type(value).__name__ == "Call" and getattr(value.node, "name", "") == "namespace":
            for keyword in value.kwargs:
                self.names[f"{target.name}.{keyword.key}"] = self.said(keyword.value)
        literal = self.literal(value)
        root = self.root(value)
        self.names[target.name] = literal if literal is not None else root or self.said(value)

    def _assignblock(self, node: Any) -> Iterator[Item]:
        with self.scope():
            text = self.told(node.body)
        self.names[getattr(node.target, "name", "")] = text.strip("\n")
        yield Block()

    def _with(self, node: Any) -> Iterator[Item]:
        yield Block()
        with self.scope():
            for target, value in zip(node.targets, node.values, strict=True):
                self._set(target, value)
            yield from list(self._items(node.body))
        yield Block()

    def _macro(self, node: Any) -> Iterator[Item]:
        yield Block()

    def _callblock(self, node: Any) -> Iterator[Item]:
        outer = self.caller
        with self.scope():
            self.caller = self.told(node.body).strip("\n")
        yield self.said(node.call)
        self.caller = outer
