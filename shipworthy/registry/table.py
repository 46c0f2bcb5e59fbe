"""The versions of a program as a table, and what may be removed of them."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from typing import Any

from ..errors import IntegrityError, NotFoundError, RegistryError
from .ledger import Head
from .local import CHAMPION, Notes, place_of, read_notes
from .reading import OURS, SEAL_TAG, Facts, Reader, reader_for
from .resolving import read_ledger, unknown


def versions(uri: str, name: str) -> list[dict[str, Any]]:
    """Every version of a program, the newest first, as JSON.

    Each has `version`, `aliases`, `created` (ISO 8601, UTC), `lm` (its id), `lm_name`, `score`, `ci`,
    `rows`, `verdict`, `usd_per_call`, `tokens_per_call`, `ms_p50`, `digest`, `quick`, and `problem`,
    which is null or says what is wrong with it. What is not known is null.

    Raises:
        NotFoundError: there is no such program.
        RegistryError: the registry cannot be read.
    """
    reader = reader_for(uri)
    found = reader.versions(name)
    if not found:
        raise unknown(reader, name)
    champion = read_ledger(reader, name, read_notes(place_of(uri), name)).head.champion
    aliases = reader.aliases(name)
    return [
        _row(facts, _aliases(facts.version, aliases, champion), aliases, champion) for facts in found[::-1]
    ]


def prunable(uri: str, name: str, *, keep: int) -> tuple[list[Facts], dict[int, str]]:
    """Versions that may be removed, and why the others stay, by number.

    Champions, and what a rollback goes back through, stay; so do the newest, versions that an
    alias points to, and what shipworthy did not make.

    Raises:
        NotFoundError: there is no such program.
        IntegrityError: the ledger was altered, so that champions cannot be told.
        RegistryError: the registry cannot be read.
    """
    reader = reader_for(uri)
    found = reader.versions(name)
    if not found:
        raise unknown(reader, name)
    head = _sound_head(reader, name, read_notes(place_of(uri), name))
    aliases = reader.aliases(name)
    stay: dict[int, str] = {}
    for facts in found:
        if SEAL_TAG not in facts.tags:
            stay[facts.version] = "another tool made it"
    stay |= {facts.version: "among the newest" for facts in found[len(found) - keep :]}
    stay |= {version: f"alias {alias}" for alias, version in aliases.items()}
    stay |= dict.fromkeys(head.champions, "a champion before, which a rollback may need")
    if head.champion is not None:
        stay[head.champion] = CHAMPION
    return [facts for facts in found if facts.version not in stay], stay


def _sound_head(reader: Reader, name: str, notes: Notes) -> Head:
    ledger = read_ledger(reader, name, notes)
    if ledger.damage:
        raise IntegrityError(
            f"the ledger of {name} was altered: {ledger.damage[0]}",
            hint=f"shipworthy doctor {name} --repair",
            where=name,
        )
    return ledger.head


def _aliases(version: int, aliases: Mapping[str, int], champion: int | None) -> list[str]:
    """The aliases of a version, where the ledger says who is champion."""
    found = {alias for alias, number in aliases.items() if number == version and alias != CHAMPION}
    return sorted(found | ({CHAMPION} if version == champion else set()))


def _row(facts: Facts, names: list[str], aliases: Mapping[str, int], champion: int | None) -> dict[str, Any]:
    made = datetime.datetime.fromtimestamp(facts.created_ms / 1000, datetime.UTC)
    problem = None
    try:
        facts.checked()
    except (RegistryError, NotFoundError) as error:
        problem = error.message
    if facts.version == champion and aliases.get(CHAMPION) != champion:
        problem = problem or "the alias champion does not point to it in MLflow: shipworthy doctor --repair"
    tags = facts.tags
    low, high = _number(tags, "score_low"), _number(tags, "score_high")
    return {
        "version": facts.version,
        "aliases": names,
        "created": made.isoformat(timespec="seconds"),
        "lm": tags.get(f"{OURS}lm"),
        "lm_name": tags.get(f"{OURS}lm_name"),
        "score": _number(tags, "score"),
        "ci": None if low is None or high is None else [low, high],
        "rows": _number(tags, "rows"),
        "verdict": tags.get(f"{OURS}verdict"),
        "quick": _number(tags, "quick"),
        "usd_per_call": _number(tags, "usd_per_call"),
        "tokens_per_call": _number(tags, "tokens_per_call"),
        "ms_p50": _number(tags, "ms_p50"),
        "digest": tags.get(f"{OURS}digest"),
        "problem": problem,
    }


def _number(tags: Mapping[str, str], key: str) -> Any:
    try:
        return json.loads(tags[OURS + key])
    except (KeyError, ValueError):
        return None
