"""Which inputs a template takes, and what it shows of their types.

The template is walked once, in its order, as it would be filled: every name leads to a `Shape`,
and each use says something about it. A use counts as needing the value unless the place is
reached only when the value is there (`if x`, `x or "…"`, `x | default("…")`, `x is defined`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .jinja_shapes import Shape
from .jinja_uses import Uses


@dataclass(frozen=True)
class Used:
    """What a template uses.

    Attributes:
        inputs: their JSON Schemas by name, in order of first appearance.
        optional: names of those that a row may leave out.
        unused: the macros that nothing calls, each with its line.
    """

    inputs: Mapping[str, Mapping[str, Any]]
    optional: tuple[str, ...]
    unused: Mapping[str, int]


def used_by(tree: Any, order: Mapping[str, int], where: str) -> Used:
    """What a template uses.

    Args:
        tree: the parsed template.
        order: where each name first stands in the text.
        where: the file, for messages.

    Raises:
        PrototypeError: macros call macros without end.
    """
    walk = _Walk(tree, where)
    walk.body(tree.body)
    found = sorted(walk.inputs.items(), key=lambda item: order.get(item[0], len(order)))
    return Used(
        inputs={name: shape.stated() for name, shape in found},
        optional=tuple(name for name, shape in found if not shape.needed),
        unused={name: macro.lineno for name, macro in walk.macros.items() if name not in walk.called},
    )


class _Walk(Uses):
    """The statements of a template."""

    def body(self, body: Iterable[Any]) -> None:
        """Read statements in order."""
        for node in body:
            visit = getattr(self, f"_{type(node).__name__.lower()}", self._other)
            visit(node)

    def _other(self, node: Any) -> None:
        for child in node.iter_child_nodes():
            if isinstance(child, self.nodes.Expr):
                self.value(child)
            else:
                self.body([child])

    def _output(self, node: Any) -> None:
        for part in node.nodes:
            self.value(part)

    def _if(self, node: Any) -> None:
        before, present = dict(self.locals), set(self.present)
        ends = []
        for branch in (node, *node.elif_):
            self.test(branch.test)
            with self.in_branch(branch.test, truth=True):
                self.body(branch.body)
                ends.append(dict(self.locals))
            self.locals = dict(before)
            self.present = self.present | self.shown(branch.test, truth=False)
        self.body(node.else_)
        ends.append(dict(self.locals))
        self.locals, self.present = self._merged(before, ends), present

    def _merged(
        self, before: Mapping[str, Shape | None], ends: list[dict[str, Shape | None]]
    ) -> dict[str, Shape | None]:
        """Names after a condition; one that only some branches set is else what it was before."""
        merged = dict(before)
        for name in dict.fromkeys(name for end in ends for name in end):
            found = [end[name] for end in ends if name in end]
            if name in before and all(shape is before[name] for shape in found):
                continue
            own = [shape for shape in found if shape is not None]
            if len(found) < len(ends) and name in self.inputs:
                own = [self.inputs[name].sure()]
            merged[name] = own[0] if own else None
        return merged

    def _for(self, node: Any) -> None:
        before = dict(self.locals)
        item = self.items_of(node.iter)
        self._bind_target(node.target, item, node.iter)
        self.locals["loop"] = None
        present = set(self.present)
        if node.test is not None:
            self.test(node.test)
            self.present |= self.shown(node.test, truth=True)
        self.body(node.body)
        self.locals, self.present = before, present
        self.body(node.else_)

    def _bind_target(self, target: Any, item: Shape | None, source: Any) -> None:
        if isinstance(target, self.nodes.Name):
            self.locals[target.name] = item
            return
        grouped = isinstance(source, self.nodes.Filter) and source.name == "groupby"
        for index, name in enumerate(target.find_all(self.nodes.Name)):
            self.locals[name.name] = Shape(contents=[item]) if grouped and index == 1 and item else None

    def _assign(self, node: Any) -> None:
        if isinstance(node.target, self.nodes.Name):
            self.locals[node.target.name] = self.bound(node.node)
            return
        self.value(node.node)
        for name in [node.target, *node.target.find_all(self.nodes.Name)]:
            if isinstance(name, self.nodes.Name):
                self.locals[name.name] = None

    def _assignblock(self, node: Any) -> None:
        with self.scope():
            self.body(node.body)
        if node.filter is not None:
            self.value(node.filter)
        if isinstance(node.target, self.nodes.Name):
            self.locals[node.target.name] = None

    def _with(self, node: Any) -> None:
        values = [self.bound(value) for value in node.values]
        with self.scope():
            for target, value in zip(node.targets, values, strict=True):
                for name in [target, *target.find_all(self.nodes.Name)]:
                    if isinstance(name, self.nodes.Name):
                        self.locals[name.name] = value if name is target else None
            self.body(node.body)

    def _macro(self, node: Any) -> None:
        """Read where it is called: its arguments' shapes are known there."""
        self.locals[node.name] = None

    def _callblock(self, node: Any) -> None:
        self.value(node.call)
        with self.scope():
            for argument in node.args:
                self.locals[argument.name] = None
            self.body(node.body)

    def _filterblock(self, node: Any) -> None:
        with self.scope():
            self.body(node.body)
        self.value(node.filter)

    def _block(self, node: Any) -> None:
        with self.scope():
            self.body(node.body)
