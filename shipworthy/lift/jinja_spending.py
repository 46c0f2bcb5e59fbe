"""A parsed template altered so that all of it spends work, also where the sandbox has no hook.

Imported only where a template is compiled, for it imports jinja2.
"""

from __future__ import annotations

from typing import Any

from jinja2 import nodes
from jinja2.visitor import NodeTransformer


class Spending(NodeTransformer):
    """Wraps what the sandbox has no hook for: loops, `~`, comparisons, lists and mappings as written."""

    def visit_For(self, node: nodes.For) -> nodes.For:  # noqa: N802
        """Items are counted, with the text that each of them repeats."""
        size = sum(len(text.data) for text in node.find_all(nodes.TemplateData))
        self.generic_visit(node)
        node.iter = _spending("_loop", node.iter, nodes.Const(size))
        if node.recursive:
            for call in node.find_all(nodes.Call):
                if isinstance(call.node, nodes.Name) and call.node.name == "loop" and call.args:
                    call.args[0] = _spending("_loop", call.args[0], nodes.Const(size))
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Filter:  # noqa: N802
        """What `~` joins is read."""
        self.generic_visit(node)
        return _spending("_join", nodes.List(node.nodes, lineno=node.lineno))

    def visit_List(self, node: nodes.List) -> nodes.Expr:  # noqa: N802
        """A list as written is read, so that none can hold itself many times over."""
        self.generic_visit(node)
        return _spending("_read", node)

    def visit_Dict(self, node: nodes.Dict) -> nodes.Expr:  # noqa: N802
        """As of a list."""
        self.generic_visit(node)
        return _spending("_read", node)

    def visit_Compare(self, node: nodes.Compare) -> nodes.Compare:  # noqa: N802
        """Both sides are read."""
        self.generic_visit(node)
        node.expr = _spending("_read", node.expr)
        for operand in node.ops:
            operand.expr = _spending("_read", operand.expr)
        return node

    def visit_Call(self, node: nodes.Call) -> nodes.Call:  # noqa: N802
        """A method stays a method, whatever keys the mapping has."""
        callee = node.node
        self.generic_visit(node)
        if isinstance(callee, nodes.Getattr):
            node.node = nodes.Getattr(node.node.node, callee.attr, "load", lineno=node.lineno)  # type: ignore[attr-defined]
        return node

    def visit_Getattr(self, node: nodes.Getattr) -> nodes.Getitem:  # noqa: N802
        """`order.items` means the key of that name, before any method of a mapping."""
        self.generic_visit(node)
        return nodes.Getitem(node.node, nodes.Const(node.attr), "load", lineno=node.lineno)


def _spending(name: str, node: Any, *args: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(node, name, list(args), [], None, None, lineno=node.lineno)
