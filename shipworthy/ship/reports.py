"""Write the report of a compile beside the project's other work in progress."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from ..compiler import Compiled
from ..evidence import compile_page
from ..examples import atomic_folder


def write_report(compiled: Compiled, state: Path) -> Compiled:
    """Write `report.html`, and `report.json` with what it shows, for a compiled program.

    They lie outside the artifact, whose manifest names all its files.

    Args:
        state: the project's `.shipworthy`.

    Returns:
        The same, with where its report lies.

    Raises:
        StorageError: the disk.
    """
    folder = state / "reports" / compiled.name / compiled.digest[:16]
    with atomic_folder(folder) as temporary:
        (temporary / "report.html").write_text(compile_page(compiled.figures), encoding="utf-8")
        text = json.dumps(compiled.figures, indent=1, ensure_ascii=False, allow_nan=False)
        (temporary / "report.json").write_text(text, encoding="utf-8")
    return dataclasses.replace(compiled, report=folder / "report.html")
