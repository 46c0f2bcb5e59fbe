"""Load what was shipped, by name or by folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..errors import ArtifactError
from ..lift import find_project
from ..registry import NAME, Resolved, resolve, tracking_uri
from ..runtime import Program, load_artifact


def load(
    program: str | Path,
    *,
    project: str | Path | None = None,
    say: Callable[[str], None] | None = None,
) -> Program:
    """Load a version from the registry (`triage`, `triage@champion`, `triage/3`), or an artifact's folder.

    Args:
        say: told how the version was chosen, such as that the registry is down and a verified copy is
            used; by default that is logged as a warning.

    Raises:
        NotFoundError: there is no such program, alias, version or folder.
        ArtifactError: it is damaged, or not what the registry says it is.
        RegistryError: the registry cannot be read, and nothing of it was verified here before.
    """
    found = resolve_program(program, project=project)
    if isinstance(found, Path):
        return load_artifact(found)
    for line in found.said:
        (say or _log)(line)
    return load_artifact(found.artifact, version=f"{found.name}/{found.version}", root=found.root)


def _log(text: str) -> None:
    """Where nobody asked to be told: a log shows warnings on stderr, unless it is set up otherwise."""
    import logging

    logging.getLogger("shipworthy").warning(text)


def resolve_program(program: str | Path, *, project: str | Path | None = None) -> Resolved | Path:
    """The registered version, or the artifact's folder, that a name stands for."""
    path = Path(program)
    if (path / "manifest.json").is_file():
        return path
    if isinstance(program, Path) or (path.is_dir() and not NAME.fullmatch(program)):
        raise ArtifactError("no artifact in this folder", hint="name one that compile wrote", where=str(path))
    home = Path(project) if project else find_project(Path.cwd())
    return resolve(str(program), uri=tracking_uri(home))
