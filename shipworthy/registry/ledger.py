"""The ledger: who was made champion, when, by whom and on which evidence.

An entry is a version of the registered model `NAME.ledger`. MLflow gives numbers one at a
time, and commits an entry's tags with its number. Each entry names the entry that its writer
saw as the last, by number and sha256. Of several that rest on the same one the first is
accepted and the others are refused, so that of several promotions at once exactly one wins;
and an entry that was edited or deleted leaves a chain that does not close.

This module is the arithmetic of it: nothing here asks MLflow.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..examples import canonical_json, digest_of

ENTRY_TAG = "shipworthy.entry"
SHA256_TAG = "shipworthy.sha256"
KINDS = ("promote", "rollback", "repair")
SUFFIX = ".ledger"


@dataclass(frozen=True)
class Entry:
    """One entry, as it stands in the ledger.

    Attributes:
        number: its place, from 1.
        sha256: of its text.
        data: `kind` (promote, rollback or repair), `name`, `from`, `to` (versions or null),
            `base` (number and sha256 of the entry before), `id`, `at` (ISO 8601, UTC), `who`,
            `verdict`, `reasons`, `evidence`, `forced` (the reason, or null).
    """

    number: int
    sha256: str
    data: Mapping[str, Any]

    @property
    def base(self) -> tuple[int, str]:
        """Number and sha256 of the entry that it rests on; (0, "") for the first."""
        return int(self.data["base"]["number"]), str(self.data["base"]["sha256"])

    @property
    def id(self) -> str:
        """What its writer called it, before it had a number."""
        return str(self.data["id"])

    @property
    def to(self) -> int | None:
        """The version that it makes champion."""
        return None if self.data["to"] is None else int(self.data["to"])

    def said(self) -> str:
        """In a few words: `rollback to version 3 by anna@desk at 2026-11-26T10:00:00+00:00`."""
        return f"{self.data['kind']} to version {self.to} by {self.data['who']} at {self.data['at']}"


@dataclass(frozen=True)
class Head:
    """Where the ledger stands.

    Attributes:
        number, sha256: of the last accepted entry; 0 and empty before the first.
        champions: the versions that a rollback goes back through, oldest first; the last is
            the champion.
    """

    number: int = 0
    sha256: str = ""
    champions: tuple[int, ...] = ()

    @property
    def champion(self) -> int | None:
        """The champion's version; None where there is none."""
        return self.champions[-1] if self.champions else None

    @property
    def before(self) -> int | None:
        """What a rollback goes back to; None where there is nothing."""
        return self.champions[-2] if len(self.champions) > 1 else None


@dataclass(frozen=True)
class Ledger:
    """What the entries come to.

    Attributes:
        head: after the last accepted entry.
        accepted: the entries that count, refused: those that came too late, both by number.
        damage: what was deleted or altered, in words, and that no repair has acknowledged since.
    """

    head: Head
    accepted: tuple[Entry, ...] = ()
    refused: tuple[Entry, ...] = ()
    damage: tuple[str, ...] = ()

    def outcome(self, id: str) -> tuple[bool, Entry] | None:
        """Whether the entry of this id counts, and it or the one that does instead; None: it is not here."""
        for entry in self.accepted:
            if entry.id == id:
                return True, entry
        lost = next((entry for entry in self.refused if entry.id == id), None)
        if lost is None:
            return None
        return False, next((entry for entry in self.accepted if entry.base == lost.base), lost)


@dataclass
class _Fold:
    head: Head
    accepted: list[Entry] = field(default_factory=list)
    refused: list[Entry] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)
    since: int = 0
    gap: bool = False
    """Whether an entry is missing since the head: what rests on the head may have lost to that one."""

    def take(self, number: int, tags: Mapping[str, str], name: str, known: dict[int, str]) -> None:
        entry = read_entry(number, tags, name)
        if entry is None:
            self.damage.append(f"entry {number} was altered")
            return
        base = entry.base
        if base != (self.head.number, self.head.sha256):
            if known.get(base[0]) == base[1] or base[0] < self.since:
                self.refused.append(entry)
                return
            self.damage.append(f"entry {number} rests on entry {base[0]}, which is gone or was altered")
            if base[0] < self.head.number:
                return
        elif self.gap and entry.data["kind"] != "repair":
            self.damage.append(f"entry {number} may have been beaten by one that was deleted")
            return
        if entry.data["kind"] == "repair":
            self.damage.clear()
        self.accepted.append(entry)
        self.head = Head(number, entry.sha256, champions_after(self.head.champions, entry))
        self.gap = False
        known[number] = entry.sha256


def fold(entries: Iterable[tuple[int, Mapping[str, str]]], *, name: str, since: Head | None = None) -> Ledger:
    """What the entries of a program's ledger come to.

    Args:
        entries: number and tags of each, in any order; all, or those from `since` on (itself included).
        since: where the ledger stood when it was read before; it must still stand so.
    """
    since = since or Head()
    found = dict(entries)
    state = _Fold(since, since=since.number)
    known = {since.number: since.sha256}
    if since.number:
        tags = found.pop(since.number, None)
        entry = None if tags is None else read_entry(since.number, tags, name)
        if entry is None or entry.sha256 != since.sha256:
            how = "deleted" if tags is None else "altered"
            state.damage.append(f"entry {since.number} was {how} after it was read here")
    expected = since.number + 1
    for number in sorted(found):
        if number < expected:
            continue
        if number > expected:
            state.gap = True
            state.damage += [f"entry {one} was deleted" for one in range(expected, number)]
        state.take(number, found[number], name, known)
        expected = number + 1
    return Ledger(state.head, tuple(state.accepted), tuple(state.refused), tuple(state.damage))


def read_entry(number: int, tags: Mapping[str, str], name: str) -> Entry | None:
    """The entry in these tags; None where it is none of this program, or was altered."""
    text = tags.get(ENTRY_TAG, "")
    sha256 = digest_of(text.encode())
    if tags.get(SHA256_TAG) != sha256:
        return None
    try:
        data = json.loads(text)
        entry = Entry(number, sha256, data)
        sound = data["kind"] in KINDS and data["name"] == name and bool(entry.id) and entry.base[0] < number
        _ = entry.to, entry.said()
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return entry if sound else None


def tags_of(data: Mapping[str, Any]) -> dict[str, str]:
    """The tags that hold an entry."""
    text = canonical_json(data)
    return {ENTRY_TAG: text, SHA256_TAG: digest_of(text.encode())}


def version_words(number: int | None) -> str:
    """`version 3`, or `none`."""
    return "none" if number is None else f"version {number}"


def champions_after(champions: tuple[int, ...], entry: Entry) -> tuple[int, ...]:
    """The versions that a rollback goes back through, after an entry.

    A promotion adds to them. A rollback takes away what lies above the version that it
    goes back to, so that the next one goes back further, and not to and fro.
    """
    to = entry.to
    if to is None:
        return ()
    if entry.data["kind"] == "rollback" and to in champions:
        last = len(champions) - 1 - champions[::-1].index(to)
        return champions[: last + 1]
    return champions if champions[-1:] == (to,) else (*champions, to)
