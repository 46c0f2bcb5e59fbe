"""Where a Python file asks an LM: each call with its messages, in the order in which it runs.

A function is followed statement by statement, as syntax; calls of the file's own functions
are entered, so that a prompt that is built in one function and sent in another is one text,
and an answer that goes into the next prompt is known as that.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from .python_messages import BY_WORD, LM_METHOD, Answer, Messages, Site, Turn, is_template
from .python_syntax import Function, Module, Scope, docless, dotted, in_order, keywords, methods, nodes_in
from .python_text import Hole, Part, resolved, text_of

MAX_DEPTH = 6
MAX_ENTERED = 400
PASSED_ON = re.compile(r"prompt|instruction|template|system", re.I)


@dataclass
class Known:
    """What all walks of a file share: which functions ask by themselves, and how many were entered."""

    asks: dict[str, bool] = field(default_factory=dict)
    entered: int = 0


class Walk:
    """One run through a function or a module's own statements.

    Attributes:
        sites: in the order in which they run.
            called: the file's own functions that were entered.
        used: templates that a later call filled, by `id` of the call that makes them.
        conditions: under which a text gets another part: line and source.
        defaults: values of parameters, by name.
    """

    def __init__(self, module: Module, known: Known | None = None) -> None:
        self.module = module
        self._known = known or Known()
        self.sites: list[Site] = []
        self.called: set[str] = set()
        self.used: set[int] = set()
        self.conditions: dict[int, str] = {}
        self.defaults: dict[str, object] = {}
        self._answers: dict[int, Site] = {}
        self._made: dict[int, tuple[Part, ...]] = {}
        self._added: dict[str, list[ast.expr]] = {}
        self._messages = Messages(module, self._made, self._added)
        self._kept: list[ast.expr] = []

    def run(self, function: Function, *, owner: ast.ClassDef | None = None) -> None:
        """Follow a function from its start, its parameters unknown."""
        for name, own in defaults_of(function).items():
            if isinstance(own, ast.Constant) and isinstance(own.value, str | int | float):
                self.defaults[name] = own.value
        self._body(function.body, dict(class_constants(owner)), function.name, owner, (function.name,))

    def run_module(self) -> None:
        """Follow a module's own statements."""
        self._body(self.module.tree.body, {}, "", None, ())

    def answer_in(self, node: ast.expr, scope: Scope, seen: set[int] | None = None) -> Answer | None:
        """The call whose answer an expression is, or is cut out of; `seen` are nodes looked at."""
        seen = set() if seen is None else seen
        key = ""
        while id(node) not in seen:
            seen.add(id(node))
            if id(node) in self._answers:
                return Answer(self._answers[id(node)], key)
            found = resolved(self.module, node, scope)
            if found is not node:
                node = found
            elif isinstance(node, ast.Subscript):
                inner = node.slice.value if isinstance(node.slice, ast.Constant) else None
                named = isinstance(inner, str) and inner not in ("choices", "message", "content", "text")
                key = key or (str(inner) if named else "")
                node = node.value
            elif isinstance(node, ast.Attribute | ast.Await):
                node = node.value
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                inside = self.answer_in(node.args[0], scope, seen) if node.args else None
                if inside is not None:
                    return Answer(inside.site, key or inside.field)
                if node.func.attr == "get" and node.args and isinstance(node.args[0], ast.Constant):
                    key = key or str(node.args[0].value)
                node = node.func.value
            elif isinstance(node, ast.Call) and node.args:
                node = node.args[0]
            elif isinstance(node, ast.BoolOp):
                node = node.values[0]
        return None

    def _body(
        self,
        body: Sequence[ast.stmt],
        scope: dict[str, ast.expr],
        function: str,
        owner: ast.ClassDef | None,
        open_ones: tuple[str, ...],
    ) -> tuple[ast.expr, Scope] | None:
        """Follow statements; what they return first, with the names at that place."""
        returned: tuple[ast.expr, Scope] | None = None
        for statement, names in in_order(docless(body), scope, taking=True):
            if isinstance(statement, Function | ast.ClassDef):
                continue
            if isinstance(statement, ast.If) and self._adds_text(statement, names):
                self.conditions[statement.lineno] = ast.unparse(statement.test)[:60]
            target = _target(statement)
            self._added.pop(target, None)
            for node in _calls(statement):
                if id(node) not in self._answers:
                    self._call(
                        node,
                        cast(dict[str, ast.expr], names),
                        function,
                        owner,
                        open_ones,
                        _named(statement, target),
                    )
            if isinstance(statement, ast.Return) and statement.value is not None and returned is None:
                returned = statement.value, dict(names)
        return returned

    def _call(
        self,
        call: ast.Call,
        scope: dict[str, ast.expr],
        function: str,
        owner: ast.ClassDef | None,
        open_ones: tuple[str, ...],
        target: str,
    ) -> None:
        name = dotted(call.func)
        if name.endswith((".append", ".extend")) and call.args:
            own = call.args[0]
            before = scope.get(name.rpartition(".")[0])
            if isinstance(before, ast.List):
                if name.endswith(".extend") and not isinstance(own, ast.List):
                    more = ast.List([*before.elts, ast.Starred(own)], before.ctx)
                    scope[name.rpartition(".")[0]] = ast.copy_location(more, before)
                return
            items = own.elts if name.endswith("extend") and isinstance(own, ast.List | ast.Tuple) else [own]
            listed = isinstance(own, ast.List | ast.Tuple) or name.endswith("append")
            items = items if listed else [ast.Starred(own)]
            self._added.setdefault(name.rpartition(".")[0], []).extend(items)
            return
        inner = self._own(name, owner)
        if inner is not None and inner.name not in open_ones and self._may_enter(open_ones):
            self._enter(call, inner, scope, function, owner, open_ones, target)
            return
        invoked = self._invoked(call, scope, function, target)
        found = invoked or self._messages.asked(call, scope, function, target)
        if found is not None:
            for part in (part for turn in found.turns for part in turn.parts):
                answer = self.answer_in(part.node, scope) if isinstance(part, Hole) else None
                if answer is not None:
                    found.reads[id(part)] = answer
            last = self.sites[-1] if self.sites else None
            if last is not None and (last.function, last.said) == (found.function, found.said):
                self._answers[id(call)] = last
            else:
                self._answers[id(call)] = found
                self.sites.append(found)

    def _own(self, name: str, owner: ast.ClassDef | None) -> Function | None:
        head, _, rest = name.partition(".")
        if not rest:
            return self.module.functions.get(head)
        if owner is not None and head in ("self", "cls", owner.name):
            return methods(owner).get(rest)
        return None

    def _enter(
        self,
        call: ast.Call,
        inner: Function,
        scope: Scope,
        function: str,
        owner: ast.ClassDef | None,
        open_ones: tuple[str, ...],
        target: str,
    ) -> None:
        """Follow a call of the file's own function, its parameters bound to what they are given."""
        self.called.add(inner.name)
        self._known.entered += 1
        bound = dict(scope)
        given = _bound(inner, call)
        free = self._asks_by_itself(inner, owner) and not any(PASSED_ON.search(name) for name in given)
        for name, value in given.items():
            bound.pop(name, None)
            own = resolved(self.module, value, scope)
            if free and isinstance(own, ast.Constant):
                if open_ones or value is defaults_of(inner).get(name):
                    self.defaults[name] = own.value
            elif not (isinstance(own, ast.Name) and own.id == name):
                apart = self._apart(own, name, scope)
                if apart is not None:
                    bound[name] = apart
        for node in ast.walk(inner):
            self._answers.pop(id(node), None)
            self._made.pop(id(node), None)
        start = len(self.sites)
        returned = self._body(inner.body, bound, inner.name, owner, (*open_ones, inner.name))
        for site in self.sites[start:]:
            if not free:
                site.function, site.line = function, call.lineno
            site.target = target if site is self.sites[-1] else site.target
        if returned is None:
            return
        value, names = returned
        parts = text_of(self.module, value, names, made=self._made)
        answer = self.answer_in(value, names)
        if parts is not None:
            self._made[id(call)] = parts
        elif answer is not None:
            self._answers[id(call)] = answer.site

    def _apart(self, node: ast.expr, name: str, scope: Scope) -> ast.expr | None:
        """What a parameter is given, free of a name that means something else within the function."""
        if not any(isinstance(part, ast.Name) and part.id == name for part in ast.walk(node)):
            return node
        parts = text_of(self.module, node, scope, made=self._made)
        if parts is None:
            return node if self.answer_in(node, scope) is not None else None
        stand_in = ast.Call(ast.Name(f"{name}_given"), [], [])
        self._made[id(stand_in)] = parts
        self._kept.append(stand_in)
        return stand_in

    def _adds_text(self, statement: ast.If, scope: Scope) -> bool:
        for one in [*statement.body, *statement.orelse]:
            value = one.value if isinstance(one, ast.Assign | ast.AugAssign | ast.AnnAssign) else None
            if value is not None and text_of(self.module, value, scope, made=self._made) is not None:
                return True
        return False

    def _may_enter(self, open_ones: Sequence[str]) -> bool:
        return len(open_ones) < MAX_DEPTH and self._known.entered < MAX_ENTERED

    def _asks_by_itself(self, function: Function, owner: ast.ClassDef | None) -> bool:
        """Whether a function has a prompt with words of its own."""
        key = f"{owner.name if owner is not None else ''}.{function.name}"
        if key not in self._known.asks:
            self._known.asks[key] = False
            walk = Walk(self.module, self._known)
            walk.run(function, owner=owner)
            self._known.asks[key] = any(site.words for site in walk.sites)
        return self._known.asks[key]

    def _invoked(self, call: ast.Call, scope: Scope, function: str, target: str) -> Site | None:
        """`(prompt | llm).invoke({...})` of a template that was met before."""
        if not isinstance(call.func, ast.Attribute) or call.func.attr not in LM_METHOD | BY_WORD:
            return None
        base = resolved(self.module, call.func.value, scope)
        while isinstance(base, ast.BinOp) and isinstance(base.op, ast.BitOr):
            base = resolved(self.module, base.left, scope)
        site = self._answers.get(id(base))
        if site is None and isinstance(base, ast.Call):
            site = self._messages.asked(base, {}, "", "") if is_template(base) else None
        if site is None or not isinstance(base, ast.Call) or not is_template(base):
            return None
        self.used.add(id(base))
        given = resolved(self.module, call.args[0], scope) if call.args else None
        pairs = zip(given.keys, given.values, strict=True) if isinstance(given, ast.Dict) else ()
        values = {str(key.value): value for key, value in pairs if isinstance(key, ast.Constant)}
        turns = tuple(
            Turn(turn.role, tuple(self._filled(part, values, scope) for part in turn.parts), turn.listed)
            for turn in site.turns
        )
        return Site(turns, call, site.line, function, dict(scope), target, list(site.told))

    def _filled(self, part: Part, values: Mapping[str, ast.expr], scope: Scope) -> Part:
        if isinstance(part, str) or part.name not in values:
            return part
        value = values[part.name]
        return Hole(resolved(self.module, value, scope), part.name, dotted(value), part.spec, part.conversion)


def class_constants(owner: ast.ClassDef | None) -> dict[str, ast.expr]:
    """A class's own values, as its methods name them."""
    found: dict[str, ast.expr] = {}
    for node in owner.body if owner is not None else ():
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and owner is not None:
            for head in ("self", "cls", owner.name):
                found[f"{head}.{node.targets[0].id}"] = node.value
    return found


def _calls(statement: ast.stmt) -> list[ast.Call]:
    """The calls of a statement in the order in which they end, so that a call follows its arguments."""
    found = [node for node in nodes_in(statement, blocks=False) if isinstance(node, ast.Call)]
    return sorted(found, key=lambda node: (node.end_lineno or 0, node.end_col_offset or 0))


def _target(statement: ast.stmt) -> str:
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        return dotted(statement.targets[0])
    return dotted(statement.target) if isinstance(statement, ast.AnnAssign) else ""


def _named(statement: ast.stmt, target: str) -> str:
    return target.rpartition(".")[2] if target else ""


def _bound(function: Function, call: ast.Call) -> dict[str, ast.expr]:
    names = [one.arg for one in [*function.args.posonlyargs, *function.args.args]]
    names = [name for name in names if name not in ("self", "cls")]
    names_only = [one.arg for one in function.args.kwonlyargs]
    found = dict(zip(names, [one for one in call.args if not isinstance(one, ast.Starred)], strict=False))
    found |= {key: own for key, own in keywords(call).items() if key in [*names, *names_only]}
    return {**defaults_of(function), **found}


def defaults_of(function: Function) -> dict[str, ast.expr]:
    """Parameters that have a default, with it."""
    names = [*function.args.posonlyargs, *function.args.args]
    last = names[len(names) - len(function.args.defaults) :]
    found = {one.arg: own for one, own in zip(last, function.args.defaults, strict=True)}
    pairs = zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
    return found | {one.arg: own for one, own in pairs if own is not None}
