"""The methods of a Flow: what starts them, what they ask an LM, and which state they read and write."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from .flow_calls import Ask, Source, asks_in, said_nothing
from .python_syntax import Function, Module, Scope, docless, dotted, in_order, methods

STATE = "self.state."
MARKS = ("start", "listen", "router")
HARMLESS = ("print", "logger.", "logging.", "log.", "self.logger.", "time.")
ADDS = ("append", "extend", "add", "update", "insert")


@dataclass(eq=False)
class Method:
    """A method of a Flow.

    Attributes:
        triggers: names of methods, or labels of routers, that it listens to.
        asks: its calls of an LM that say something.
        writes: for each state field that it writes, the numbers of the asks whose answers go in; none
            for what code computes.
        gives: the numbers of the asks whose answers it returns.
    """

    name: str
    function: Function
    where: str
    triggers: tuple[str, ...]
    is_start: bool = False
    is_router: bool = False
    needs_all: bool = False
    asks: list[Ask] = field(default_factory=list)
    writes: dict[str, set[int]] = field(default_factory=dict)
    values: dict[str, ast.expr] = field(default_factory=dict)
    gives: set[int] = field(default_factory=set)

    @property
    def parameter(self) -> str:
        """The name under which it takes what its trigger returned, or empty."""
        names = [one.arg for one in self.function.args.args if one.arg not in ("self", "cls")]
        return names[0] if names else ""

    @property
    def passes_on(self) -> bool:
        """Whether all that it does is hand state on or print it."""
        return all(_is_passing(one) for one in docless(self.function.body))


class Origins:
    """What an expression of a method is made of: fields of the state, parameters, answers of an LM."""

    def __init__(self, method: Method) -> None:
        self.calls = {id(ask.call): number for number, ask in enumerate(method.asks)}
        self.everything: dict[str, list[ast.expr]] = {}
        for node in ast.walk(method.function):
            targets: Sequence[ast.expr] = ()
            value: ast.expr | None = None
            if isinstance(node, ast.Assign):
                targets, value = node.targets, node.value
            elif isinstance(node, ast.AnnAssign | ast.AugAssign):
                targets, value = [node.target], node.value
            elif isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
                targets, value = [node.target], node.iter
            elif isinstance(node, ast.withitem) and node.optional_vars is not None:
                targets, value = [node.optional_vars], node.context_expr
            for target in targets:
                for one in target.elts if isinstance(target, ast.Tuple) else [target]:
                    if value is not None and dotted(one) and not dotted(one).startswith(STATE):
                        self.everything.setdefault(dotted(one), []).append(value)

    def asks(self, node: ast.AST, scope: Scope) -> set[int]:
        """Numbers of the asks whose answers go into an expression."""
        return {self.calls[id(one)] for one in self._parts(node, scope, set()) if id(one) in self.calls}

    def fields(self, node: ast.AST, scope: Scope) -> list[str]:
        """Fields of the state that go into an expression, in order."""
        names = (dotted(one) for one in self._parts(node, scope, set()))
        found = (name.removeprefix(STATE).partition(".")[0] for name in names if name.startswith(STATE))
        return list(dict.fromkeys(name for name in found if name and not name.endswith("()")))

    def _parts(self, node: ast.AST, scope: Scope, seen: set[str]) -> Iterator[ast.AST]:
        yield node
        if id(node) in self.calls:
            return
        name = dotted(node)
        if name.startswith(STATE) and not name.endswith("()"):
            return
        if name and name not in seen:
            seen.add(name)
            own = [scope[name]] if name in scope else self.everything.get(name, [])
            for value in own:
                yield from self._parts(value, scope, seen)
        for inner in ast.iter_child_nodes(node):
            yield from self._parts(inner, scope, seen)


class StateAsAttributes(ast.NodeTransformer):
    """`self.state["kind"]` and `self.state.get("kind")` as `self.state.kind`: one spelling for one thing."""

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        """A look-up by key."""
        self.generic_visit(node)
        key = node.slice.value if isinstance(node.slice, ast.Constant) else None
        if dotted(node.value) != "self.state" or not isinstance(key, str) or not key.isidentifier():
            return node
        return ast.copy_location(ast.Attribute(node.value, key, node.ctx), node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """A `get` by key; its default is the state's business."""
        self.generic_visit(node)
        if dotted(node.func) != "self.state.get" or not node.args or not isinstance(node.func, ast.Attribute):
            return node
        key = node.args[0].value if isinstance(node.args[0], ast.Constant) else None
        if not isinstance(key, str) or not key.isidentifier():
            return node
        return ast.copy_location(ast.Attribute(node.func.value, key, ast.Load()), node)


def flow_classes(module: Module) -> list[ast.ClassDef]:
    """Classes that derive from CrewAI's `Flow` and have a method that starts."""
    found = []
    for node in module.classes.values():
        bases = [base.value if isinstance(base, ast.Subscript) else base for base in node.bases]
        if any(module.origin(base).startswith("crewai") and dotted(base).endswith("Flow") for base in bases):
            found.append(node)
    return found


def methods_of(source: Source) -> tuple[dict[str, Method], list[tuple[str, str, str]]]:
    """The Flow's methods in order, and what of them is told: what, where and why."""
    found: dict[str, Method] = {}
    told: list[tuple[str, str, str]] = []
    for name, function in methods(source.owner).items():
        method = _method(name, function, source)
        if method is None:
            continue
        for ask in asks_in(source, function.body):
            if said_nothing(ask):
                told.append((ast.unparse(ask.call)[:80], ask.where, "what it asks is known only to a run"))
            else:
                method.asks.append(ask)
        _follow(method, source)
        found[name] = method
    return found, told


def in_turn(found: Mapping[str, Method], sources: Mapping[str, set[str]]) -> list[Method]:
    """Methods after those that they wait for; where they wait for each other, as they are written."""
    left, done = dict(found), []
    while left:
        ready = (name for name in left if not any(one in left and one != name for one in sources[name]))
        done.append(left.pop(next(ready, next(iter(left)))))
    return done


def sources_of(found: Mapping[str, Method], labels: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """For each method, all that run before it; `labels`: the routers that may return each label."""
    direct: dict[str, set[str]] = {}
    for method in found.values():
        direct[method.name] = set()
        for trigger in method.triggers:
            direct[method.name] |= {trigger} if trigger in found else labels.get(trigger, set())
    every: dict[str, set[str]] = {}
    for name in direct:
        before: set[str] = set()
        pending = list(direct[name])
        while pending:
            one = pending.pop()
            if one not in before:
                before.add(one)
                pending += direct.get(one, ())
        every[name] = before
    return every


def is_kickoff(call: ast.Call) -> bool:
    """Whether a call runs a crew, or a Flow."""
    return dotted(call.func).rpartition(".")[2].startswith("kickoff")


def item_of(node: ast.expr, method: Method) -> str:
    """The loop's name for one item, where an expression is made of it; or empty."""
    names = {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
    for loop in ast.walk(method.function):
        if isinstance(loop, ast.For | ast.AsyncFor | ast.comprehension):
            for one in ast.walk(loop.target):
                if isinstance(one, ast.Name) and one.id in names:
                    return one.id
    return ""


def _method(name: str, function: Function, source: Source) -> Method | None:
    method = Method(name, function, source.module.where(function), ())
    marked = False
    for node in function.decorator_list:
        call = node if isinstance(node, ast.Call) else None
        kind = dotted(call.func if call else node).rpartition(".")[2]
        if kind not in MARKS:
            continue
        marked = True
        method.is_start |= kind == "start"
        method.is_router |= kind == "router"
        for given in call.args if call else ():
            method.triggers += tuple(_conditions(given, method))
    return method if marked else None


def _conditions(node: ast.expr, method: Method) -> Iterator[str]:
    """Names in a condition such as `or_(confirm, "retry")`."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.Call):
        method.needs_all |= dotted(node.func).endswith("and_")
        for one in node.args:
            yield from _conditions(one, method)
    elif dotted(node):
        yield dotted(node).rpartition(".")[2]


def _follow(method: Method, source: Source) -> None:
    """Which state a method writes, and what it returns."""
    origins = Origins(method)
    for statement, scope in in_order(docless(method.function.body), dict(source.attributes)):
        if isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign) and statement.value is not None:
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            for target in targets:
                for one in target.elts if isinstance(target, ast.Tuple) else [target]:
                    _write(method, one, statement.value, origins, scope)
        elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            call = statement.value
            adds = isinstance(call.func, ast.Attribute) and call.func.attr in ADDS
            if adds and isinstance(call.func, ast.Attribute) and call.args:
                _write(method, call.func.value, call.args[0], origins, scope)
        elif isinstance(statement, ast.Return) and statement.value is not None:
            method.gives |= origins.asks(statement.value, scope)


def _write(method: Method, target: ast.expr, value: ast.expr, origins: Origins, scope: Scope) -> None:
    name = dotted(target)
    if not name.startswith(STATE):
        return
    key = name.removeprefix(STATE).partition(".")[0]
    method.writes.setdefault(key, set()).update(origins.asks(value, scope))
    method.values[key] = value


def _is_passing(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Pass):
        return True
    if isinstance(statement, ast.Return):
        return statement.value is None or _is_plain(statement.value)
    if isinstance(statement, ast.Expr):
        call = statement.value
        name = dotted(call.func) if isinstance(call, ast.Call) else ""
        return isinstance(call, ast.Constant) or name.startswith(HARMLESS)
    if isinstance(statement, ast.Assign):
        return _is_plain(statement.value) and all(dotted(target) for target in statement.targets)
    return False


def _is_plain(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant | ast.Name | ast.Attribute) and not dotted(node).endswith("()")
