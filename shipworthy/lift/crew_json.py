"""Crews of CrewAI's JSON projects: `crew.jsonc` with tasks, `agents/NAME.jsonc` with an agent each."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import PrototypeError
from .crew_parts import Crew, Entry, python_name_of
from .crew_steps import MODEL_KEYS
from .draft import Unmapped
from .files import Files
from .jsonc import read_jsonc
from .python_files import imported


def crew_of_json(files: Files, path: str) -> Crew:
    """The crew of a `crew.jsonc`, its agents inline or in `agents/NAME.jsonc` beside it.

    Raises:
        PrototypeError: a file does not parse, with line and column; or it is no object.
    """
    unmapped: list[Unmapped] = []
    whole = _json(files, path, unmapped)
    if not isinstance(whole, Mapping):
        raise PrototypeError("a crew is an object", hint="give it agents and tasks", where=path)
    settings = Entry("", path, dict(whole), {key: f"{path}: {key}" for key in whole})
    agents = dict(_json_agents(files, path, whole, unmapped))
    tasks: list[Entry] = []
    for index, values in enumerate(whole.get("tasks") or []):
        where = f"{path}: tasks[{index}]"
        if not isinstance(values, Mapping):
            unmapped.append(Unmapped(f"tasks[{index}]", where, "a task is an object with a description"))
            continue
        task_name = values.get("name")
        known = isinstance(task_name, str) and task_name not in [task.name for task in tasks]
        own = str(task_name) if known and task_name else f"task_{index + 1}"
        tasks.append(Entry(own, where, dict(values), {key: f"{where}.{key}" for key in values}))
    defaults = whole.get("inputs") if isinstance(whole.get("inputs"), Mapping) else {}
    named = [
        python_name_of(value) for task in tasks for key, value in task.values.items() if key in MODEL_KEYS
    ]
    named += [python_name_of(value) for task in tasks for value in _tools(task)]
    named += [python_name_of(value) for agent in agents.values() for value in _tools(agent)]
    origins = [name for name in named if name]
    customs = [tool[7:] for entry in (*tasks, *agents.values()) for tool in _tools(entry) if _is_custom(tool)]
    folder = posixpath.dirname(path)
    modules = imported(files, folder, [*origins, *(f"tools.{one}.{one}" for one in customs)], unmapped)
    return Crew(agents, tasks, settings, dict(defaults or {}), {}, modules, unmapped)


def _json_agents(
    files: Files, path: str, whole: Mapping[str, Any], unmapped: list[Unmapped]
) -> Iterator[tuple[str, Entry]]:
    """Agents by name, each of its own file or inline; a manager among them."""
    stated = whole.get("agents") or []
    if isinstance(stated, Mapping):
        stated = [{"name": name, **(one if isinstance(one, Mapping) else {})} for name, one in stated.items()]
    manager = whole.get("manager_agent")
    for one in [*stated, *([manager] if isinstance(manager, str) and manager not in stated else [])]:
        if isinstance(one, Mapping):
            name = str(one.get("name") or one.get("role") or "agent")
            yield name, _agent(name, one, f"{path}: agents.{name}")
            continue
        beside = [
            posixpath.join(posixpath.dirname(path), f"agents/{one}{suffix}") for suffix in (".jsonc", ".json")
        ]
        found = next((each for each in beside if files.has(each)), "")
        values = _json(files, found, unmapped) if found else None
        if isinstance(values, Mapping):
            yield str(one), _agent(str(one), values, found)
        else:
            unmapped.append(
                Unmapped(str(one), f"{path}: agents", f"there is no {beside[0]} that holds this agent")
            )


def _agent(name: str, values: Mapping[str, Any], where: str) -> Entry:
    entry = Entry(name, where)
    settings = values.get("settings")
    for key, value in values.items():
        if key != "settings":
            entry.values[key], entry.places[key] = (
                value,
                f"{where}: {key}" if ": " not in where else f"{where}.{key}",
            )
    for key, value in settings.items() if isinstance(settings, Mapping) else ():
        entry.values.setdefault(key, value)
        entry.places.setdefault(key, f"{where}: settings.{key}")
    return entry


def _json(files: Files, path: str, unmapped: list[Unmapped]) -> Any:
    document = read_jsonc(files.read(path), where=path)
    unmapped += [Unmapped(key, path, "the key stands twice; the last one counts") for key in document.twice]
    return document.value


def _tools(entry: Entry) -> list[Any]:
    tools = entry.values.get("tools")
    return tools if isinstance(tools, list) else []


def _is_custom(tool: Any) -> bool:
    return isinstance(tool, str) and tool.startswith("custom:")
