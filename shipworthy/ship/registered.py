"""What is registered, looked at and looked after: versions, history, clean-up, and the doctor."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..lift import find_project
from ..registry import (
    Ledger,
    Problem,
    Registry,
    delete_version,
    examine,
    parse_name,
    prunable,
    tracking_uri,
)
from ..registry import history as read_history
from ..registry import versions as list_versions
from ..runtime import Progress
from .notebook import default_progress

KEEP = 10


@dataclass(frozen=True)
class Pruned:
    """What was removed, or would be, and why the others stay, by version."""

    name: str
    removed: tuple[int, ...]
    kept: dict[int, str]
    dry: bool

    def as_json(self) -> dict[str, Any]:
        """The keys of `prune --json`."""
        kept = {str(version): why for version, why in sorted(self.kept.items())}
        return {"name": self.name, "removed": list(self.removed), "kept": kept, "dry_run": self.dry}


def versions(name: str, *, project: str | Path | None = None) -> list[dict[str, Any]]:
    """Every version of a program, the newest first; see `shipworthy versions --help`.

    Raises:
        NotFoundError: there is no such program.
        RegistryError: the registry cannot be read.
    """
    return list_versions(_uri(project), _name(name))


def history(name: str, *, project: str | Path | None = None) -> Ledger:
    """Who made which version champion, when, and on which evidence.

    Raises:
        NotFoundError: nothing was ever promoted under this name.
        RegistryError: the registry cannot be read.
    """
    return read_history(_uri(project), _name(name))


def prune(
    name: str,
    *,
    project: str | Path | None = None,
    keep: int = KEEP,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Pruned:
    """Remove versions that nobody needs: no champion, nothing that a rollback may need, no newest ones.

    Args:
        keep: so many of the newest stay in any case.
        dry_run: say what would go, and remove nothing.

    Raises:
        NotFoundError: there is no such program.
        RegistryError: the registry fails; what is gone is gone, and running it again goes on.
    """
    if keep < 0:
        raise InputError(f"a number of versions is 0 or more, not {keep}")
    progress = progress or default_progress()
    uri, name = _uri(project), _name(name)
    going, stay = prunable(uri, name, keep=keep)
    if going and not dry_run:
        registry = Registry(uri)
        progress.start(f"removing versions of {name}", len(going))
        for done, facts in enumerate(going, 1):
            delete_version(registry, facts)
            progress.advance(done)
        progress.finish()
    return Pruned(name, tuple(facts.version for facts in going), stay, dry_run)


def doctor(
    name: str | None = None, *, project: str | Path | None = None, repair: bool = False
) -> list[Problem]:
    """What is damaged, half-done or out of step in the registry, of one program or of all.

    Args:
        repair: put right what can be put right without making anything up.

    Raises:
        RegistryError: the registry does not answer.
    """
    return examine(Registry(_uri(project)), None if name is None else _name(name), repair=repair)


def _uri(project: str | Path | None) -> str:
    return tracking_uri(Path(project) if project else find_project(Path.cwd()))


def _name(text: str) -> str:
    name, alias, version = parse_name(text)
    if alias is not None or version is not None:
        raise InputError(f"{text} names a version, and this asks for a program", hint=f"give {name}")
    return name
