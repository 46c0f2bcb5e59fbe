"""What tests of the registry share: versions that are registered without compiling each anew."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any

from shipworthy.registry import Registry, reader_for
from shipworthy.registry.reading import sealed
from shipworthy.registry.registering import model_of


def copy_versions(registry: Registry, name: str, source: int, count: int) -> list[int]:
    """More versions of the same model as `source`, each with its own number in a tag."""
    facts = registry.reader.version(name, source)
    if facts is None:
        raise LookupError(f"{name}/{source}")
    model = registry.client.get_model_version(name, str(source))
    made = []
    for number in range(count):
        tags: dict[str, Any] = {key: value for key, value in facts.tags.items() if key != "shipworthy.seal"}
        tags["shipworthy.copy"] = str(number)
        with registry.pointed():
            version = registry.client.create_model_version(
                name, model.source, run_id=facts.run, tags=sealed(tags), model_id=model_of(model)
            )
        made.append(int(version.version))
    return made


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
