"""The tools of a crew: by name, with what the files at hand say of their parameters."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import Any

from .crew_parts import Entry, python_name_of
from .draft import Tool, Unmapped
from .python_models import Models
from .python_syntax import Function, Module, dotted, keywords, methods
from .python_text import resolved, value_of


def tools_of(
    entry: Entry, modules: Sequence[Module], models: Models, unmapped: list[Unmapped]
) -> Iterator[Tool]:
    """The tools of an agent or a task; what is no name is told."""
    stated = entry.values.get("tools") or []
    seen = set()
    for value in stated if isinstance(stated, list) else [stated]:
        name = _name(value)
        if not name.isidentifier():
            unmapped.append(Unmapped(f"tool: {name or value}", entry.place("tools"), "known only to a run"))
        elif name not in seen:
            seen.add(name)
            yield _described(name, modules, models)


def _name(value: Any) -> str:
    if isinstance(value, dict) and not python_name_of(value):
        value = value.get("name") or value.get("tool_type") or ""
    text = python_name_of(value) or str(value)
    return text.rpartition(":")[2].rpartition(".")[2]


def _described(name: str, modules: Sequence[Module], models: Models) -> Tool:
    for module in modules:
        if name in module.classes:
            return _of_class(name, module.classes[name], module, models)
        for function in _functions(module):
            if function.name == name:
                return _of_function(name, function, module, models)
        if module.file.endswith(f"tools/{name}.py") and module.classes:
            found = list(module.classes.values())[-1]
            return _of_class(name, found, module, models)
    return Tool(name)


def _functions(module: Module) -> Iterator[Function]:
    yield from module.functions.values()
    for owner in module.classes.values():
        yield from methods(owner).values()


def _of_class(name: str, node: ast.ClassDef, module: Module, models: Models) -> Tool:
    about, parameters = "", None
    for item in node.body:
        if not isinstance(item, ast.AnnAssign | ast.Assign) or item.value is None:
            continue
        target = item.target if isinstance(item, ast.AnnAssign) else item.targets[0]
        if dotted(target) == "description":
            value = value_of(module, item.value)
            about = value if isinstance(value, str) else ""
        elif dotted(target) == "args_schema" and models.has(dotted(item.value)):
            parameters = models.schema(dotted(item.value))
    run = methods(node).get("_run")
    if parameters is None and run is not None:
        parameters = models.parameters(run, module)
    return Tool(name, " ".join((about or ast.get_docstring(node) or "").split()), parameters or {})


def _of_function(name: str, function: Function, module: Module, models: Models) -> Tool:
    about = ast.get_docstring(function) or ""
    for one in function.decorator_list:
        if isinstance(one, ast.Call) and "args_schema" in keywords(one):
            schema = dotted(resolved(module, keywords(one)["args_schema"]))
            if models.has(schema):
                return Tool(name, " ".join(about.split()), models.schema(schema))
    return Tool(name, " ".join(about.split()), models.parameters(function, module))
