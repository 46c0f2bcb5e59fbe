"""CrewAI in all its shapes: YAML with crew.py, JSONC projects, crews in Python, and Flows.

A folder, or one of its files. Python is read as syntax and never imported. What the Python
cannot tell, because it does not parse or is not there, the YAML tells by itself.
"""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import PrototypeError
from . import flow_reader
from .crew_json import crew_of_json
from .crew_parts import Crew, Entry
from .crew_python import Made, PythonCrew, read_python
from .crew_steps import draft_of
from .crew_words import is_crew, marks
from .draft import Draft, Unmapped
from .files import Files
from .python_files import imported, look_at, parsed, python_files
from .python_syntax import keywords, methods
from .python_text import value_of
from .yaml12 import Document, read_yaml

FORMAT = "crewai"
SUFFIXES = ("", ".py", ".jsonc", ".json", ".yaml", ".yml")
CARRIES = (
    ("tasks, in their order", "a typed step each"),
    ("role, goal, backstory", "the step's system message"),
    ("description, expected_output", "the step's user message"),
    ("context, or all earlier tasks where it is absent", "outputs that the step is given"),
    ("output_pydantic, output_json", "the step's type"),
    ("guardrail functions", "guardrails, by name"),
    ("tools", "tools, by name, with parameters where the files have them"),
    ("inputs of crew.jsonc", "defaults"),
    ("inputs of main.py", "rows without an answer"),
    ("Flow methods that ask an LM", "steps"),
    ("@start, @listen, state fields", "what a step is given"),
    ("@router with labels", "the router"),
)
JSON_NAMES = ("crew.jsonc", "crew.json")
YAML_NAMES = ("tasks.yaml", "tasks.yml", "agents.yaml", "agents.yml")
YAML_KEY = re.compile(r"[\"']?\b(description|expected_output|role|goal|backstory)\b[\"']?\s*:")
FOLDERS = ("", "config/", "*/", "*/config/", "src/*/", "src/*/config/", "*/*/*/", "*/*/*/config/")


def recognises(files: Files) -> bool:
    """Whether this is a crew or a Flow: by its files' names and what they hold."""
    if flow_reader.recognises(files):
        return True
    if files.is_folder:
        return bool(_json_project(files) or _crew_modules(files) or _yaml(files))
    name = files.path.name
    if name.endswith(".py"):
        module = look_at(files, name)
        return (module is not None and is_crew(module)) or _says_crew(files, name)
    if name.endswith((".jsonc", ".json")):
        return _is_json_project(files, name)
    return name.endswith((".yaml", ".yml")) and bool(_yaml(files))


def read(files: Files, *, name: str) -> Draft:
    """The crew, or the Flow where there is one that asks an LM itself.

    Raises:
        PrototypeError: a YAML or JSONC file does not parse (with line and column); Python does not
            and no YAML stands beside it; or no task has a description.
    """
    if flow_reader.recognises(files):
        return flow_reader.read(files, name=name)
    named = "" if files.is_folder else files.path.name
    project = named if named.endswith((".json", ".jsonc")) else "" if named else _json_project(files)
    crew = crew_of_json(files, project) if project else _from_python_or_yaml(files, named)
    return draft_of(crew, where=str(files.path))


def _json_project(files: Files) -> str:
    found = [
        path for name in JSON_NAMES for folder in ("", "*/", "src/*/") for path in files.find(folder + name)
    ]
    return next((path for path in found if _is_json_project(files, path)), "")


def _is_json_project(files: Files, name: str) -> bool:
    text = files.glance(name)
    return '"tasks"' in text and '"agents"' in text and '"description"' in text


def _says_crew(files: Files, name: str) -> bool:
    """Whether a file that does not parse is meant for CrewAI."""
    text = files.glance(name)
    return "crewai" in text and ("CrewBase" in text or "Task(" in text)


def _crew_modules(files: Files) -> list[str]:
    """Python files of a crew, the one that is likeliest the crew itself first."""
    found = []
    for path in python_files(files):
        module = look_at(files, path)
        if (module is not None and is_crew(module)) or (module is None and _says_crew(files, path)):
            found.append(path)
    return sorted(found, key=lambda path: (posixpath.basename(path) != "crew.py", path.count("/"), path))


def _yaml(files: Files) -> tuple[str, str] | None:
    """Paths of agents and tasks that stand side by side; either may be missing (empty)."""
    if not files.is_folder and files.path.name not in YAML_NAMES:
        named = files.path.name
        return ("", named) if _yaml_kind(files, named) == "tasks" else None
    for folder in FOLDERS:
        for tasks in (path for name in YAML_NAMES[:2] for path in files.find(folder + name)):
            if _yaml_kind(files, tasks) != "tasks":
                continue
            beside = [posixpath.join(posixpath.dirname(tasks), name) for name in YAML_NAMES[2:]]
            return next((path for path in beside if files.has(path)), ""), tasks
    return None


def _yaml_kind(files: Files, name: str) -> str:
    keys = set(YAML_KEY.findall(files.glance(name)))
    if {"description", "expected_output"} <= keys:
        return "tasks"
    return "agents" if "role" in keys and keys & {"goal", "backstory"} else ""


def _from_python_or_yaml(files: Files, named: str) -> Crew:
    unmapped: list[Unmapped] = []
    path = named if named.endswith(".py") else ""
    if not path:
        path = next(iter(_crew_modules(files)), "")
    module = parsed(files, path, unmapped) if path else None
    if module is None:
        return _from_yaml(files, path, unmapped)
    folder = posixpath.dirname(path)
    origins = list(module.imports.values())
    beside = [] if path == named and not files.is_folder else _crew_modules(files)
    others = imported(files, folder, origins, unmapped, also=[*beside, *_mains(files, folder)], but=path)
    python = read_python([module, *others])
    if not python.of("task"):
        return _from_yaml(files, path, unmapped)
    return _of_python(files, folder, python, unmapped)


def _mains(files: Files, folder: str) -> list[str]:
    path = posixpath.join(folder, "main.py")
    return [path] if files.has(path) else []


def _of_python(files: Files, folder: str, python: PythonCrew, unmapped: list[Unmapped]) -> Crew:
    agents_yaml = _config(files, folder, python, "agents", unmapped)
    tasks_yaml = _config(files, folder, python, "tasks", unmapped)
    crew, values = _settings(python)
    made = _in_crew(python, crew)
    agents = {one.name: _configured(python, one, agents_yaml) for one in python.of("agent")}
    tasks = [_configured(python, one, tasks_yaml) for one in made]
    for task in tasks:
        named = task.values.get("agent")
        if isinstance(named, str) and named not in agents and named in agents_yaml:
            agents[named] = agents_yaml[named]
    for kind, entries, calls in (
        ("agent", agents_yaml, python.of("agent")),
        ("task", tasks_yaml, python.of("task")),
    ):
        used = {str(task.values.get("agent")) for task in tasks}
        used |= {key for one in calls if (key := python.config_key(one))}
        for name in (name for name in entries if name not in used):
            python.unmapped.append(
                Unmapped(name, entries[name].where, f"no {kind} of the crew is made of this entry")
            )
    where = crew.module.where(crew.call) if crew else python.modules[0].file
    settings = Entry("", where, dict(values))
    _tell_hooks(python)
    return Crew(agents, tasks, settings, {}, python.samples, python.modules, [*unmapped, *python.unmapped])


def _settings(python: PythonCrew) -> tuple[Made | None, Mapping[str, Any]]:
    """The first `Crew(...)` call and its settings; further ones are told."""
    crews = python.of("crew")
    for other in crews[1:]:
        where = other.module.where(other.call)
        python.unmapped.append(Unmapped(other.name, where, "one crew is read at a time; lift it on its own"))
    return (crews[0], python.entry(crews[0]).values) if crews else (None, {})


def _in_crew(python: PythonCrew, crew: Made | None) -> list[Made]:
    """The tasks of the crew in its order: as its list says, or all, as they are written."""

    given = keywords(crew.call).get("tasks") if crew else None
    listed = python.listed(given, crew, "task") if crew else None
    everything = python.of("task")
    if python.owner and any(one.marked for one in everything):
        everything = [one for one in everything if one.marked]
    if not listed:
        return everything
    found = [one for one in listed if one is not None]
    for index, one in enumerate(listed):
        if one is None and crew:
            python.unmapped.append(
                Unmapped(
                    f"tasks[{index}]",
                    crew.module.where(crew.call),
                    "which task it is, is known only to a run",
                )
            )
    for one in python.of("task"):
        if one not in found:
            python.unmapped.append(
                Unmapped(one.name, one.module.where(one.call), "the crew does not list this task")
            )
    return list(dict.fromkeys(found))


def _configured(python: PythonCrew, made: Made, yaml: Mapping[str, Entry]) -> Entry:
    """A call's values over those of the YAML entry that it reads."""
    entry, key = python.entry(made), python.config_key(made)
    if key is None:
        return entry
    if key not in yaml:
        python.unmapped.append(Unmapped(key, entry.where, "the YAML has no entry of this name"))
        return entry
    return entry.over(yaml[key])


def _config(
    files: Files, folder: str, python: PythonCrew, kind: str, unmapped: list[Unmapped]
) -> dict[str, Entry]:
    """The entries of `agents_config` or `tasks_config`; the usual places where the class names none."""
    candidates = [f"config/{kind}.yaml", f"{kind}.yaml", f"config/{kind}.yml", f"{kind}.yml"]
    if python.owner:
        module, node = python.owner
        for name, value in _attributes(node):
            if name != f"{kind}_config":
                continue
            stated = value_of(module, value)
            if isinstance(stated, dict):
                return _entries(stated, _Line(module.where(value)).at, unmapped)
            if isinstance(stated, str):
                if not _inside(files, folder, stated):
                    unmapped.append(
                        Unmapped(stated, module.where(value), "there is no such file in the folder")
                    )
                candidates.insert(0, stated)
    for one in candidates:
        path = _inside(files, folder, one)
        if path:
            return _yaml_entries(files, path, unmapped)
    return {}


class _Line:
    """A mapping that stands on one line."""

    def __init__(self, where: str) -> None:
        self.where = where

    def at(self, *path: str | int) -> str:
        return self.where


def _attributes(node: ast.ClassDef) -> Iterator[tuple[str, ast.expr]]:
    for item in node.body:
        if isinstance(item, ast.Assign):
            yield from ((target.id, item.value) for target in item.targets if isinstance(target, ast.Name))
        elif isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name) and item.value is not None:
            yield item.target.id, item.value


def _inside(files: Files, folder: str, path: str) -> str:
    whole = posixpath.normpath(posixpath.join(folder, path))
    return whole if not whole.startswith(("..", "/")) and files.has(whole) else ""


def _from_yaml(files: Files, path: str, unmapped: list[Unmapped]) -> Crew:
    """What the YAML holds by itself."""
    found = _yaml(files)
    if found is None:
        broken = [one for one in unmapped if one.what == path]
        raise PrototypeError(
            broken[0].why if broken else "no agents and tasks are here",
            hint="mend it, or put tasks.yaml beside it",
            where=broken[0].where if broken else str(files.path),
        )
    agents_path, tasks_path = found
    agents = _yaml_entries(files, agents_path, unmapped) if agents_path else {}
    tasks = list(_yaml_entries(files, tasks_path, unmapped).values())
    if not path:
        why = "no crew.py is beside it: the tasks run in the order of the file, each given all before it"
        unmapped.append(Unmapped("crew.py", tasks_path, why))
    return Crew(agents, tasks, Entry("", tasks_path), {}, {}, (), unmapped)


def _yaml_entries(files: Files, path: str, unmapped: list[Unmapped]) -> dict[str, Entry]:
    document: Document = read_yaml(files.read(path), where=path)
    return _entries(document.value, document.at, unmapped)


def _entries(value: Any, at: Any, unmapped: list[Unmapped]) -> dict[str, Entry]:
    found = {}
    if not isinstance(value, Mapping):
        unmapped.append(Unmapped("entries", at(), "a mapping of names to entries is expected"))
        return {}
    for name, own in value.items():
        if isinstance(own, Mapping):
            found[str(name)] = Entry(str(name), at(name), dict(own), {key: at(name, key) for key in own})
        else:
            unmapped.append(Unmapped(str(name), at(name), "no agent or task: a mapping is expected"))
    return found


def _tell_hooks(python: PythonCrew) -> None:
    """Methods of the class that run before or after the crew."""
    if not python.owner:
        return
    module, node = python.owner
    hooks = {
        "before_kickoff",
        "after_kickoff",
        "before_llm_call",
        "after_llm_call",
        "callback",
        "cache_handler",
    }
    for name, function in methods(node).items():
        if marks(function) & hooks:
            python.unmapped.append(Unmapped(name, module.where(function), "code is not carried over"))
