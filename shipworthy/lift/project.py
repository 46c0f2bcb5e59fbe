"""A project: the nearest folder upwards whose `pyproject.toml` has `[tool.shipworthy]`."""

from __future__ import annotations

import json
import re
import tomllib
import unicodedata
from pathlib import Path
from typing import Any

from ..errors import SourceError, StorageError
from ..examples import atomic_write

FOLDERS = ("signatures", "programs", "optimizers", "data", "notebooks", "tests")
IGNORED = (".shipworthy/", "mlflow.db", "mlartifacts/")

PYPROJECT = """\
[project]
name = {name}
version = "0.1.0"
requires-python = ">=3.11"
dependencies = ["shipworthy[compile]"]

[tool.shipworthy]

[tool.ruff]
line-length = 100
"""


def find_project(start: Path) -> Path | None:
    """The project that a file or folder lies in, or None.

    Raises:
        SourceError: a `pyproject.toml` that names shipworthy is not well-formed.
    """
    start = start.absolute()
    for folder in (start, *start.parents):
        path = folder / "pyproject.toml"
        if not path.is_file():
            continue
        text = _read(path)
        if "shipworthy" in text and _has_table(_parse(text, path)):
            return folder
    return None


def project_settings(project: Path) -> dict[str, Any]:
    """The table `[tool.shipworthy]` of a project; empty where there is none.

    Raises:
        SourceError: its `pyproject.toml` is not well-formed.
    """
    path = project / "pyproject.toml"
    table = _parse(_read(path), path).get("tool", {}) if path.is_file() else {}
    found = table.get("shipworthy", {}) if isinstance(table, dict) else {}
    return found if isinstance(found, dict) else {}


def make_project(folder: Path, name: str) -> list[Path]:
    """Make a folder a project, as far as it is none; what is there stays.

    Args:
        folder: need not exist yet.
        name: of the project, if it has no `pyproject.toml`.

    Returns:
        What was written or made.

    Raises:
        SourceError: the folder's `pyproject.toml` cannot be read or extended.
        StorageError: the disk is full or the folder cannot be written.
    """
    made = _make_folders(folder)
    path = folder / "pyproject.toml"
    text = _extended(path, name)
    if text is not None:
        atomic_write(path, text)
        made.append(path)
    ignore = folder / ".gitignore"
    old = _read(ignore) if ignore.exists() else ""
    missing = [line for line in IGNORED if line not in old.split()]
    if missing:
        gap = "" if not old or old.endswith("\n") else "\n"
        atomic_write(ignore, old + gap + "".join(f"{line}\n" for line in missing))
        made.append(ignore)
    return made


def _make_folders(folder: Path) -> list[Path]:
    made = []
    for path in (folder, *(folder / name for name in FOLDERS)):
        try:
            if not path.is_dir():
                path.mkdir(parents=True)
                made.append(path)
        except OSError as error:
            raise StorageError(
                f"cannot make the folder: {error.strerror or error}",
                hint="check the path and its permissions",
                where=str(path),
            ) from error
    return made


def _extended(path: Path, name: str) -> str | None:
    """What `pyproject.toml` is to hold, or None if it is right as it stands."""
    if not path.exists():
        return PYPROJECT.format(name=json.dumps(_distribution(name)))
    text = _read(path)
    if _has_table(_parse(text, path)):
        return None
    gap = "" if not text or text.endswith("\n") else "\n"
    longer = f"{text}{gap}\n[tool.shipworthy]\n"
    _parse(longer, path)
    return longer


def _distribution(name: str) -> str:
    """A program's name as a distribution may be called: ASCII letters, digits and dashes."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9]+", "-", plain).strip("-").lower() or "program"


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise SourceError(f"cannot be read: {reason}", hint="check the file", where=str(path)) from error


def _parse(text: str, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SourceError(
            f"not well-formed TOML: {error}", hint="mend the file, then run it again", where=str(path)
        ) from error


def _has_table(data: dict[str, Any]) -> bool:
    tool = data.get("tool")
    return isinstance(tool, dict) and isinstance(tool.get("shipworthy"), dict)
