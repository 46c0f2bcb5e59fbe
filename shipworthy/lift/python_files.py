"""The Python files of a prototype: which there are, and those that one of them imports from."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence
from functools import lru_cache

from ..errors import PrototypeError
from .draft import Unmapped
from .files import Files
from .names import word_set
from .python_syntax import Module, parse_python

DEPTH = 4
MAX_LOOKED_AT = 150
MAX_FILES = 40
OTHERS = word_set("tests test venv env node_modules site-packages __pycache__ build dist docs examples")


def python_files(files: Files) -> list[str]:
    """Paths of a folder's own Python files, the nearest first; tests and installed packages left out."""
    if not files.is_folder:
        return [files.path.name] if files.path.suffix == ".py" else []
    found = [path for depth in range(DEPTH + 1) for path in files.find("*/" * depth + "*.py")]
    return [path for path in found if not _foreign(path)][:MAX_LOOKED_AT]


def look_at(files: Files, path: str) -> Module | None:
    """The syntax of a file that speaks of CrewAI, without counting it among what was read; else None."""
    try:
        text = files.glance(path)
        return _syntax(text, path) if "crewai" in text or "CrewBase" in text else None
    except PrototypeError:
        return None


@lru_cache(maxsize=4)
def _syntax(text: str, path: str) -> Module:
    """Parsed once, though it is looked at again and again; nobody may change it."""
    return parse_python(text, path)


def parsed(files: Files, path: str, unmapped: list[Unmapped], *, own: bool = False) -> Module | None:
    """A file's syntax; where it has none, that is told with the line. `own`: whoever asks may change it."""
    try:
        text = files.read(path)
        return parse_python(text, path) if own else _syntax(text, path)
    except PrototypeError as error:
        unmapped.append(Unmapped(path, error.where or path, error.message))
        return None


def imported(
    files: Files,
    folder: str,
    origins: Iterable[str],
    unmapped: list[Unmapped],
    *,
    also: Sequence[str] = (),
    but: str = "",
) -> list[Module]:
    """The prototype's own modules that dotted names come from, and those that these import from.

    Args:
        folder: of the file that names them, relative to the root.
        origins: dotted names such as `.models.Choice` or `party.models.Choice`.
        also: paths of further files to read.
        but: the path of a file that is read already.
    """
    found: dict[str, Module] = {}
    pending = [path for path in also if path != but]
    pending += [path for origin in origins if (path := _path_of(files, folder, origin)) and path != but]
    while pending and len(found) < MAX_FILES:
        path = pending.pop(0)
        if path in found or path == but or not (files.root / path).stat().st_size:
            continue
        module = parsed(files, path, unmapped)
        if module is None:
            continue
        found[path] = module
        inner = (_path_of(files, posixpath.dirname(path), origin) for origin in module.imports.values())
        pending += [each for each in inner if each and each not in found]
    return list(found.values())


def _path_of(files: Files, folder: str, origin: str) -> str:
    """The file that a dotted name comes from, or empty where it is not the prototype's."""
    level = len(origin) - len(origin.lstrip("."))
    words = [word for word in origin.strip(".").split(".") if word]
    base = folder
    for _ in range(level - 1):
        base = posixpath.dirname(base)
    bases = [base] if level else _upwards(folder)
    for start in range(1 if level else len(words)):
        inner = words[start:]
        for end in (len(inner) - 1, len(inner)):
            stem = "/".join(inner[:end])
            if not stem or not all(word.isidentifier() for word in inner[:end]):
                continue
            for each in bases:
                for path in (posixpath.join(each, f"{stem}.py"), posixpath.join(each, stem, "__init__.py")):
                    if files.has(path):
                        return path
    return ""


def _upwards(folder: str) -> list[str]:
    found = [folder]
    while folder:
        folder = posixpath.dirname(folder)
        found.append(folder)
    return [*found, "src"]


def _foreign(path: str) -> bool:
    parts = posixpath.dirname(path).split("/")
    return any(part in OTHERS or part.startswith(".") for part in parts if part)
