"""What can be read of a registry without importing MLflow: versions, aliases, and the ledger's entries.

A local SQLite file is read by itself and a tracking server over REST, so that a program
starts in milliseconds; any other store is read through MLflow's own client.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlparse

from ..errors import IntegrityError, NotFoundError
from ..examples import canonical_json, digest_of
from ..runtime import is_inside
from .local import local_path

OURS = "shipworthy."
PROTOTYPE = ".prototype"
"""Behind a program's name, the prompt that it replaces."""
SEAL_TAG = "shipworthy.seal"
DIGEST_TAG = "shipworthy.digest"
ROOT_TAG = "shipworthy.root"
FOLDER_TAG = "shipworthy.folder"
CERTIFICATE, PAGE, ROWS = "certificate.json", "certificate.html", "rows.jsonl"
"""The files of a certificate that belong to a version."""

HASH = re.compile("[0-9a-f]{64}")
Tags = Mapping[str, str]


@dataclass(frozen=True)
class Facts:
    """A version, as the registry holds it.

    Attributes:
        location: where its files lie: a path, or an address of the store's.
        created_ms: milliseconds since 1970; run: the id of the MLflow run that made it.
    """

    name: str
    version: int
    tags: Tags
    location: str
    created_ms: int
    run: str

    @property
    def place(self) -> str:
        """`hotel/3`."""
        return f"{self.name}/{self.version}"

    def checked(self) -> Facts:
        """Itself, if shipworthy made it and its tags are the ones that it was registered with.

        Raises:
            NotFoundError: another tool made this version.
            IntegrityError: a tag was edited.
        """
        if SEAL_TAG not in self.tags:
            raise NotFoundError(
                f"{self.place} was not made by shipworthy", hint="name another version", where=self.place
            )
        if self.tags[SEAL_TAG] != seal_of(self.tags):
            raise IntegrityError(
                f"a tag of {self.place} was edited after it was registered",
                hint="put it back, or use another version; `shipworthy doctor` says what is wrong",
                where=self.place,
            )
        # They become names of files and folders here, so only what can be none elsewhere is taken.
        hashes = (self.tags.get(tag, "") for tag in (DIGEST_TAG, ROOT_TAG))
        if not (all(map(HASH.fullmatch, hashes)) and is_inside(self.tags.get(FOLDER_TAG, ""))):
            raise IntegrityError(
                f"the tags of {self.place} are none that shipworthy writes",
                hint="use another version; `shipworthy doctor` says what is wrong",
                where=self.place,
            )
        return self

    @property
    def folder(self) -> Path | None:
        """Where the artifact lies on this machine; None where the store keeps it elsewhere."""
        path = local_path(self.location)
        return None if path is None else path / self.tags[FOLDER_TAG]


def seal_of(tags: Tags) -> str:
    """sha256 of a version's own tags, which is one of them: so an edit of another shows."""
    own = {key: value for key, value in tags.items() if key.startswith(OURS) and key != SEAL_TAG}
    return digest_of(canonical_json(own).encode())


def sealed(tags: Tags) -> dict[str, str]:
    """The tags with their seal."""
    return {**tags, SEAL_TAG: seal_of(tags)}


def versions_of(name: str) -> str:
    """MLflow's query for the versions of a model, which leaves out those of prompts unless it names them."""
    quoted = name.replace("'", "''")
    query = f"name = '{quoted}'"
    return f"{query} AND tags.`mlflow.prompt.is_prompt` = 'true'" if name.endswith(PROTOTYPE) else query


class Reader(Protocol):
    """A registry that is read.

    Every method raises RegistryError where the registry cannot be read.
    """

    def tail(self, name: str, since: int) -> dict[int, Tags]:
        """The versions of a model from a number on, with the tags of each."""

    def version(self, name: str, number: int) -> Facts | None:
        """A version; None where there is none."""

    def versions(self, name: str) -> list[Facts]:
        """All versions, the oldest first; a store that has to be asked for each location leaves it empty."""

    def newest(self, name: str) -> Facts | None:
        """The newest version; None where there is none."""

    def aliases(self, name: str) -> dict[str, int]:
        """Aliases and the versions that they stand for."""

    def names(self) -> list[str]:
        """All registered models."""


def reader_for(uri: str, *, timeout_s: float = 30.0) -> Reader:
    """Reads the registry at this address; each answer of a server or database is waited for so long."""
    found = light_reader(uri, timeout_s=timeout_s)
    if found is None:
        from .store import Registry

        return Registry(uri).reader
    return found


def light_reader(uri: str, *, timeout_s: float = 30.0) -> Reader | None:
    """As `reader_for`, where that goes without MLflow; None where only its client can read."""
    if uri.startswith("sqlite:"):
        from .sqlite_reader import SQLiteReader

        reader = SQLiteReader(uri, timeout_s=min(timeout_s, 5.0))
        return reader if reader.knows_layout() else None
    if urlparse(uri).scheme in ("http", "https"):
        from .rest_reader import RestReader

        return RestReader(uri, timeout_s=timeout_s)
    return None
