"""Read MLflow's SQLite database by itself: three of its tables, and only read.

Where a later MLflow lays them out otherwise, its own client reads them.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, unquote

from ..errors import RegistryError
from .local import database_path, local_path
from .reading import Facts, Tags

HERE = "workspace = 'default' AND name = ?"
ALIVE = f"{HERE} AND current_stage != 'Deleted_Internal'"
TAGS = f"SELECT version, key, value FROM model_version_tags WHERE {HERE} AND version BETWEEN ? AND ?"
FACTS = (
    "SELECT version, coalesce(storage_location, source), creation_time, run_id FROM model_versions "
    f"WHERE {ALIVE} AND version BETWEEN ? AND ? ORDER BY version"
)
LAYOUT = (
    "SELECT m.workspace, m.name, m.current_stage, m.version, m.storage_location, m.source, m.creation_time, "
    "m.run_id, t.workspace, t.name, t.version, t.key, t.value, a.workspace, a.name, a.alias, a.version, "
    "r.workspace, r.name FROM model_versions m, model_version_tags t, registered_model_aliases a, "
    "registered_models r WHERE 0"
)
LAST = 2**62
ARTIFACTS = "mlartifacts"


class SQLiteReader:
    """See `Reader`.

    Args:
        uri: `sqlite:///PATH`; timeout_s: for how long a locked database is waited for.
    """

    def __init__(self, uri: str, *, timeout_s: float = 5.0) -> None:
        self._timeout_s = timeout_s
        self._path = database_path(uri)

    def knows_layout(self) -> bool:
        """Whether the tables are laid out as in MLflow 3; what cannot be read now is found out by reading."""
        try:
            self._ask((LAYOUT, ()), timeout_s=0)
        except RegistryError as error:
            return "no such" not in error.message
        return True

    def tail(self, name: str, since: int) -> dict[int, Tags]:
        """See `Reader`."""
        alive = f"SELECT version FROM model_versions WHERE {ALIVE} AND version >= ?"
        numbers, tags = self._ask((alive, (name, since)), (TAGS, (name, since, LAST)))
        found: dict[int, dict[str, str]] = {int(number): {} for (number,) in numbers}
        for number, key, value in tags:
            if number in found:
                found[number][key] = value or ""
        return dict(found)

    def version(self, name: str, number: int) -> Facts | None:
        """See `Reader`."""
        found = self._facts(name, number, number)
        return found[0] if found else None

    def versions(self, name: str) -> list[Facts]:
        """See `Reader`."""
        return self._facts(name, 1, LAST)

    def newest(self, name: str) -> Facts | None:
        """See `Reader`."""
        ((rows),) = self._ask((f"SELECT max(version) FROM model_versions WHERE {ALIVE}", (name,)))
        return None if rows[0][0] is None else self.version(name, int(rows[0][0]))

    def aliases(self, name: str) -> dict[str, int]:
        """See `Reader`."""
        (rows,) = self._ask((f"SELECT alias, version FROM registered_model_aliases WHERE {HERE}", (name,)))
        return {alias: int(version) for alias, version in rows}

    def names(self) -> list[str]:
        """See `Reader`."""
        (rows,) = self._ask(
            ("SELECT name FROM registered_models WHERE workspace = 'default' ORDER BY name", ())
        )
        return [name for (name,) in rows]

    def _facts(self, name: str, first: int, last: int) -> list[Facts]:
        rows, tags = self._ask((FACTS, (name, first, last)), (TAGS, (name, first, last)))
        by_version: dict[int, dict[str, str]] = {}
        for number, key, value in tags:
            by_version.setdefault(number, {})[key] = value or ""
        return [
            Facts(
                name,
                int(number),
                by_version.get(number, {}),
                self._moved(location or ""),
                int(made or 0),
                run or "",
            )
            for number, location, made, run in rows
        ]

    def _ask(self, *queries: tuple[str, Sequence[Any]], timeout_s: float | None = None) -> list[list[Any]]:
        """The rows of each query, all from one state of the database; none where there is no file yet."""
        path = self._path
        if path is None or not path.exists():
            return [[(None,)] if "max(" in query else [] for query, _ in queries]
        try:
            address = f"file:{quote(str(path))}?mode=ro"
            patience = self._timeout_s if timeout_s is None else timeout_s
            with contextlib.closing(
                sqlite3.connect(address, uri=True, timeout=patience, isolation_level=None)
            ) as database:
                database.execute("BEGIN")
                return [database.execute(query, values).fetchall() for query, values in queries]
        except sqlite3.Error as error:
            raise RegistryError(
                f"the registry's database cannot be read: {error}",
                hint="check MLFLOW_TRACKING_URI, free space and permissions",
                where=str(path),
            ) from error

    def _moved(self, location: str) -> str:
        """The location, or that beside the database where the project moved: MLflow keeps absolute paths."""
        _, found, inside = location.partition(f"/{ARTIFACTS}/")
        path = local_path(location)
        if not found or self._path is None or path is None or path.exists():
            return location
        beside = self._path.parent / ARTIFACTS / unquote(inside)
        return str(beside) if beside.exists() else location
