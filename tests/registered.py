"""What tests of the registry share, some of it with its benchmark: copies of projects and of versions."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import sys
from pathlib import Path

from shipworthy.registry import reader_for

sys.path.append(str(Path(__file__).parent.parent / "benchmarks"))  # behind Python's own `statistics`
from copies import copy_versions

__all__ = ["alias_of", "artifact_folder", "copy_project", "copy_versions"]


def copy_project(source: Path, target: Path) -> None:
    """A copy, with every path in it as if it had been made there.

    It shares the weights in the store, which are large and never written to.
    """

    def link_or_copy(one: str, other: str) -> None:
        if one.endswith(".gguf"):
            os.link(one, other)
        else:
            shutil.copy2(one, other)

    shutil.copytree(source, target, copy_function=link_or_copy)
    for path in [*target.rglob("MLmodel"), *target.glob("**/.shipworthy/registry/**/*.json")]:
        path.write_text(path.read_text().replace(str(source), str(target)))
    for database in target.rglob("mlflow.db"):
        with contextlib.closing(sqlite3.connect(database)) as connection, connection:
            _replace(connection, str(source), str(target))


def alias_of(uri: str, name: str) -> int | None:
    """The version that MLflow's alias stands for."""
    return reader_for(uri).aliases(name).get("champion")


def artifact_folder(uri: str, name: str, version: int) -> Path:
    """Where the registered files of a version lie."""
    facts = reader_for(uri).version(name, version)
    if facts is None or facts.folder is None:
        raise LookupError(f"{name}/{version}")
    return facts.folder


def _replace(connection: sqlite3.Connection, old: str, new: str) -> None:
    for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        for (column,) in connection.execute(f"SELECT name FROM pragma_table_info('{table}')").fetchall():
            connection.execute(
                f'UPDATE "{table}" SET "{column}" = replace("{column}", ?, ?) WHERE instr("{column}", ?)',
                (old, new, old),
            )
