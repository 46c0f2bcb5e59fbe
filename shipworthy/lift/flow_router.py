"""Which label a router returns for each value of a state field, found by reading its few lines.

Comparisons, conditions, look-ups in a dictionary and the trimming of texts are followed;
anything else is not known.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .python_syntax import docless, dotted
from .python_text import UNKNOWN

COMPARE: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: lambda a, b: bool(a == b),
    ast.NotEq: lambda a, b: bool(a != b),
    ast.Is: lambda a, b: a is b,
    ast.IsNot: lambda a, b: a is not b,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
    ast.Lt: lambda a, b: bool(a < b),
    ast.LtE: lambda a, b: bool(a <= b),
    ast.Gt: lambda a, b: bool(a > b),
    ast.GtE: lambda a, b: bool(a >= b),
}
TRIMS = ("strip", "lower", "upper", "title", "capitalize")


def label_for(body: Sequence[ast.stmt], field: str, value: Any, constants: Mapping[str, ast.expr]) -> Any:
    """What a router returns where a state field has a value; `UNKNOWN` where that is not clear.

    Args:
        field: dotted, such as `self.state.kind`.
        constants: names of the module.
    """
    return _Run({field: value}, constants).block(docless(body))


def returned(body: Sequence[ast.stmt]) -> list[ast.expr]:
    """What a body returns, everywhere that it does."""
    nodes = (node for statement in body for node in ast.walk(statement))
    return [node.value for node in nodes if isinstance(node, ast.Return) and node.value is not None]


class _EndedError(Exception):
    """A block ended without a return."""


class _Run:
    def __init__(self, known: dict[str, Any], constants: Mapping[str, ast.expr]) -> None:
        self.known = known
        self.constants = constants

    def block(self, body: Sequence[ast.stmt]) -> Any:
        try:
            return self._block(body)
        except _EndedError:
            return None
        except (TypeError, KeyError, IndexError, ValueError, RecursionError):
            return UNKNOWN

    def _block(self, body: Sequence[ast.stmt]) -> Any:
        for statement in body:
            if isinstance(statement, ast.Return):
                return None if statement.value is None else self.value(statement.value)
            if isinstance(statement, ast.If):
                test = self.value(statement.test)
                if test is UNKNOWN:
                    return UNKNOWN
                try:
                    return self._block(statement.body if test else statement.orelse)
                except _EndedError:
                    continue
            if isinstance(statement, ast.Assign) and dotted(statement.targets[0]):
                self.known[dotted(statement.targets[0])] = self.value(statement.value)
            elif not isinstance(statement, ast.Expr | ast.Pass):
                return UNKNOWN
        raise _EndedError

    def value(self, node: ast.expr) -> Any:
        name = dotted(node)
        if name in self.known:
            return self.known[name]
        if isinstance(node, ast.Name) and node.id in self.constants:
            return self.value(self.constants[node.id])
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.List | ast.Tuple | ast.Set):
            items = [self.value(item) for item in node.elts]
            return UNKNOWN if UNKNOWN in items else items
        if isinstance(node, ast.Dict):
            return {
                self.value(key): self.value(item)
                for key, item in zip(node.keys, node.values, strict=True)
                if key
            }
        if isinstance(node, ast.IfExp):
            test = self.value(node.test)
            return UNKNOWN if test is UNKNOWN else self.value(node.body if test else node.orelse)
        if isinstance(node, ast.Compare):
            return self._compared(node)
        if isinstance(node, ast.BoolOp):
            values = [self.value(item) for item in node.values]
            return UNKNOWN if UNKNOWN in values else (all if isinstance(node.op, ast.And) else any)(values)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            inner = self.value(node.operand)
            return UNKNOWN if inner is UNKNOWN else not inner
        if isinstance(node, ast.JoinedStr):
            parts = [
                self.value(one.value if isinstance(one, ast.FormattedValue) else one) for one in node.values
            ]
            return UNKNOWN if UNKNOWN in parts else "".join(map(str, parts))
        return self._taken(node)

    def _compared(self, node: ast.Compare) -> Any:
        values = [self.value(one) for one in (node.left, *node.comparators)]
        if UNKNOWN in values:
            return UNKNOWN
        pairs = zip(values, values[1:], node.ops, strict=False)
        return all(COMPARE[type(op)](left, right) for left, right, op in pairs)

    def _taken(self, node: ast.expr) -> Any:
        """A look-up in a dictionary, or a trimmed text."""
        if isinstance(node, ast.Subscript):
            inner, key = self.value(node.value), self.value(node.slice)
            return UNKNOWN if UNKNOWN in (inner, key) else inner[key]
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            return UNKNOWN
        inner, given = self.value(node.func.value), [self.value(one) for one in node.args]
        if inner is UNKNOWN or UNKNOWN in given:
            return UNKNOWN
        if node.func.attr in TRIMS and isinstance(inner, str) and not given:
            return getattr(inner, node.func.attr)()
        if node.func.attr == "get" and isinstance(inner, dict):
            return inner.get(*given)
        return UNKNOWN
