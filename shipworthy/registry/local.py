"""Names, addresses, and what a machine keeps of a registry for the day when it is down.

Beside a local database, or for a server in the user's cache folder, `NAME.json` notes the
versions that were used here, where the ledger stood, and a rollback that the registry has
not confirmed yet; `kept/` holds copies of what was champion.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse, urlsplit, urlunsplit

from ..errors import InputError, NotFoundError, RegistryError
from ..examples import atomic_folder, atomic_write, digest_of, folder_lock, storage_errors, write_files
from ..lms import cache_folder
from ..runtime import MANIFEST, check_manifest
from .ledger import Head

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
SPEC = re.compile(r"(?P<name>[^@/]+)(?:@(?P<alias>[A-Za-z][\w-]*)|/(?P<version>[1-9]\d*))?")
UNADDRESSABLE = re.compile(r"\?|%[0-9A-Fa-f]{2}")
CHAMPION = "champion"
CREDENTIALS = ("MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_PASSWORD")


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
    try:
        scheme = urlparse(uri).scheme
        if scheme in ("http", "https"):
            _ = urlparse(uri).port
    except ValueError as error:
        raise RegistryError(
            "MLFLOW_TRACKING_URI is no address",
            hint="in a password, write / as %2F, # as %23, ? as %3F, @ as %40, [ as %5B",
            where=shown_address(uri),
        ) from error
    if scheme in ("", "file"):
        raise RegistryError(
            "MLflow's file store is not supported: it loses updates and tears reads",
            hint="set MLFLOW_TRACKING_URI to sqlite:////path/mlflow.db or to a server",
            where=shown_address(uri),
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


def local_path(location: str) -> Path | None:
    """The path of an artifact location on this machine; None for one elsewhere."""
    parsed = urlparse(location)
    if parsed.scheme not in ("", "file"):
        return None
    if not parsed.scheme:
        return Path(location)
    if os.name != "nt":  # as `url2pathname` does there, whose module loads ssl and http
        return Path(unquote(parsed.path))
    from urllib.request import url2pathname

    return Path(url2pathname(parsed.path))


def without_password(uri: str) -> str:
    """The address without user and password."""
    parts = urlsplit(uri)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) if "@" in parts.netloc else uri


def shown_address(uri: str) -> str:
    """The address as messages may show it: nothing before an @, and nothing behind a question mark.

    A password with a stray / or # in it is no part of the host by the rules of addresses, and a
    database's address may have one among its parameters; so more is left out than has to be.
    """
    scheme, colon, rest = uri.partition("://")
    if not colon or rest.startswith("/"):
        return uri.partition("?")[0]
    return f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}"


def without_credentials(text: str, uri: str) -> str:
    """What another library says, without the credentials of this address and of MLflow's variables."""
    from ..examples import redact

    rest = uri.partition("://")[2]
    before = "" if rest.startswith("/") else rest.rpartition("@")[0]
    given = [before, before.partition(":")[2]]
    given += [os.environ.get(name, "") for name in CREDENTIALS]
    for one in given:
        for form in {one, unquote(one)} - {""}:
            text = text.replace(form, "…")
    return redact(text)


def place_of(uri: str) -> Path:
    """Where this machine keeps its notes of a registry."""
    path = database_path(uri)
    if path is not None:
        return path.parent / ".shipworthy" / "registry" / path.stem
    return cache_folder() / "registry" / digest_of(without_password(uri).rstrip("/"))[:16]


@dataclass(frozen=True)
class Notes:
    """What a machine keeps of a program's registry.

    Attributes:
        versions: by number: `artifact` (path), `digest`, `root`.
        head: where the ledger stood when it was last read here.
        pending: a rollback that holds here and that the registry has not confirmed, as the entry's data.
    """

    versions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    head: Head = field(default_factory=Head)
    pending: Mapping[str, Any] | None = None

    def with_version(self, version: int, artifact: Path, digest: str, root: str) -> Notes:
        """With one more version, or the same one anew."""
        entry = {"artifact": str(artifact), "digest": digest, "root": root}
        return replace(self, versions={**self.versions, str(version): entry})

    def without_versions(self, gone: Iterable[int]) -> Notes:
        """Without these versions."""
        left = {key: value for key, value in self.versions.items() if int(key) not in set(gone)}
        return replace(self, versions=left)

    def at(self, head: Head) -> Notes:
        """With where the ledger stands now, which never goes back."""
        return replace(self, head=head) if head.number >= self.head.number else self

    def reset(self, head: Head) -> Notes:
        """With where the ledger stands after a repair."""
        return replace(self, head=head)


def read_notes(place: Path, name: str) -> Notes:
    """The notes, or empty ones.

    Raises:
        RegistryError: they are damaged.
    """
    path = place / f"{name}.json"
    try:
        data = json.loads(path.read_bytes())
        head = data["head"]
        return Notes(
            {
                str(int(key)): {one: str(value[one]) for one in ("artifact", "digest", "root")}
                for key, value in data["versions"].items()
            },
            Head(int(head["number"]), str(head["sha256"]), tuple(map(int, head["champions"]))),
            None if data["pending"] is None else dict(data["pending"]),
        )
    except FileNotFoundError:
        return Notes()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RegistryError(
            f"what is noted here of the registry cannot be read: {error}",
            hint="delete this file: the registry has everything but a rollback that it has not confirmed",
            where=str(path),
        ) from error


def change_notes(place: Path, name: str, change: Callable[[Notes], Notes]) -> Notes:
    """Change the notes, one process at a time; they are written whole, and only if they changed.

    Raises:
        RegistryError: they are damaged.
        StorageError: they cannot be written.
    """
    path = place / f"{name}.json"
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with folder_lock(path.parent):
            before = read_notes(place, name)
            after = change(before)
            if after != before:
                atomic_write(path, json.dumps(dataclasses.asdict(after), indent=1, sort_keys=True))
            return after


def kept_at(place: Path, root: str) -> Path:
    """Where a machine keeps its copy of an artifact, by the root hash."""
    return place / "kept" / root


def keep_copy(place: Path, artifact: Path, root: str) -> None:
    """Verify an artifact that becomes champion, and keep a copy, whatever happens to the registry's own.

    Raises:
        ArtifactError: it is not what the root hash says.
        StorageError: the disk.
    """
    files = check_manifest(artifact, root=root)
    target = kept_at(place, root)
    if (target / MANIFEST).is_file():
        return
    files[MANIFEST] = (artifact / MANIFEST).read_bytes()
    with atomic_folder(target) as temporary:
        write_files(temporary, files)
