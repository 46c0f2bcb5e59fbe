"""From a name to a verified artifact, without importing MLflow.

The ledger says who is champion. Where the registry is down, what this machine verified
before goes on; where something was altered, that is an error and not a reason to go on.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import IntegrityError, NotFoundError, RegistryError, StorageError
from ..examples import atomic_folder, write_files
from ..runtime import MANIFEST, check_manifest, read_manifest
from .ledger import SUFFIX, Ledger, fold
from .local import (
    CHAMPION,
    Notes,
    change_notes,
    database_path,
    kept_at,
    parse_name,
    place_of,
    read_notes,
    shown_address,
)
from .reading import DIGEST_TAG, FOLDER_TAG, ROOT_TAG, Facts, Reader, reader_for

PATIENCE_S = 5.0
"""Seconds that a server is waited for where a verified copy is here."""


@dataclass(frozen=True)
class Resolved:
    """A version that was found.

    Attributes:
        artifact: the folder.
        digest: what the registry says the program's sha256 is; root: that of its manifest.
        said: what the user should be told of how it was chosen, a line each.
    """

    name: str
    version: int
    artifact: Path
    digest: str
    root: str
    said: tuple[str, ...] = ()


def resolve(text: str, *, uri: str) -> Resolved:
    """The version that a name stands for: the alias or version asked for, the champion, or else the newest.

    Raises:
        NotFoundError: there is no such program, alias or version.
        IntegrityError: what the registry holds of it was altered or deleted.
        RegistryError: the registry cannot be read, and nothing was verified here before.
    """
    name, alias, version = parse_name(text)
    place = place_of(uri)
    notes = read_notes(place, name)
    said: list[str] = []
    try:
        _check_there(uri, notes)
        reader = reader_for(uri, timeout_s=PATIENCE_S if notes.versions else 30.0)
        ledger = None
        if version is None:
            ledger = read_ledger(reader, name, notes)
            version = _version_of(reader, ledger, notes, name, alias, said)
        facts = _facts(reader, name, version, notes)
    except IntegrityError:
        raise
    except RegistryError as down:
        return _from_notes(notes, place, name, alias, version, down, said)
    if facts is None:
        return _kept(notes, place, name, version, said)
    artifact = artifact_of(facts, reader, place, said)
    digest, root = facts.tags[DIGEST_TAG], facts.tags[ROOT_TAG]

    def noted(now: Notes) -> Notes:
        return _at(now.with_version(facts.version, artifact, digest, root), ledger)

    if noted(notes) != notes:
        with contextlib.suppress(StorageError):  # only for the day when the registry is down
            change_notes(place, name, noted)
    return Resolved(name, facts.version, artifact, digest, root, tuple(said))


def read_ledger(reader: Reader, name: str, notes: Notes) -> Ledger:
    """The ledger of a program since it was last read here, or all of it where that cannot be joined on.

    Raises:
        RegistryError: it cannot be read.
    """
    since = notes.head
    ledger = fold(reader.tail(name + SUFFIX, since.number).items(), name=name, since=since)
    if not since.number or not ledger.damage:
        return ledger
    whole = whole_ledger(reader, name)
    repaired = any(entry.data["kind"] == "repair" and entry.number > since.number for entry in whole.accepted)
    return whole if repaired and not whole.damage else ledger


def whole_ledger(reader: Reader, name: str) -> Ledger:
    """The ledger of a program from its first entry on.

    Raises:
        RegistryError: it cannot be read.
    """
    return fold(reader.tail(name + SUFFIX, 1).items(), name=name)


def facts_of(reader: Reader, name: str, version: int) -> Facts:
    """A version that shipworthy made.

    Raises:
        NotFoundError: there is none.
        IntegrityError: a tag was edited.
    """
    facts = reader.version(name, version)
    if facts is None:
        raise _no_version(name, version, reader.versions(name))
    return facts.checked()


def artifact_of(facts: Facts, reader: Reader, place: Path, said: list[str]) -> Path:
    """The folder of a version's artifact on this machine, fetched if it must be.

    Raises:
        RegistryError: it is not there, or cannot be fetched.
        ArtifactError: what was fetched is not what was registered.
    """
    root = facts.tags[ROOT_TAG]
    kept = kept_at(place, root)
    folder = facts.folder
    if folder is None:
        fetch = getattr(reader, "fetch", None)
        if not (kept / MANIFEST).is_file():
            if fetch is None:
                raise RegistryError(
                    f"the artifacts of this registry lie at {shown_address(facts.location)}, "
                    "which is not on this machine",
                    hint="reach it through a tracking server: mlflow server --serve-artifacts",
                )
            with atomic_folder(kept) as temporary:
                _fetch(lambda name: fetch(facts, f"{facts.tags[FOLDER_TAG]}/{name}"), temporary, root)
        return kept
    if (folder / MANIFEST).is_file():
        return folder
    if (kept / MANIFEST).is_file():
        said.append(f"the files of {facts.place} are gone from the registry; using the copy kept here")
        return kept
    raise IntegrityError(
        f"the files of {facts.place} are gone", hint=_GONE.format(name=facts.name), where=str(folder)
    )


def _fetch(fetch: Callable[[str], bytes], folder: Path, root: str) -> None:
    """The files that the verified manifest names, and no others, whatever else the server has."""
    manifest = fetch(MANIFEST)
    names = read_manifest(manifest, folder / MANIFEST, root=root)
    write_files(folder, {MANIFEST: manifest, **{name: fetch(name) for name in names}})
    check_manifest(folder, root=root)


def _version_of(
    reader: Reader, ledger: Ledger, notes: Notes, name: str, alias: str | None, said: list[str]
) -> int:
    """The version that an alias stands for; without one the champion, or else the newest."""
    if alias not in (None, CHAMPION):
        found = reader.aliases(name)
        if alias not in found:
            raise NotFoundError(
                f"{name} has no alias {alias!r}", hint=f"aliases: {', '.join(sorted(found)) or 'none'}"
            )
        return found[str(alias)]
    champion = ledger.head.champion
    if ledger.damage:
        said.append(
            f"the ledger of {name} was altered ({ledger.damage[0]}): `shipworthy doctor` says more; "
            f"going by where it stood before"
        )
    if notes.pending is not None:
        champion = _pending(notes, ledger, champion, said)
    if champion is not None:
        return champion
    if alias is not None:
        raise NotFoundError(
            f"{name} has no champion", hint=f"`shipworthy promote {name}/V` makes one, if its evidence holds"
        )
    newest = reader.newest(name)
    if newest is None:
        raise unknown(reader, name)
    said.append(f"{name} has no champion; using the newest version, {newest.version}")
    return newest.version


def programs(reader: Reader) -> list[str]:
    """The programs that are registered."""
    return [name for name in reader.names() if "." not in name]


def unknown(reader: Reader, name: str) -> NotFoundError:
    """That there is no program of this name."""
    return NotFoundError(
        f"no program {name!r} is registered",
        hint=f"known here: {', '.join(programs(reader)) or 'none'}; `shipworthy ship` registers one",
    )


def _no_version(name: str, version: int, there: Sequence[Facts]) -> NotFoundError:
    newest = ", ".join(str(one.version) for one in there[-20:])
    return NotFoundError(f"{name} has no version {version}", hint=f"versions: {newest or 'none'}")


def _pending(notes: Notes, ledger: Ledger, champion: int | None, said: list[str]) -> int | None:
    pending = notes.pending or {}
    if ledger.outcome(str(pending["id"])) is not None:
        return champion
    if ledger.head.number != pending["base"]["number"]:
        said.append(
            f"a rollback to version {pending['to']} was made here while the registry was down; meanwhile "
            f"{ledger.accepted[-1].said() if ledger.accepted else 'another move'} was recorded, which counts"
        )
        return champion
    said.append(_waits(pending))
    return int(pending["to"])


def _waits(pending: object) -> str:
    to = pending["to"] if isinstance(pending, dict) else ""
    return f"a rollback to version {to} waits for the registry to confirm it"


def _facts(reader: Reader, name: str, version: int, notes: Notes) -> Facts | None:
    """The version; None where it was deleted, and a copy of it may be kept here."""
    facts = reader.version(name, version)
    if facts is not None:
        return facts.checked()
    if str(version) in notes.versions:
        return None
    there = reader.versions(name)
    raise _no_version(name, version, there) if there else unknown(reader, name)


def _from_notes(
    notes: Notes,
    place: Path,
    name: str,
    alias: str | None,
    version: int | None,
    down: RegistryError,
    said: list[str],
) -> Resolved:
    """What was verified here before; the error itself where nothing was."""
    if version is None and alias in (None, CHAMPION):
        version = notes.head.champion
        if notes.pending is not None:
            version = int(notes.pending["to"])
            said.append(_waits(notes.pending))
    if version is None or str(version) not in notes.versions:
        raise down
    said.append(f"the registry cannot be reached ({down.message}); going on with what was verified here")
    return _kept(notes, place, name, version, said, gone=False)


def _kept(
    notes: Notes, place: Path, name: str, version: int, said: list[str], *, gone: bool = True
) -> Resolved:
    """The files of a version that this machine noted."""
    entry = notes.versions[str(version)]
    folders = (kept_at(place, entry["root"]), Path(entry["artifact"]))
    folder = next((one for one in folders if (one / MANIFEST).is_file()), None)
    if gone:
        if folder is None or version not in notes.head.champions:
            raise NotFoundError(
                f"version {version} of {name} was deleted from the registry", hint=_GONE.format(name=name)
            )
        said.append(f"version {version} of {name} was deleted from the registry; using the copy kept here")
    if folder is None:
        raise IntegrityError(f"the files of {name}/{version} are gone", hint=_GONE.format(name=name))
    return Resolved(name, version, folder, entry["digest"], entry["root"], tuple(said))


def _check_there(uri: str, notes: Notes) -> None:
    path = database_path(uri)
    if path is not None and notes.versions and not path.exists():
        raise RegistryError("its database is gone", hint="restore it from a backup", where=str(path))


def _at(notes: Notes, ledger: Ledger | None) -> Notes:
    return notes if ledger is None or ledger.damage else notes.at(ledger.head)


_GONE = "`shipworthy doctor {name} --repair` restores what it has a copy of; else ship it again or roll back"
