"""What each expression of a template says about the inputs that it uses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import PrototypeError
from .jinja_shapes import Shape
from .names import word_set

SAME_ITEMS = word_set("list reject rejectattr reverse select selectattr sort unique")
TEXT_METHODS = word_set(
    "capitalize casefold center endswith expandtabs format isalnum isalpha isdecimal isdigit islower "
    "isnumeric isspace istitle isupper join ljust lower lstrip partition removeprefix removesuffix replace "
    "rfind rindex rjust rpartition rsplit rstrip split splitlines startswith strip swapcase title upper zfill"
)
KINDS_OF_FILTERS = {
    "abs": "number",
    "dictsort": "object",
    "filesizeformat": "number",
    "float": "number",
    "int": "integer",
    "items": "object",
    "join": "array",
    "map": "array",
    "round": "number",
    "sum": "array",
}
KINDS_OF_TESTS = {"divisibleby": "integer", "even": "integer", "odd": "integer"}
TYPE_TESTS = word_set("boolean float integer iterable mapping number sequence string")
GIVEN_BY_JINJA = word_set("caller kwargs loop varargs")
MAX_CALLS = 1000
CONVERSION = re.compile(r"%[-+ 0#]*\d*(?:\.\d+)?([a-zA-Z])")


class Uses:
    """The expressions; statements are a subclass's, for macros' bodies are read where they are called.

    Attributes:
        inputs: the shapes found, by name.
        locals: what names of the template's own lead to.
        present: shapes that are there, since a condition has asked for them.
        called: names of the macros whose bodies were read.
    """

    def __init__(self, tree: Any, where: str) -> None:
        from jinja2 import nodes

        self.where = where
        self.calls = 0
        self.nodes = nodes
        self.inputs: dict[str, Shape] = {}
        self.locals: dict[str, Shape | None] = {}
        self.present: set[Shape] = set()
        self.macros = {macro.name: macro for macro in tree.find_all(nodes.Macro)}
        self.calling: list[str] = []
        self.called: set[str] = set()

    def body(self, body: Iterable[Any]) -> None:
        """Read statements in order."""
        raise NotImplementedError

    def value(self, node: Any) -> Shape | None:
        """A use of a value: the shape that it leads to, if it is a part of an input."""
        shape = self.path(node)
        if shape is None:
            return self._value_of(node)
        self._use(shape)
        # An item has no owner: who reads one, reads its list.
        while not isinstance(node, self.nodes.Name):
            owner = self.path(node.node)
            if owner is not None and isinstance(node, self.nodes.Getitem):
                self._use(owner)
            node = node.node
        return shape

    def test(self, node: Any) -> None:
        """A use that asks only whether a value is there, or what it is."""
        nodes = self.nodes
        if isinstance(node, nodes.Not):
            self.test(node.node)
        elif isinstance(node, nodes.And | nodes.Or):
            self.test(node.left)
            with self.in_branch(node.left, truth=isinstance(node, nodes.And)):
                self.test(node.right)
        elif isinstance(node, nodes.Test) and node.name in ("defined", "undefined", "none", "null"):
            if self.path(node.node) is None:
                self.value(node.node)
        elif isinstance(node, nodes.Compare) and _is_none(node.ops[0].expr, nodes):
            self.test(node.expr)
        elif self.path(node) is None:
            self.value(node)

    def _value_of(self, node: Any) -> Shape | None:
        visit = getattr(self, f"_value_{type(node).__name__.lower()}", None)
        if visit is not None:
            found: Shape | None = visit(node)
            return found
        for child in node.iter_child_nodes():
            self.value(child)
        return None

    def _value_or(self, node: Any) -> Shape | None:
        self.test(node.left)
        shape = self.path(node.left)
        with self.in_branch(node.left, truth=False):
            self.value(node.right)
        return shape

    def _value_and(self, node: Any) -> None:
        self.test(node.left)
        with self.in_branch(node.left, truth=True):
            self.value(node.right)

    def _value_not(self, node: Any) -> None:
        self.test(node.node)

    def _value_condexpr(self, node: Any) -> Shape | None:
        self.test(node.test)
        with self.in_branch(node.test, truth=True):
            shape = self.value(node.expr1)
        if node.expr2 is not None:
            with self.in_branch(node.test, truth=False):
                shape = self.value(node.expr2) or shape
        return shape

    def _value_test(self, node: Any) -> None:
        if node.name in ("defined", "undefined", "none"):
            self.test(node)
            return
        shape = self.value(node.node)
        for argument in node.args:
            self.value(argument)
        if shape is None:
            return
        if node.name in KINDS_OF_TESTS:
            shape.kinds[KINDS_OF_TESTS[node.name]] = None
        elif node.name in TYPE_TESTS:
            # Who asks for the type takes more than one.
            shape.kinds.update(string=None, array=None)

    def _value_compare(self, node: Any) -> None:
        sides = [node.expr, *(operand.expr for operand in node.ops)]
        if _is_none(sides[-1], self.nodes):
            self.test(node)
            return
        shapes = [self.value(side) for side in sides]
        for left, right, operand in zip(range(len(sides)), range(1, len(sides)), node.ops, strict=False):
            for shape, other in ((shapes[left], sides[right]), (shapes[right], sides[left])):
                kind = _kind_of_constant(other, self.nodes)
                if shape is None or not kind or operand.op in ("in", "notin"):
                    continue
                ordered = operand.op in ("lt", "lteq", "gt", "gteq")
                shape.kinds["number" if ordered and kind == "integer" else kind] = None

    def _arithmetic(self, node: Any) -> None:
        for side, other in ((node.left, node.right), (node.right, node.left)):
            shape = self.value(side)
            if shape is not None and _kind_of_constant(other, self.nodes) in ("integer", "number"):
                shape.kinds["number"] = None

    _value_add = _value_sub = _value_mul = _value_div = _value_floordiv = _arithmetic

    def _value_mod(self, node: Any) -> None:
        if isinstance(node.left, self.nodes.Const) and isinstance(node.left.value, str):
            values = node.right.items if isinstance(node.right, self.nodes.Tuple) else [node.right]
            self._formatted(node.left.value, values)
        else:
            self._arithmetic(node)

    def _formatted(self, text: str, values: Iterable[Any]) -> None:
        conversions = CONVERSION.findall(text)
        for index, value in enumerate(values):
            shape = self.value(value)
            kind = conversions[index] if index < len(conversions) else "s"
            if shape is not None and kind in "dioxXeEfFgG":
                shape.kinds["integer" if kind in "dioxX" else "number"] = None

    def _value_filter(self, node: Any) -> Shape | None:
        if node.name in ("default", "d"):
            return self._value_default(node)
        if node.name == "format" and isinstance(node.node, self.nodes.Const):
            self._formatted(str(node.node.value), node.args)
            return None
        shape = self.value(node.node) if node.node is not None else None
        for argument in _arguments(node):
            self.value(argument)
        if shape is None:
            return None
        if node.name in KINDS_OF_FILTERS:
            shape.kinds[KINDS_OF_FILTERS[node.name]] = None
        return self._filtered(node, shape)

    def _value_default(self, node: Any) -> Shape | None:
        self.test(node.node)
        shape = self.path(node.node)
        for argument in node.args:
            self.value(argument)
        kind = _kind_of_constant(node.args[0], self.nodes) if node.args else ""
        if shape is not None and kind and not (len(node.args) > 1 and kind == "boolean"):
            shape.kinds[kind] = None
        return shape

    def _filtered(self, node: Any, shape: Shape) -> Shape | None:
        """The shape of what a filter makes of a shape."""
        name = _attribute(node, self.nodes)
        if name:
            part = shape.items()
            for word in name.split("."):
                part = part.property(word)
            # `selectattr("x")` asks whether it is there; the others read it.
            if not (node.name in ("selectattr", "rejectattr") and len(node.args) < 2):
                self._use(part)
            if node.name == "map":
                return Shape(contents=[part])
        if node.name in ("first", "last", "min", "max", "random"):
            return shape.items()
        return shape if node.name in SAME_ITEMS else None

    def _value_getitem(self, node: Any) -> Shape | None:
        shape = self.value(node.node)
        self.value(node.arg)
        return shape if isinstance(node.arg, self.nodes.Slice) else None

    def _value_call(self, node: Any) -> Shape | None:
        nodes = self.nodes
        if isinstance(node.node, nodes.Getattr):
            return self._method(node)
        name = getattr(node.node, "name", "")
        if name in self.macros and name not in self.calling:
            self._inlined(node, self.macros[name])
            return None
        for argument in _arguments(node):
            shape = self.value(argument)
            if name == "range" and shape is not None:
                shape.kinds["integer"] = None
        return None

    def _method(self, node: Any) -> Shape | None:
        shape = self.value(node.node.node)
        for argument in _arguments(node):
            self.value(argument)
        if shape is None:
            return None
        method = node.node.attr
        if method in TEXT_METHODS:
            shape.kinds["string"] = None
        elif method in ("items", "keys", "values"):
            shape.kinds["object"] = None
        elif method == "get" and node.args and isinstance(node.args[0], self.nodes.Const):
            return shape.property(str(node.args[0].value))
        return None

    def _inlined(self, call: Any, macro: Any) -> None:
        self.calls += 1
        if self.calls > MAX_CALLS:
            raise PrototypeError(
                f"macros are called over {MAX_CALLS} times",
                hint="write out what they make",
                where=f"{self.where}:{call.lineno}",
            )
        names = [argument.name for argument in macro.args]
        given = dict(zip(names, call.args, strict=False))
        given.update({keyword.key: keyword.value for keyword in call.kwargs})
        defaults = dict(zip(reversed(names), reversed(macro.defaults), strict=False))
        bound = {name: self.bound(value) for name, value in given.items()}
        self.called.add(macro.name)
        self.calling.append(macro.name)
        with self.scope():
            for name in names:
                if name not in bound:
                    bound[name] = self.bound(defaults[name]) if name in defaults else None
            self.locals.update(bound)
            self.body(macro.body)
        self.calling.pop()

    # Names

    def path(self, node: Any) -> Shape | None:
        """The shape that a chain of names, keys and indices leads to; not yet a use of it."""
        nodes = self.nodes
        if isinstance(node, nodes.Name):
            return self._named(node.name)
        if isinstance(node, nodes.Getattr):
            owner = self.path(node.node)
            return owner.property(node.attr) if owner is not None else None
        if isinstance(node, nodes.Getitem):
            argument = node.arg.node if isinstance(node.arg, nodes.Neg) else node.arg
            owner = self.path(node.node) if isinstance(argument, nodes.Const) else None
            if owner is None:
                return None
            key = argument.value
            return owner.items() if isinstance(key, int) else owner.property(str(key))
        return None

    def _named(self, name: str) -> Shape | None:
        if name in self.locals:
            return self.locals[name]
        if name in GIVEN_BY_JINJA:
            return None
        return self.inputs.setdefault(name, Shape())

    def bound(self, node: Any) -> Shape | None:
        """What a name stands for that is set to an expression: another name's value is needed when used."""
        shape = self.path(node)
        if shape is not None:
            return shape
        made = self.value(node)
        return made.sure() if made is not None else None

    def items_of(self, node: Any) -> Shape | None:
        """The shape of what a loop sees of a value."""
        shape = self.value(node)
        pairs = isinstance(node, self.nodes.Filter) and node.name in ("_pairs", "dictsort", "items")
        if shape is None or pairs:
            if pairs and shape is not None:
                shape.kinds["object"] = None
            return None
        return shape.items()

    def _use(self, shape: Shape) -> None:
        at: Shape | None = shape
        while at is not None:
            if at not in self.present:
                at.needed = True
            at = at.owner

    def shown(self, node: Any, *, truth: bool) -> set[Shape]:
        """The shapes that are there when a test has come out so."""
        nodes = self.nodes
        if isinstance(node, nodes.Not):
            return self.shown(node.node, truth=not truth)
        if isinstance(node, nodes.And | nodes.Or):
            left, right = self.shown(node.left, truth=truth), self.shown(node.right, truth=truth)
            return left | right if truth == isinstance(node, nodes.And) else left & right
        if isinstance(node, nodes.Test):
            absent = node.name in ("undefined", "none", "null")
            return self._chain(node.node) if truth != absent else set()
        if isinstance(node, nodes.Compare):
            absent = _is_none(node.ops[0].expr, nodes)
            equal = node.ops[0].op == "eq"
            return self._chain(node.expr) if truth == (equal != absent) else set()
        return self._chain(node) if truth else set()

    def _chain(self, node: Any) -> set[Shape]:
        inner = node
        while isinstance(inner, self.nodes.Filter | self.nodes.Call):
            inner = inner.node.node if isinstance(inner.node, self.nodes.Getattr) else inner.node
        found = set()
        at = self.path(inner) if inner is not None else None
        while at is not None:
            found.add(at)
            at = at.owner
        return found

    @contextmanager
    def in_branch(self, test: Any, *, truth: bool) -> Iterator[None]:
        """What stands where a test has come out so."""
        before = set(self.present)
        self.present |= self.shown(test, truth=truth)
        yield
        self.present = before

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Names that are set within are forgotten after it."""
        before = dict(self.locals)
        yield
        self.locals = before


def _arguments(node: Any) -> list[Any]:
    """What a filter, test or call is given."""
    return [*node.args, *(keyword.value for keyword in node.kwargs)]


def _is_none(node: Any, nodes: Any) -> bool:
    return isinstance(node, nodes.Const) and node.value is None


def _kind_of_constant(node: Any, nodes: Any) -> str:
    value = node.value if isinstance(node, nodes.Const) else None
    if isinstance(value, bool):
        return "boolean"
    return "integer" if isinstance(value, int) else "number" if isinstance(value, float) else ""


def _attribute(node: Any, nodes: Any) -> str:
    """The property of items that a filter is told to read."""
    named = [keyword.value for keyword in node.kwargs if keyword.key == "attribute"]
    if node.name in ("selectattr", "rejectattr", "groupby", "sum") and node.args:
        named = named or list(node.args[:1])
    value = named[0].value if named and isinstance(named[0], nodes.Const) else ""
    return value if isinstance(value, str) else ""
