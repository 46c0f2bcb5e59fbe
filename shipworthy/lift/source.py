"""Writes a lifted program into a project as source, without treading on anyone's edits."""

from __future__ import annotations

import difflib
from pathlib import Path

from ..errors import SourceError
from ..examples import atomic_write
from .lifting import Lifted
from .render_source import program_source, recipe_source, signature_source

MAX_DIFF_LINES = 40


def write_source(lifted: Lifted, project: Path, *, overwrite: bool = False) -> list[Path]:
    """Write the signature, the program and the recipe.

    All files are looked at before the first is written. A file with the same content is
    left alone.

    Args:
        lifted: what to write.
        project: the project's folder.
        overwrite: replace files that differ.

    Returns:
        The three paths, written or as they were.

    Raises:
        SourceError: a file exists with other content, and `overwrite` is false; the
            message holds the difference.
        StorageError: the disk is full or the folder cannot be written.
    """
    files = {
        project / "signatures" / f"{lifted.name}.py": signature_source(lifted),
        project / "programs" / f"{lifted.name}.py": program_source(lifted),
        project / "optimizers" / f"{lifted.name}.py": recipe_source(lifted),
    }
    old = {path: _read(path) for path in files}
    changed = [path for path, text in files.items() if old[path] != text]
    edited = [path for path in changed if old[path] is not None]
    if edited and not overwrite:
        names = ", ".join(str(path.relative_to(project)) for path in edited)
        exist = "exists with other content" if len(edited) == 1 else "exist with other content"
        lines = [line for path in edited for line in _diff(path, project, old[path] or "", files[path])]
        raise SourceError(
            f"{names} {exist}:\n{_cut(lines)}",
            hint=f"--new-contract replaces what is there, --name gives another name, and {lifted.name} "
            "in place of the prompt's path takes the source as it stands",
            where=str(edited[0]),
        )
    for path in changed:
        atomic_write(path, files[path])
    return list(files)


def _read(path: Path) -> str | None:
    try:
        return path.read_bytes().decode()
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise SourceError(
            f"cannot be read: {reason}", hint="move it out of the way", where=str(path)
        ) from error


def _diff(path: Path, project: Path, old: str, new: str) -> list[str]:
    name = path.relative_to(project).as_posix()
    lines = difflib.unified_diff(
        old.split("\n"), new.split("\n"), f"{name} (there)", f"{name} (lifted)", n=1, lineterm=""
    )
    return list(lines)


def _cut(lines: list[str]) -> str:
    if len(lines) <= MAX_DIFF_LINES:
        return "\n".join(lines)
    left = len(lines) - MAX_DIFF_LINES + 1
    return "\n".join([*lines[: MAX_DIFF_LINES - 1], f"… and {left} more lines"])
