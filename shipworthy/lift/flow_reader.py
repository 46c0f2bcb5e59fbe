"""CrewAI Flows: each method that asks an LM is a step; state, listeners and routers connect them.

Read as syntax, never run.
"""

from __future__ import annotations

from ..errors import PrototypeError
from .draft import Draft, Unmapped
from .files import Files
from .flow_calls import source_of
from .flow_methods import StateAsAttributes, flow_classes, methods_of
from .flow_steps import FlowDraft
from .python_files import imported, look_at, parsed, python_files

FORMAT = "crewai"
SUFFIXES = ("", ".py")


def recognises(files: Files) -> bool:
    """Whether there is a Flow that asks an LM itself, in the file or in the folder."""
    if not files.is_folder:
        module = look_at(files, files.path.name) if files.path.suffix == ".py" else None
        return module is not None and bool(flow_classes(module))
    return bool(_flow_file(files))


def read(files: Files, *, name: str) -> Draft:
    """The Flow; of several in a file the first, the others told.

    Raises:
        PrototypeError: the file does not parse, with line and column; or no method asks an LM.
    """
    unmapped: list[Unmapped] = []
    path = _flow_file(files) if files.is_folder else files.path.name
    module = parsed(files, path, unmapped, own=True)
    flows = flow_classes(module) if module else []
    if module is None or not flows:
        told = unmapped[0] if unmapped else Unmapped(path, path, "no Flow is here")
        raise PrototypeError(told.why, hint="mend it, or name the file with the Flow", where=told.where)
    folder = path.rpartition("/")[0]
    modules = [module, *imported(files, folder, module.imports.values(), unmapped, but=path)]
    for other in flows[1:]:
        unmapped.append(Unmapped(other.name, module.where(other), "one Flow is read at a time"))
    StateAsAttributes().visit(module.tree)
    return FlowDraft(module, flows[0], modules, unmapped).draft()


def _flow_file(files: Files) -> str:
    for path in python_files(files):
        module = look_at(files, path)
        for node in flow_classes(module) if module else ():
            if module and any(method.asks for method in methods_of(source_of(module, node))[0].values()):
                return path
    return ""
