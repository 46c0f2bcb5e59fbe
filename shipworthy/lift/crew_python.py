"""Crews in Python: `Agent(...)`, `Task(...)` and `Crew(...)` found by syntax, wherever they are made.

In the methods of a `@CrewBase` class, in a class of factory methods, in a function or in the
module itself. What one call names another by (a variable, a method, a parameter and what a
caller gives for it) is followed; nothing is run.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from .crew_parts import Entry
from .crew_words import KINDS, is_crew_base, kind_of, looked_up_key, marks
from .draft import Unmapped, check_count
from .python_syntax import Function, Module, Scope, attributes, calls_in, docless, dotted, keywords, methods
from .python_text import UNKNOWN, Hole, resolved, text_of, value_of
from .slot_names import last_name

POSITIONAL = {"agent": ("role", "goal", "backstory"), "task": ("description", "expected_output"), "crew": ()}
CLASSES = ("output_pydantic", "output_json", "response_model")
FUNCTIONS = (
    "guardrail",
    "guardrails",
    "callback",
    "callbacks",
    "condition",
    "step_callback",
    "task_callback",
)
MAX_STEPS = 20
MAX_NAMES = 1_000_000
"""That are known at all calls together: of further calls it is not known what they give."""


@dataclass(eq=False)
class Made:
    """One call that makes an agent, a task or a crew, with the names known where it stands."""

    kind: str
    name: str
    call: ast.Call
    scope: Scope
    module: Module
    owner: ast.ClassDef | None = None
    function: Function | None = None
    marked: bool = False


@dataclass
class PythonCrew:
    """What the Python files of a crew hold.

    Attributes:
        owner: the `@CrewBase` class, or None.
        made: its agents, tasks and crews, in the order of the files.
        known: names of all functions and methods.
        samples: literal dictionaries that are given to `kickoff`, by place; `UNKNOWN` for what is computed.
    """

    modules: Sequence[Module]
    owner: tuple[Module, ast.ClassDef] | None = None
    made: list[Made] = field(default_factory=list)
    samples: dict[str, dict[str, Any]] = field(default_factory=dict)
    unmapped: list[Unmapped] = field(default_factory=list)
    known: set[str] = field(default_factory=set)
    _calls: list[tuple[str, ast.Call, Scope, Module, Function | None]] = field(default_factory=list)
    _names: int = 0

    def of(self, kind: str) -> list[Made]:
        """Those of a kind."""
        return [one for one in self.made if one.kind == kind]

    def entry(self, made: Made) -> Entry:
        """A call's arguments as plain values."""
        given = dict(zip(POSITIONAL[made.kind], made.call.args, strict=False)) | keywords(made.call)
        entry = Entry(made.name, made.module.where(made.call))
        for word in made.call.keywords:
            if word.arg is None:
                self.unmapped.append(
                    Unmapped(
                        f"**{ast.unparse(word.value)}", entry.where, "what it holds is known only to a run"
                    )
                )
        for key, node in given.items():
            if key != "config" and looked_up_key(node) != key:
                entry.values[key] = self._plain(key, node, made)
                entry.places[key] = made.module.where(node)
        return entry

    def config_key(self, made: Made) -> str | None:
        """The key of the YAML entry that a call reads, or None where it reads none."""
        words = keywords(made.call)
        looked_up = [
            one.value
            for key, one in words.items()
            if isinstance(one, ast.Subscript) and looked_up_key(one) == key
        ]
        node = words.get("config") or next(iter(looked_up), None)
        node = None if node is None else resolved(made.module, node, made.scope)
        if isinstance(node, ast.Subscript):
            key = value_of(made.module, node.slice, made.scope)
        elif isinstance(node, ast.Call) and node.args and dotted(node.func).endswith("_config.get"):
            key = value_of(made.module, node.args[0], made.scope)
        else:
            return None
        return key if isinstance(key, str) else None

    def referred(self, node: ast.expr, made: Made, kind: str) -> Made | None:
        """The agent or task that an expression stands for."""
        return self._follow(node, made.scope, made.module, made.function, kind, 0)

    def listed(self, node: ast.expr | None, made: Made, kind: str) -> list[Made | None] | None:
        """Those of a list, None for what cannot be followed; None where it is no list."""
        found = None if node is None else resolved(made.module, node, made.scope)
        if not isinstance(found, ast.List | ast.Tuple):
            return None
        return [self.referred(item, made, kind) for item in found.elts]

    def _follow(
        self,
        node: ast.expr,
        scope: Scope,
        module: Module,
        function: Function | None,
        kind: str,
        depth: int,
    ) -> Made | None:
        if depth > MAX_STEPS:
            return None
        found = resolved(module, node, scope)
        for one in self.of(kind):
            if one.call is found:
                return one
        called = isinstance(found, ast.Call)
        name = dotted(found.func if isinstance(found, ast.Call) else found).rpartition(".")[2]
        if not called and function is not None and isinstance(found, ast.Name):
            given = self._given(name, function)
            if given is not None:
                value, site = given
                return self._follow(value, site[2], site[3], site[4], kind, depth + 1)
        alike = [
            one for one in self.of(kind) if name and name in (one.name, getattr(one.function, "name", None))
        ]
        near = [one for one in alike if one.module is module]
        return next(iter(near or alike), None)

    def _given(self, parameter: str, function: Function) -> tuple[ast.expr, Any] | None:
        """What the first caller of a function gives for a parameter."""
        names = [one.arg for one in function.args.args if one.arg not in ("self", "cls")]
        if parameter not in [*names, *(one.arg for one in function.args.kwonlyargs)]:
            return None
        for site in self._calls:
            if site[0] != function.name:
                continue
            given = dict(zip(names, site[1].args, strict=False)) | keywords(site[1])
            if parameter in given:
                return given[parameter], site
        return None

    def _plain(self, key: str, node: ast.expr, made: Made) -> Any:
        if key in ("agent", "manager_agent"):
            found = self.referred(node, made, "agent")
            return found.name if found else {"python": ast.unparse(node)}
        if key == "context":
            return self._context(node, made)
        found_node = resolved(made.module, node, made.scope)
        if key in ("tools", "mcps", "guardrails", "callbacks", "knowledge_sources"):
            if not isinstance(found_node, ast.List | ast.Tuple):
                return [{"python": ast.unparse(found_node)}]
            return [self._coded(item, made, called=key != "guardrails") for item in found_node.elts]
        if key in CLASSES or key in FUNCTIONS:
            return self._coded(node, made, called=False)
        text = self._text(node, made)
        if text is not None:
            return text
        value = value_of(made.module, node, made.scope)
        return {"python": ast.unparse(node)} if value is UNKNOWN else value

    def _context(self, node: ast.expr, made: Made) -> Any:
        found = self.listed(node, made, "task")
        if found is None:
            known = value_of(made.module, node, made.scope)
            return known if known in (None, []) else {"python": ast.unparse(node)}
        for item in found:
            if item is None:
                self.unmapped.append(
                    Unmapped("context", made.module.where(node), "one of its tasks is known only to a run")
                )
        return [item.name for item in found if item is not None]

    def _coded(self, node: ast.expr, made: Made, *, called: bool) -> Any:
        """The name of a function or class, or, where `called`, of what makes an object; text as it is."""
        text = self._text(node, made)
        if text is not None:
            return text
        if isinstance(node, ast.Constant) and node.value is None:
            return None
        found = resolved(made.module, node, made.scope)
        if isinstance(found, ast.Lambda):
            return {"python": "lambda"}
        if isinstance(found, ast.Call):
            name = dotted(found.func)
        elif called or not isinstance(node, ast.Name):
            name = dotted(found)
        else:
            name = node.id
        name = name.removeprefix("self.").removeprefix("cls.").removesuffix("()")
        return {"python": name or ast.unparse(node)}

    def _text(self, node: ast.expr, made: Made) -> str | None:
        """A text as CrewAI would be given it, with a slot for each part that a run fills."""
        parts = text_of(made.module, node, made.scope)
        if parts is None:
            found = resolved(made.module, node, made.scope)
            return self._inlined(found, made) if isinstance(found, ast.Call) else None
        found_parts = []
        for part in parts:
            if isinstance(part, str):
                found_parts.append(part)
                continue
            inner = self._inlined(part.node, made) if isinstance(part.node, ast.Call) else None
            found_parts.append(inner if inner is not None else self._slot(part, made))
        return "".join(found_parts)

    def _slot(self, hole: Hole, made: Made) -> str:
        last = last_name(hole.spelling)
        name = hole.name or (last if last.isidentifier() else _name_within(hole.node))
        named = dotted(hole.node).removeprefix("self.").removeprefix("cls.")
        if not named.isidentifier():
            self.unmapped.append(
                Unmapped(
                    hole.spelling,
                    made.module.where(hole.node),
                    f"code computes it; it is the input {name} now",
                )
            )
        return "{" + name + "}"

    def _inlined(self, call: ast.Call, made: Made) -> str | None:
        """What a method without arguments returns, where that is a text."""
        name = dotted(call.func).rpartition(".")[2]
        own = methods(made.owner) if made.owner else {}
        function = own.get(name) or made.module.functions.get(name)
        body = docless(function.body) if function else []
        if call.args or call.keywords or len(body) != 1 or not isinstance(body[0], ast.Return):
            return None
        if body[0].value is None:
            return None
        parts = text_of(made.module, body[0].value) or ()
        return "".join(part for part in parts if isinstance(part, str)) if parts else None


def read_python(modules: Sequence[Module]) -> PythonCrew:
    """Find the crew of some files: the first `@CrewBase` class, or all that is made anywhere."""
    crew = PythonCrew(modules)
    for module in modules:
        crew.known.update(module.functions, *(methods(owner) for owner in module.classes.values()))
    bases = [
        (module, node) for module in modules for node in module.classes.values() if is_crew_base(node, module)
    ]
    if bases:
        crew.owner = bases[0]
        for module, node in bases[1:]:
            crew.unmapped.append(
                Unmapped(
                    node.name, module.where(node), "one crew is read at a time; lift this one on its own"
                )
            )
    for module in modules:
        for owner, function, body in _bodies(module):
            others = [node for _, node in bases[1:]]
            _collect(crew, module, owner, function, body, skip=owner in others)
    if crew.owner:
        crew.made = [one for one in crew.made if one.owner is crew.owner[1]]
    return crew


def _bodies(module: Module) -> Iterator[tuple[ast.ClassDef | None, Function | None, list[ast.stmt]]]:
    yield None, None, module.tree.body
    for function in module.functions.values():
        yield None, function, function.body
    for owner in module.classes.values():
        for function in methods(owner).values():
            yield owner, function, function.body


def _collect(
    crew: PythonCrew,
    module: Module,
    owner: ast.ClassDef | None,
    function: Function | None,
    body: Sequence[ast.stmt],
    *,
    skip: bool,
) -> None:
    found: list[Made] = []
    known = attributes(owner) if owner and function and function.name != "__init__" else {}
    for call, statement, scope in calls_in(body, known):
        name = dotted(call.func).rpartition(".")[2]
        kind = kind_of(call, module)
        if kind is None and name not in crew.known and not name.startswith("kickoff"):
            continue
        if name.startswith("kickoff"):
            _sample(crew, module, call, scope)
        crew._names += len(scope)
        if kind is None and crew._names > MAX_NAMES:
            continue
        kept = dict(scope)
        crew._calls.append((name, call, kept, module, function))
        if kind and not skip:
            found.append(Made(kind, _target(statement, call), call, kept, module, owner, function))
            alike = sum(one.kind == kind for one in (*crew.made, *found))
            check_count(alike, f"{kind}s", module.where(call))
    _name(found, function)
    crew.made += found


def _target(statement: ast.stmt, call: ast.Call) -> str:
    """The variable that a call's result is given to, or empty."""
    if isinstance(statement, ast.Assign) and statement.value is call:
        return dotted(statement.targets[0]).rpartition(".")[2]
    if isinstance(statement, ast.AnnAssign) and statement.value is call:
        return dotted(statement.target).rpartition(".")[2]
    return ""


def _name(found: Sequence[Made], function: Function | None) -> None:
    """Names by what the code calls them: the method that makes one, the variable, their own, or a number."""
    for kind in KINDS.values():
        alike = [one for one in found if one.kind == kind]
        for number, one in enumerate(alike, 1):
            one.marked = function is not None and kind in marks(function)
            factory = function is not None and len(found) == 1 and _returns(function)
            own = keywords(one.call).get("name")
            said = own.value if isinstance(own, ast.Constant) and isinstance(own.value, str) else ""
            if function is not None and (one.marked or factory):
                one.name = function.name
            elif not one.name:
                one.name = said or (f"{kind}_{number}" if len(alike) > 1 else kind)


def _returns(function: Function) -> bool:
    return any(isinstance(node, ast.Return) and node.value is not None for node in ast.walk(function))


def _sample(crew: PythonCrew, module: Module, call: ast.Call, scope: Scope) -> None:
    node = keywords(call).get("inputs") or (call.args[0] if call.args else None)
    found = None if node is None else resolved(module, node, scope)
    if not isinstance(found, ast.Dict):
        return
    sample: dict[str, Any] = {}
    for key, value in zip(found.keys, found.values, strict=True):
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            sample[key.value] = value_of(module, value, scope)
    crew.samples.setdefault(module.where(found), sample)


def _name_within(node: ast.expr) -> str:
    """The last name of an expression, as that of the input which stands for it."""
    names = [
        one.attr if isinstance(one, ast.Attribute) else one.id
        for one in ast.walk(node)
        if isinstance(one, ast.Attribute | ast.Name)
    ]
    return next((name.strip("_") for name in names if name.strip("_") not in ("", "self")), "value")
