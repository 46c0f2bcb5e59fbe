"""CrewAI's own words in Python source: its classes, its decorators, its look-ups of YAML."""

from __future__ import annotations

import ast

from .python_syntax import Function, Module, dotted

KINDS = {"Agent": "agent", "LiteAgent": "agent", "Task": "task", "ConditionalTask": "task", "Crew": "crew"}


def is_crew(module: Module) -> bool:
    """Whether a module makes tasks or a crew, or holds a `@CrewBase`."""
    if any(is_crew_base(node, module) for node in module.classes.values()):
        return True
    calls = (node for node in ast.walk(module.tree) if isinstance(node, ast.Call))
    return any(kind_of(call, module) in ("task", "crew") for call in calls)


def marks(function: Function) -> set[str]:
    """Last names of a function's decorators."""
    nodes = [one.func if isinstance(one, ast.Call) else one for one in function.decorator_list]
    return {dotted(node).rpartition(".")[2] for node in nodes}


def looked_up_key(node: ast.expr) -> str:
    """The last key of `tasks_config["write"]["description"]`, or empty for anything else."""
    if not isinstance(node, ast.Subscript) or not isinstance(node.value, ast.Subscript):
        return ""
    config = dotted(node.value.value).endswith("_config")
    return str(node.slice.value) if config and isinstance(node.slice, ast.Constant) else ""


def is_crew_base(node: ast.ClassDef, module: Module) -> bool:
    """Whether a class is a `@CrewBase`."""
    names = [dotted(one.func if isinstance(one, ast.Call) else one) for one in node.decorator_list]
    named = [word.value for word in node.keywords if word.arg == "metaclass"]
    return any(
        name.rpartition(".")[2] in ("CrewBase", "CrewBaseMeta") for name in (*names, *map(dotted, named))
    )


def kind_of(call: ast.Call, module: Module) -> str | None:
    """Whether a call makes an "agent", a "task" or a "crew"; None for any other."""
    origin = module.origin(call.func)
    head, _, last = origin.rpartition(".")
    return KINDS.get(last) if head.startswith("crewai") else None
