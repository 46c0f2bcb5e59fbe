"""From a name to an artifact, without MLflow: a manifest beside the local database, or REST.

Registering and promoting write `.shipworthy/registry/NAME.json` beside the SQLite file
that MLflow uses. It names the folder and the digest of each version, and the champion.
A tracking server is asked over REST instead.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from ..errors import InputError, NotFoundError, RegistryError
from ..examples import atomic_write, folder_lock, storage_errors

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
SPEC = re.compile(r"(?P<name>[^@/]+)(?:@(?P<alias>[A-Za-z][\w-]*)|/(?P<version>[1-9]\d*))?")
UNADDRESSABLE = re.compile(r"\?|%[0-9A-Fa-f]{2}")
CHAMPION = "champion"


@dataclass(frozen=True)
class Resolved:
    """A version that was found.

    Attributes:
        artifact: the folder; digest: what the registry says the program's sha256 is.
        said: what the user should be told of how it was chosen, or empty.
    """

    name: str
    version: int
    artifact: Path
    digest: str
    said: str = ""


def parse_name(text: str) -> tuple[str, str | None, int | None]:
    """Name, alias and version of `triage`, `triage@champion` or `triage/3`.

    Raises:
        NotFoundError: it is none of these.
    """
    match = SPEC.fullmatch(text)
    if not match or not NAME.fullmatch(match["name"]):
        raise NotFoundError(
            f"{text!r} is no name of a program",
            hint="use NAME, NAME@ALIAS, NAME/VERSION, or the folder of an artifact",
        )
    return match["name"], match["alias"], int(match["version"]) if match["version"] else None


def tracking_uri(project: Path | None) -> str:
    """Where MLflow keeps things: MLFLOW_TRACKING_URI, or the project's own SQLite file.

    Raises:
        RegistryError: it is MLflow's file store, which tears reads and is refused.
        NotFoundError: there is neither.
        InputError: the project's path cannot be written as an address.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI", "").strip()
    if not uri:
        if project is None:
            raise NotFoundError(
                "this is no project, and MLFLOW_TRACKING_URI is not set",
                hint="change into a project, or set MLFLOW_TRACKING_URI",
            )
        path = str((project / "mlflow.db").absolute())
        if UNADDRESSABLE.search(path):
            raise InputError(
                "the path of this project holds a question mark or an escape: no database can lie there",
                hint="rename the folder, or set MLFLOW_TRACKING_URI",
                where=str(project),
            )
        return f"sqlite:///{path}"
    if urlparse(uri).scheme in ("", "file"):
        raise RegistryError(
            "MLflow's file store is not supported: it loses updates and tears reads",
            hint="set MLFLOW_TRACKING_URI to sqlite:////path/mlflow.db or to a server",
            where=uri,
        )
    return uri


def database_folder(uri: str) -> Path | None:
    """The folder of a local SQLite database; None for any other store."""
    path = database_path(uri)
    return None if path is None else path.parent


def database_path(uri: str) -> Path | None:
    """The file of a local SQLite database; None for any other store."""
    if not uri.startswith("sqlite:"):
        return None
    return Path(unquote(uri.partition(":///")[2].partition("?")[0])).absolute()


def resolve(text: str, *, uri: str) -> Resolved:
    """The version that a name stands for: the alias or version asked for, the champion, or else the newest.

    Raises:
        NotFoundError: there is no such program, alias or version.
        RegistryError: the registry cannot be read.
    """
    name, alias, version = parse_name(text)
    folder = database_folder(uri)
    if folder is None:
        from .remote import resolve_remote

        return resolve_remote(name, alias, version, uri=uri)
    entry = read_manifest(folder, name)
    versions: dict[str, Any] = entry["versions"]
    aliases: dict[str, int] = entry["aliases"]
    if not versions:
        raise NotFoundError(
            f"no program {name!r} is registered",
            hint=f"known here: {', '.join(known_names(folder)) or 'none'}; `shipworthy ship` registers one",
            where=uri,
        )
    said = ""
    if version is None:
        wanted = aliases.get(alias or CHAMPION)
        if wanted is None and alias is not None:
            raise NotFoundError(
                f"{name} has no alias {alias!r}",
                hint=f"versions: {', '.join(sorted(versions, key=int))}",
                where=uri,
            )
        if wanted is None:
            wanted = max(map(int, versions))
            said = f"{name} has no champion; using the newest version, {wanted}"
        version = wanted
    if str(version) not in versions:
        raise NotFoundError(
            f"{name} has no version {version}",
            hint=f"versions: {', '.join(sorted(versions, key=int))}",
            where=uri,
        )
    found = versions[str(version)]
    return Resolved(name, version, folder / found["artifact"], found["digest"], said)


def manifest_path(folder: Path, name: str) -> Path:
    """Where the manifest of a program lies."""
    return folder / ".shipworthy" / "registry" / f"{name}.json"


def known_names(folder: Path) -> list[str]:
    """Programs that have a manifest."""
    return sorted(path.stem for path in manifest_path(folder, "x").parent.glob("*.json"))


def read_manifest(folder: Path, name: str) -> dict[str, Any]:
    """The manifest, or an empty one.

    Raises:
        RegistryError: it is damaged.
    """
    path = manifest_path(folder, name)
    try:
        data = json.loads(path.read_bytes())
        return {"versions": dict(data["versions"]), "aliases": dict(data["aliases"])}
    except FileNotFoundError:
        return {"versions": {}, "aliases": {}}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RegistryError(
            f"the registry's manifest cannot be read: {error}",
            hint="delete it and register a version again: MLflow has everything",
            where=str(path),
        ) from error


@contextmanager
def changed_manifest(folder: Path, name: str) -> Iterator[dict[str, Any]]:
    """The manifest to change; it is written whole when the block ends well, one process at a time.

    Raises:
        RegistryError: it is damaged.
        StorageError: it cannot be written.
    """
    path = manifest_path(folder, name)
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with folder_lock(path.parent):
            entry = read_manifest(folder, name)
            yield entry
            atomic_write(path, json.dumps(entry, indent=1, sort_keys=True))
