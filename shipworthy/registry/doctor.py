"""Look a registry through: what is damaged, half-done or out of step, and put right what can be."""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ArtifactError, ConflictError, IntegrityError
from ..examples import atomic_folder
from ..runtime import MANIFEST, check_manifest
from ..runtime.artifact import FILES
from .ledger import SUFFIX, Ledger, version_words
from .local import CHAMPION, change_notes, kept_at, read_notes
from .moves import Evidence, append, entry_data, follow, standing
from .reading import FOLDER_TAG, ROOT_TAG, SEAL_TAG, Facts, versions_of
from .registering import CERTIFICATE_RUN_TAG, certificate_folder, delete_model, model_of
from .resolving import programs, read_ledger, whole_ledger
from .store import KIND, PROCESS, Registry, paged
from .stored_weights import EXPERIMENT

ELSEWHERE_S = 3600.0
"""For so long it is taken that a process of another machine is still at what it began."""


@dataclass(frozen=True)
class Problem:
    """Something that is wrong.

    Attributes:
        kind: `ledger`, `alias`, `pending`, `version`, `artifact`, `certificate`, `unregistered` or `run`.
        repaired: what was done about it; None where nothing was.
    """

    kind: str
    where: str
    what: str
    hint: str
    repaired: str | None = None

    def as_json(self) -> dict[str, Any]:
        """As in `doctor --json`."""
        return {
            "kind": self.kind,
            "where": self.where,
            "what": self.what,
            "hint": self.hint,
            "repaired": self.repaired,
        }


def examine(registry: Registry, name: str | None = None, *, repair: bool = False) -> list[Problem]:
    """What is wrong with a program's registry, or with all programs'.

    Nothing is made up: a repair writes down in the ledger what was lost there, moves the alias
    and the notes to where the ledger stands, restores files from verified copies, and removes what an
    interrupted command left without a version.

    Raises:
        RegistryError: the registry does not answer.
    """
    names = [name] if name is not None else programs(registry.reader)
    found: list[Problem] = []
    for one in names:
        for check in (_ledger, _pending, _alias, _versions, _left_behind):
            found += check(registry, one, repair)
    found += _left_behind(registry, EXPERIMENT, repair)
    return found


def _ledger(registry: Registry, name: str, repair: bool) -> Iterator[Problem]:
    """What was deleted or altered; a repair names it, and keeps the champion that this machine knows."""
    notes = read_notes(registry.place, name)
    whole = whole_ledger(registry.reader, name)
    damage, head = list(whole.damage), whole.head
    last = next((entry for entry in whole.accepted if entry.number == notes.head.number), None)
    known = notes.head.number == 0 or (last is not None and last.sha256 == notes.head.sha256)
    gone = notes.head.number > (whole.accepted[-1].number if whole.accepted else 0)
    if not known and (gone or not damage):
        damage.append(f"entry {notes.head.number} was deleted or altered after it was read here")
    if not damage:
        return
    champion = head.champion
    if not known and notes.head.number >= head.number:
        champion = notes.head.champion
    repaired = None
    if repair:
        evidence = Evidence(None, reasons=damage, forced="doctor --repair")
        data = entry_data(name, "repair", champion, evidence, seen=head)
        append(registry, name, data, since=head)
        again = whole_ledger(registry.reader, name)
        change_notes(registry.place, name, lambda now: now.reset(again.head))
        repaired = f"an entry of the ledger names it, and keeps version {champion} as champion"
    for one in damage:
        yield Problem("ledger", name + SUFFIX, one, f"shipworthy doctor {name} --repair", repaired)


def _pending(registry: Registry, name: str, repair: bool) -> Iterator[Problem]:
    pending = read_notes(registry.place, name).pending
    if pending is None:
        return
    repaired = None
    if repair:
        try:
            standing(registry, name)
            repaired = "it is recorded"
        except ConflictError as error:
            repaired = f"it does not count: {error.message}"
    what = f"a rollback to version {pending['to']}, made here, waits for the registry"
    yield Problem("pending", name, what, "any command that reaches the registry records it", repaired)


def _alias(registry: Registry, name: str, repair: bool) -> Iterator[Problem]:
    ledger = _sound(registry, name)
    if ledger is None:
        return
    champion, alias = ledger.head.champion, registry.reader.aliases(name).get(CHAMPION)
    if champion != alias:
        repaired = None
        if repair and champion is not None:
            repaired = "; ".join(follow(registry, name)) or None
        elif repair:
            with registry.errors(missing=True):
                registry.client.delete_registered_model_alias(name, CHAMPION)
                repaired = "the alias was removed"
        what = (
            f"the alias {CHAMPION} points to {version_words(alias)}, and the champion by the ledger is "
            f"{version_words(champion)}"
        )
        yield Problem("alias", name, what, f"shipworthy doctor {name} --repair", repaired)
    if repair and read_notes(registry.place, name).head != ledger.head:
        change_notes(registry.place, name, lambda now: now.reset(ledger.head))


def _versions(registry: Registry, name: str, repair: bool) -> Iterator[Problem]:
    ledger = _sound(registry, name)
    needed = set(ledger.head.champions) if ledger is not None else set()
    found = {facts.version: facts for facts in registry.reader.versions(name)}
    for version in sorted(needed - found.keys()):
        what = (
            f"version {version} was deleted, and {'is champion' if _is(ledger, version) else 'was champion'}"
        )
        hint = f"what runs here goes on from the copy kept here; `shipworthy ship {name}` makes a new version"
        yield Problem("version", f"{name}/{version}", what, hint)
    for facts in found.values():
        if SEAL_TAG not in facts.tags:
            continue
        try:
            facts.checked()
        except IntegrityError as error:
            yield Problem("version", facts.place, error.message, error.hint)
            continue
        yield from _artifact(registry, facts, repair)
        if facts.tags.get(CERTIFICATE_RUN_TAG):
            try:
                certificate_folder(registry, facts)
            except IntegrityError as error:
                yield Problem("certificate", facts.place, error.message, error.hint)


def _artifact(registry: Registry, facts: Facts, repair: bool) -> Iterator[Problem]:
    """The files of a version, where they lie on this machine; a verified copy may replace them."""
    full = registry.reader.version(facts.name, facts.version)
    folder = full.folder if full is not None else None
    if folder is None:
        return
    root = facts.tags[ROOT_TAG]
    try:
        check_manifest(folder, root=root)
        return
    except ArtifactError as error:
        problem = error
    repaired = None
    kept = kept_at(registry.place, root)
    if repair and _only_artifact(folder):
        try:
            check_manifest(kept, root=root)
            with atomic_folder(folder) as temporary:
                shutil.copytree(kept, temporary, dirs_exist_ok=True)
            repaired = "restored from the copy kept here"
        except ArtifactError:
            repaired = None
    hint = f"restore {facts.tags[FOLDER_TAG]} from a backup, or `shipworthy ship {facts.name}` again"
    yield Problem("artifact", facts.place, str(problem), hint, repaired)


def _only_artifact(folder: Path) -> bool:
    """Whether nothing else lies there: an edited location may name any folder, which is then left alone."""
    return not folder.exists() or {path.name for path in folder.iterdir()} <= {*FILES, MANIFEST, "code"}


def _left_behind(registry: Registry, name: str, repair: bool) -> Iterator[Problem]:
    """Models without a version and runs without an end, whose process is gone."""
    client = registry.client
    with registry.errors(), registry.pointed():
        experiment = client.get_experiment_by_name(f"shipworthy/{name}")
        if experiment is None:
            return
        ids = [experiment.experiment_id]
        named = _model_ids(registry, name)
        for model in _each(lambda token: client.search_logged_models(ids, page_token=token)):
            if model.model_id in named or model.tags.get(ROOT_TAG) is None:
                continue
            if _may_be_at_it(model.tags.get(PROCESS, ""), model.creation_timestamp):
                continue
            repaired = None
            if repair:
                delete_model(registry, model.model_id)
                repaired = "removed"
            what = "a model was logged and never became a version"
            yield Problem("unregistered", f"{name}: {model.model_id}", what, "--repair removes it", repaired)
        query = f"attributes.status = 'RUNNING' AND tags.`{KIND}` LIKE '%'"
        for run in _each(lambda token: client.search_runs(ids, query, page_token=token)):
            if _may_be_at_it(run.data.tags.get(PROCESS, ""), run.info.start_time):
                continue
            repaired = None
            if repair:
                client.set_terminated(run.info.run_id, "KILLED")
                repaired = "marked as killed"
            what = f"run {run.info.run_name!r} has no end, and its process is gone"
            yield Problem("run", f"{name}: {run.info.run_id}", what, "--repair marks it as killed", repaired)


def _model_ids(registry: Registry, name: str) -> set[str]:
    client = registry.client
    found = _each(
        lambda token: client.search_model_versions(versions_of(name), max_results=1000, page_token=token)
    )
    return {model_of(one) for one in found}


def _each(ask: Callable[[str | None], Any]) -> Iterator[Any]:
    for page in paged(ask):
        yield from page


def _sound(registry: Registry, name: str) -> Ledger | None:
    """The ledger, where nothing is wrong with it."""
    ledger = read_ledger(registry.reader, name, read_notes(registry.place, name))
    return None if ledger.damage else ledger


def _may_be_at_it(process: str, since_ms: int) -> bool:
    """Whether who began something may still be at it; another machine's process is given some time."""
    host, _, number = process.rpartition(":")
    if host != socket.gethostname() or not number.isdigit():
        return time.time() - since_ms / 1000 < ELSEWHERE_S
    if int(number) == os.getpid():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _is(ledger: Ledger | None, version: int) -> bool:
    return ledger is not None and ledger.head.champion == version
