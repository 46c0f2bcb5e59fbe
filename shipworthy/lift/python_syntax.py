"""Python files as syntax: their names, their imports, and statements in the order in which they run.

Nothing here imports or runs what it reads.
"""

from __future__ import annotations

import ast
import warnings
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..errors import PrototypeError

MAX_LENGTH = 500_000
Function = ast.FunctionDef | ast.AsyncFunctionDef
Scope = Mapping[str, ast.expr]
BLOCKS = (ast.stmt, ast.ExceptHandler)


@dataclass(frozen=True)
class Module:
    """A file as syntax.

    Attributes:
        file: its path relative to the prototype's root.
        constants: names that the module gives a value once.
        imports: what a local name stands for, such as `crewai.Agent`.
    """

    file: str
    tree: ast.Module
    constants: Mapping[str, ast.expr]
    classes: Mapping[str, ast.ClassDef]
    functions: Mapping[str, Function]
    imports: Mapping[str, str]

    def where(self, node: ast.AST) -> str:
        """The place of a node, for people."""
        return f"{self.file}:{getattr(node, 'lineno', 1)}"

    def origin(self, node: ast.expr) -> str:
        """The dotted name of what is used or called, imports resolved; empty where it has none."""
        name = dotted(node)
        head, dot, rest = name.partition(".")
        return f"{self.imports.get(head, head)}{dot}{rest}"


def parse_python(text: str, file: str) -> Module:
    """Read a file's syntax; no part of it runs.

    Raises:
        PrototypeError: it does not parse, with line and column in `where`; or is over 500,000 characters.
    """
    if len(text) > MAX_LENGTH:
        raise PrototypeError(
            f"the file is over {MAX_LENGTH:,} characters of Python",
            hint="name a file that holds the prompt alone",
            where=file,
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text, filename=file)
    except SyntaxError as error:
        raise PrototypeError(
            f"this is no Python that can be read: {error.msg}",
            hint="mend the line, or name a file without it",
            where=f"{file}:{error.lineno or 1}:{error.offset or 1}",
        ) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise PrototypeError(
            f"this is no Python that can be read: {error or 'nested too deeply'}",
            hint="name a file that holds the prompt alone",
            where=file,
        ) from error
    body = list(_outer(tree.body))
    return Module(
        file=file,
        tree=tree,
        constants=_constants(body),
        classes={node.name: node for node in body if isinstance(node, ast.ClassDef)},
        functions={node.name: node for node in body if isinstance(node, Function)},
        imports=_imports(tree),
    )


def dotted(node: ast.AST) -> str:
    """`a.b.c` as text; calls on the way keep their brackets; empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        inner = dotted(node.value)
        return f"{inner}.{node.attr}" if inner else ""
    if isinstance(node, ast.Call):
        inner = dotted(node.func)
        return f"{inner}()" if inner else ""
    return ""


def keywords(call: ast.Call) -> dict[str, ast.expr]:
    """A call's arguments by name; `**mapping` is left out."""
    return {word.arg: word.value for word in call.keywords if word.arg is not None}


def methods(node: ast.ClassDef) -> dict[str, Function]:
    """A class's own methods, in order."""
    return {item.name: item for item in node.body if isinstance(item, Function)}


def attributes(owner: ast.ClassDef) -> dict[str, ast.expr]:
    """What a class's body and its `__init__` give to `self`, by dotted name."""
    found: dict[str, ast.expr] = {}
    for item in owner.body:
        if isinstance(item, ast.Assign):
            found |= {
                f"self.{target.id}": item.value for target in item.targets if isinstance(target, ast.Name)
            }
        elif isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name) and item.value is not None:
            found[f"self.{item.target.id}"] = item.value
    start = methods(owner).get("__init__")
    for statement, _ in in_order(docless(start.body), {}) if start else ():
        if isinstance(statement, ast.Assign):
            for target in statement.targets:
                if dotted(target).startswith("self."):
                    found[dotted(target)] = statement.value
    return found


def docless(body: Sequence[ast.stmt]) -> list[ast.stmt]:
    """A body without its docstring."""
    first = body[0] if body else None
    said = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return list(body[1:] if said else body)


def in_order(
    body: Sequence[ast.stmt], scope: dict[str, ast.expr], *, taking: bool = False
) -> Iterator[tuple[ast.stmt, Scope]]:
    """Each statement of a body as it would run, blocks entered, with the names known before it.

    `scope` is carried along and changes from statement to statement: who keeps it takes a copy. A name
    that one branch gives another text is forgotten after it, or with `taking` has that text.
    """
    for statement in body:
        yield statement, scope
        if isinstance(statement, Function | ast.ClassDef):
            continue
        blocks = _blocks(statement)
        before = dict(scope) if blocks else {}
        ends = []
        for block in blocks:
            inner = dict(before)
            yield from in_order(block, inner, taking=taking)
            ends.append(inner)
        if isinstance(statement, ast.With | ast.AsyncWith) and ends:
            scope.update(ends[0])
        else:
            _merge(scope, ends, taking=taking)
        _assign(statement, scope)
        _grown(statement, scope)


def calls_in(
    body: Sequence[ast.stmt], scope: dict[str, ast.expr]
) -> Iterator[tuple[ast.Call, ast.stmt, Scope]]:
    """The calls of a body as it would run, each with its statement and the names known before it."""
    for statement, names in in_order(docless(body), scope):
        if not isinstance(statement, Function | ast.ClassDef):
            calls = (node for node in nodes_in(statement, blocks=False) if isinstance(node, ast.Call))
            yield from ((call, statement, names) for call in calls)


def nodes_in(node: ast.AST, *, blocks: bool = True) -> Iterator[ast.AST]:
    """A node and all within it, outer ones first, in the order of the text; `ast.walk` takes twice as long.

    Args:
        blocks: also the statements within it.
    """
    pending = [node]
    while pending:
        node = pending.pop()
        yield node
        if isinstance(node, ast.Name | ast.Constant):
            continue
        inner: list[ast.AST] = []
        for name in node._fields:
            value = getattr(node, name, None)
            if isinstance(value, ast.AST):
                inner.append(value)
            elif isinstance(value, list):
                inner += [one for one in value if isinstance(one, ast.AST)]
        if not blocks:
            inner = [one for one in inner if not isinstance(one, BLOCKS)]
        pending += reversed(inner)


def _outer(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """A module's statements, those under `if`, `try` and `with` among them."""
    for node in body:
        yield node
        if isinstance(node, ast.If | ast.Try | ast.With):
            for block in _blocks(node):
                yield from _outer(block)


def _blocks(node: ast.stmt) -> list[list[ast.stmt]]:
    found = [getattr(node, name, []) for name in ("body", "orelse", "finalbody")]
    found += [handler.body for handler in getattr(node, "handlers", [])]
    found += [case.body for case in getattr(node, "cases", [])]
    return [block for block in found if block]


def _constants(body: Sequence[ast.stmt]) -> dict[str, ast.expr]:
    found: dict[str, ast.expr] = {}
    twice: set[str] = set()
    for name, value in _assigned(body):
        if name in found:
            twice.add(name)
        found[name] = value
    return {name: value for name, value in found.items() if name not in twice}


def _assigned(body: Sequence[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
    for node in body:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    yield target.id, node.value
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            yield node.target.id, node.value


def _imports(tree: ast.Module) -> dict[str, str]:
    found = {}
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                head = alias.name.partition(".")[0]
                found[alias.asname or head] = alias.name if alias.asname else head
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                found[alias.asname or alias.name] = f"{'.' * node.level}{node.module or ''}.{alias.name}"
    return found


def _statements(tree: ast.Module) -> Iterator[ast.AST]:
    """All statements at any depth, in the order of `ast.walk`."""
    pending: deque[ast.AST] = deque([tree])
    while pending:
        node = pending.popleft()
        yield node
        for name in ("body", "cases", "handlers", "orelse", "finalbody"):
            pending.extend(getattr(node, name, ()))


def _assign(node: ast.stmt, scope: dict[str, ast.expr]) -> None:
    """What a statement does to the names known."""
    if isinstance(node, ast.Assign):
        for target in node.targets:
            if dotted(target):
                scope[dotted(target)] = _without_itself(node.value, dotted(target), scope)
    elif isinstance(node, ast.AnnAssign) and node.value is not None and dotted(node.target):
        scope[dotted(node.target)] = _without_itself(node.value, dotted(node.target), scope)
    elif isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add) and dotted(node.target):
        name = dotted(node.target)
        if name in scope:
            scope[name] = ast.copy_location(ast.BinOp(scope[name], ast.Add(), node.value), node)


def _grown(node: ast.stmt, scope: dict[str, ast.expr]) -> None:
    """A list that a statement appends to."""
    call = node.value if isinstance(node, ast.Expr) else None
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute) or len(call.args) != 1:
        return
    name, given = dotted(call.func.value), call.args[0]
    before = scope.get(name)
    if isinstance(before, ast.List):
        more = given.elts if isinstance(given, ast.List) else None
        if call.func.attr == "append":
            more = [given]
        if call.func.attr in ("append", "extend") and more is not None:
            scope[name] = ast.copy_location(ast.List([*before.elts, *more], before.ctx), before)


def _without_itself(value: ast.expr, name: str, scope: Scope) -> ast.expr:
    """`value` with its earlier self in place of its own name, as in `text = text + more`."""

    uses = sum(isinstance(node, ast.Name) and node.id == name for node in nodes_in(value))
    if not uses:
        return value
    if uses > 1:  # It would double each time.
        return ast.copy_location(ast.Name(name), value)

    class Earlier(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:
            return scope[name] if node.id == name and name in scope else node

    copy = ast.parse(ast.unparse(value), mode="eval").body
    for node in ast.walk(copy):
        if hasattr(node, "lineno"):
            ast.copy_location(node, value)
    found: ast.expr = Earlier().visit(copy)
    return found


def _merge(scope: dict[str, ast.expr], ends: Sequence[Scope], *, taking: bool) -> None:
    """After branches: what they agree on, and what one of them alone names for the first time."""
    for name in dict.fromkeys(name for end in ends for name in end):
        given = [end[name] for end in ends if name in end and end[name] is not scope.get(name)]
        if given and (taking or (len(given) == 1 and name not in scope)):
            scope[name] = given[0]
        elif given:
            scope.pop(name, None)
