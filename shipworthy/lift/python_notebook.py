"""The source of a Python file, or of a notebook's code cells as one file."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..errors import PrototypeError
from .draft import Unmapped
from .files import Files
from .strict_json import read_json

MAGIC = re.compile(r"^(\s*)(?:[%!?].*|\w+\?+\s*|\w+\s*=\s*[%!].*)$", re.M)


@dataclass
class Source:
    """Python source, where each of its lines stands, and what of the file it leaves out."""

    text: str
    place: Callable[[int], str]
    unmapped: list[Unmapped] = field(default_factory=list)


def source_of(files: Files) -> Source:
    """The file's source; lines of magic commands in a notebook are blank.

    Raises:
        PrototypeError: it cannot be read, or is no notebook.
    """
    path = str(files.path)
    text = files.main()
    if files.path.suffix.lower() != ".ipynb":
        return Source(text, lambda line: f"{path}:{line}")
    lines: list[str] = []
    places: list[str] = []
    unmapped = []
    for number, cell in enumerate(_cells(read_json(text, where=path), path), 1):
        source = _code(cell)
        if source is None:
            continue
        if not _parses(source):
            unmapped.append(
                Unmapped(f"cell {number}", f"{path}: cell {number}", "it is no Python that can be read")
            )
            source = re.sub(r"[^\n]+", "", source)
        own = source.split("\n")
        lines += own
        places += [f"{path}: cell {number}, line {line}" for line in range(1, len(own) + 1)]
    return Source(
        "\n".join(lines), lambda line: places[line - 1] if 0 < line <= len(places) else path, unmapped
    )


def _cells(notebook: Any, path: str) -> list[Any]:
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list):
        raise PrototypeError("this is no notebook", hint="save it as nbformat 4", where=path)
    return cells


def _code(cell: Any) -> str | None:
    """A code cell's source without magic commands; None for other cells and languages."""
    if not isinstance(cell, dict) or cell.get("cell_type") != "code":
        return None
    source = cell.get("source", "")
    text = "".join(map(str, source)) if isinstance(source, list) else str(source)
    if re.match(r"\s*%%(?!time|capture)", text):
        return None
    return MAGIC.sub(r"\1pass", text)


def _parses(source: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
