"""Compare two versions, or two artifacts, by name: `diff`."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path

from ..errors import NotFoundError, ShipworthyError
from ..lift import find_project
from ..registry import (
    Difference,
    Registry,
    Side,
    certificate_folder,
    compare,
    facts_of,
    read_evidence,
    read_side,
    tracking_uri,
)
from .loading import resolve_program


def diff(
    before: str | Path,
    after: str | Path,
    *,
    project: str | Path | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Difference:
    """What differs between two versions (`triage/1`, `triage@champion`, `triage`) or artifacts' folders.

    Scores and answers come from the certificates. An artifact's folder has none of its own: the
    project's is taken if it is of the same program. Where one is missing or cannot be read, that is
    said in `notes`, and all else is compared.

    Args:
        say: told how a version was chosen.

    Raises:
        NotFoundError: there is no such program, alias, version or folder.
        ArtifactError: an artifact is damaged, or not what the registry says it is.
        RegistryError: the registry cannot be read.
    """
    home = Path(project) if project else find_project(Path.cwd())
    registry = functools.cache(lambda: Registry(tracking_uri(home)))
    return compare(*(_side(program, home, registry, say) for program in (before, after)))


def _side(
    program: str | Path, home: Path | None, registry: Callable[[], Registry], say: Callable[[str], None]
) -> Side:
    found = resolve_program(program, project=home)
    if isinstance(found, Path):
        side = read_side(found)
        return _with_evidence(side, lambda: _own_certificate(home, side))
    for line in found.said:
        say(line)
    label = f"{found.name}/{found.version}"
    side = read_side(found.artifact, label=label, version=found.version, digest=found.digest)
    return _with_evidence(side, lambda: _registered(registry(), found.name, found.version))


def _with_evidence(side: Side, folder: Callable[[], Path]) -> Side:
    """The side with its certificate, or with a note that says why there is none."""
    try:
        return dataclasses.replace(side, evidence=read_evidence(folder(), digest=side.digest))
    except ShipworthyError as error:
        return dataclasses.replace(side, notes=(f"{side.label}: {error}",))


def _registered(registry: Registry, name: str, version: int) -> Path:
    return certificate_folder(registry, facts_of(registry.reader, name, version))


def _own_certificate(home: Path | None, side: Side) -> Path:
    """The project's certificate of a program.

    Raises:
        NotFoundError: it has none.
    """
    if home is not None:
        folder = home / ".shipworthy" / "certificates" / side.spec.name / side.digest[:16]
        if folder.is_dir():
            return folder
    raise NotFoundError("this program has no certificate here", hint="shipworthy certify makes one")
