"""Move the champion: an entry in the ledger decides, and the alias and this machine's notes follow it."""

from __future__ import annotations

import datetime
import functools
import getpass
import socket
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import ConflictError, IntegrityError, MissingExtraError, NotFoundError, RegistryError
from ..examples import redact, redact_value
from ..runtime import check_manifest
from .ledger import SUFFIX, Entry, Head, Ledger, fold, tags_of
from .local import CHAMPION, Notes, change_notes, keep_copy, kept_at, place_of, read_notes
from .reading import DIGEST_TAG, ROOT_TAG, SEAL_TAG, Reader, reader_for
from .resolving import artifact_of, facts_of, read_ledger, whole_ledger
from .store import Registry

SOURCE = "shipworthy:///ledger"
ATTEMPTS = 8
PAUSE_S = 0.05
BUSY = ("Giving up after", "locked", "IntegrityError")
"""How MLflow and its databases say that others write at the same moment."""
ROLLBACK_S = 1.0
"""Seconds that a rollback waits for a server before it goes by what is known here."""


@dataclass(frozen=True)
class Evidence:
    """Why a version is made champion.

    Attributes:
        verdict: of the gate; None where it was not asked.
        reasons: in words; found: figures and where they are kept, as JSON.
        forced: the reason why the gate was not asked, or None.
    """

    verdict: str | None
    reasons: Sequence[str] = ()
    found: Mapping[str, Any] | None = None
    forced: str | None = None


def standing(registry: Registry, name: str, *, say: Callable[[str], None] = lambda _: None) -> Ledger:
    """Where the ledger of a program stands; a rollback that waited here is appended first.

    Raises:
        IntegrityError: the ledger was altered.
        ConflictError: the rollback that waited came too late.
        RegistryError: the registry fails.
    """
    notes = read_notes(registry.place, name)
    ledger = read_ledger(registry.reader, name, notes)
    if ledger.damage:
        raise IntegrityError(
            f"the ledger of {name} was altered: {'; '.join(ledger.damage[:3])}",
            hint=f"`shipworthy doctor {name} --repair` writes down what is wrong and goes on from there",
            where=name,
        )
    if notes.pending is None:
        change_notes(registry.place, name, lambda now: now.at(ledger.head))
        return ledger
    pending = notes.pending
    try:
        if ledger.outcome(str(pending["id"])) is None:
            append(registry, name, pending)
            say(f"the rollback of {name} to version {pending['to']}, made here, is recorded")
    except ConflictError:
        change_notes(registry.place, name, lambda now: _settled(now, pending))
        raise
    change_notes(registry.place, name, lambda now: _settled(now, pending))
    follow(registry, name)
    return read_ledger(registry.reader, name, read_notes(registry.place, name))


def promote(registry: Registry, name: str, version: int, evidence: Evidence, *, seen: Head) -> Entry:
    """Make a version the champion, if nobody was faster.

    Args:
        seen: where the ledger stood when the evidence was weighed.

    Raises:
        ConflictError: somebody else moved the champion since; names who.
        NotFoundError, IntegrityError, ArtifactError: the version cannot be used.
        RegistryError: the registry fails; nothing has moved, or the next command says that it has.
    """
    facts = facts_of(registry.reader, name, version)
    artifact = artifact_of(facts, registry.reader, registry.place, [])
    keep_copy(registry.place, artifact, facts.tags[ROOT_TAG])
    data = entry_data(name, "promote", version, evidence, seen=seen)
    data["evidence"].update({"digest": facts.tags[DIGEST_TAG], "seal": facts.tags[SEAL_TAG]})
    entry = append(registry, name, data)
    change_notes(
        registry.place,
        name,
        lambda now: now.with_version(version, artifact, facts.tags[DIGEST_TAG], facts.tags[ROOT_TAG]),
    )
    follow(registry, name)
    return entry


def begin_rollback(uri: str, name: str, to: int | None, reason: str | None) -> Mapping[str, Any]:
    """Go back to an earlier champion on this machine at once, without asking the registry.

    Args:
        to: the version; by default the champion before the present one.

    Returns:
        The entry that is to be appended: its `from` and `to` say what changed.

    Raises:
        NotFoundError: there is no champion to go back to, as far as this machine knows.
        ArtifactError: the files of that version are damaged here.
    """
    place, reader = place_of(uri), reader_for(uri, timeout_s=ROLLBACK_S)
    made: list[Mapping[str, Any]] = []

    def change(now: Notes) -> Notes:
        head = _known_head(reader, name, now)
        champion = int(now.pending["to"]) if now.pending is not None else head.champion
        target = to if to is not None else _before(head, champion)
        if target is None or champion is None:
            raise NotFoundError(
                f"{name} has no earlier champion to go back to",
                hint=f"`shipworthy history {name}` shows what there was; --to names a version",
            )
        if target == champion:
            raise NotFoundError(f"{name}/{target} is the champion already", hint="--to names another version")
        now = _check_here(place, reader, name, target, now.at(head))
        data = entry_data(name, "rollback", target, Evidence(None, forced=reason), seen=head)
        made.append(data)
        return replace(now, pending=data)

    change_notes(place, name, change)
    return made[0]


def finish_rollback(uri: str, name: str, *, say: Callable[[str], None] = lambda _: None) -> None:
    """Record a rollback that was begun here.

    Raises:
        ConflictError: it came too late; what the ledger says holds here again.
        RegistryError: the registry fails or was altered; the rollback goes on waiting.
    """
    try:
        registry = Registry(uri)
    except MissingExtraError as error:
        raise RegistryError(error.message, hint=error.hint) from error
    standing(registry, name, say=say)


def champion_facts(registry: Registry, name: str) -> dict[str, Any]:
    """The champion's version, and the verdict that its certificate had; nulls where there is none."""
    head = read_ledger(registry.reader, name, read_notes(registry.place, name)).head
    facts = None if head.champion is None else registry.reader.version(name, head.champion)
    verdict = None if facts is None else facts.tags.get("shipworthy.verdict")
    return {"champion": head.champion, "champion_verdict": verdict}


def entry_data(name: str, kind: str, to: int | None, evidence: Evidence, *, seen: Head) -> dict[str, Any]:
    """An entry that rests on where the ledger was seen to stand."""
    return {
        "kind": kind,
        "name": name,
        "from": seen.champion,
        "to": to,
        "base": {"number": seen.number, "sha256": seen.sha256},
        "id": uuid.uuid4().hex,
        "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
        "who": f"{getpass.getuser()}@{socket.gethostname()}",
        "verdict": evidence.verdict,
        "reasons": redact_value(list(evidence.reasons)),
        "evidence": dict(evidence.found or {}),
        "forced": evidence.forced and redact(evidence.forced),
    }


def history(uri: str, name: str) -> Ledger:
    """The whole ledger of a program.

    Raises:
        NotFoundError: nothing was ever promoted under this name.
        RegistryError: it cannot be read.
    """
    ledger = whole_ledger(reader_for(uri), name)
    if ledger == Ledger(Head()):
        raise NotFoundError(
            f"no version of {name!r} was ever made champion",
            hint=f"`shipworthy versions {name}` shows what is registered",
        )
    return ledger


def follow(registry: Registry, name: str) -> list[str]:
    """Bring the alias and this machine's notes to where the ledger stands; gives what was put right.

    Whoever moves the champion does this afterwards and then looks again, so that the last one
    to write an alias is always one who has seen the last entry.
    """
    done: list[str] = []
    while True:
        ledger = read_ledger(registry.reader, name, read_notes(registry.place, name))
        champion = ledger.head.champion
        alias = registry.reader.aliases(name).get(CHAMPION)
        if champion is not None and alias != champion:
            with registry.errors(missing=True):
                registry.client.set_registered_model_alias(name, CHAMPION, str(champion))
                done.append(f"alias {CHAMPION}: from version {alias} to {champion}")
        change_notes(registry.place, name, functools.partial(Notes.at, head=ledger.head))
        again = read_ledger(registry.reader, name, read_notes(registry.place, name))
        if again.head == ledger.head:
            return done


def append(registry: Registry, name: str, data: Mapping[str, Any], *, since: Head | None = None) -> Entry:
    """Write an entry, and find out whether it counts.

    Raises:
        ConflictError: another one rests on the same entry and came first.
        RegistryError: it could not be written, or not be found again.
    """
    model, tags = name + SUFFIX, tags_of(data)
    base = since or Head(int(data["base"]["number"]), str(data["base"]["sha256"]))
    problem: RegistryError | None = None
    for attempt in range(ATTEMPTS):
        ledger = fold(registry.reader.tail(model, base.number).items(), name=name, since=base)
        outcome = ledger.outcome(str(data["id"]))
        if outcome is not None:  # an attempt that seemed to fail had gone through
            return _counted(outcome, name, data)
        if ledger.accepted:
            raise _beaten(ledger.accepted[0], name, data)
        try:
            with registry.errors():
                if not base.number:
                    registry.make_model(model)
                registry.client.create_model_version(model, SOURCE, tags=tags)
            break
        except RegistryError as error:  # MLflow itself tries three times to find a free number
            problem = error
            if not any(word in error.message for word in BUSY):
                break
            time.sleep(PAUSE_S * (attempt + 1))
    ledger = fold(registry.reader.tail(model, base.number).items(), name=name, since=base)
    outcome = ledger.outcome(str(data["id"]))
    if outcome is None:
        raise problem or RegistryError("the ledger does not show the entry that was written", where=model)
    return _counted(outcome, name, data)


def _counted(outcome: tuple[bool, Entry], name: str, data: Mapping[str, Any]) -> Entry:
    accepted, entry = outcome
    if not accepted:
        raise _beaten(entry, name, data)
    return entry


def _beaten(winner: Entry, name: str, data: Mapping[str, Any]) -> ConflictError:
    return ConflictError(
        f"{data['kind']} of {name} to version {data['to']} came too late: {winner.said()} was first",
        hint=f"look at `shipworthy history {name}`, then decide anew",
        where=f"{name}{SUFFIX}/{winner.number}",
    )


def _settled(notes: Notes, pending: Mapping[str, Any]) -> Notes:
    same = notes.pending is not None and notes.pending["id"] == pending["id"]
    return replace(notes, pending=None) if same else notes


def _known_head(reader: Reader, name: str, notes: Notes) -> Head:
    """Where the ledger stands; where it is down or damaged, where it stood when it was last read here."""
    try:
        ledger = read_ledger(reader, name, notes)
    except RegistryError:
        return notes.head
    return notes.head if ledger.damage else ledger.head


def _before(head: Head, champion: int | None) -> int | None:
    """What a rollback from this champion goes back to."""
    if champion is None or champion not in head.champions:
        return head.before
    earlier = head.champions[: len(head.champions) - 1 - head.champions[::-1].index(champion)]
    return earlier[-1] if earlier else None


def _check_here(place: Path, reader: Reader, name: str, version: int, notes: Notes) -> Notes:
    """See that a version can run on this machine, before anything goes back to it."""
    entry = notes.versions.get(str(version))
    if entry is None:
        facts = reader.version(name, version)
        if facts is None:
            raise NotFoundError(
                f"{name} has no version {version}", hint=f"`shipworthy versions {name}` lists them"
            )
        artifact = artifact_of(facts.checked(), reader, place, [])
        notes = notes.with_version(version, artifact, facts.tags[DIGEST_TAG], facts.tags[ROOT_TAG])
        entry = notes.versions[str(version)]
    kept = kept_at(place, entry["root"])
    check_manifest(kept if kept.is_dir() else Path(entry["artifact"]), root=entry["root"])
    return notes
