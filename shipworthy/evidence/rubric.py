"""Readiness by the ML Test Score, its 28 tests executed where the facts allow it.

Breck, Cai, Nielsen, Salib and Sculley (2017), "The ML Test Score: A Rubric for ML Production
Readiness and Technical Debt Reduction". Half a point for a test that was done by hand and
written up, a whole one for a test that is automated and repeated; the points are added up in
each of four sections, and the score is the smallest of the four sums. The paper has no test that
does not apply, so neither has this: what is not done earns nothing.
"""

from __future__ import annotations

import datetime
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from ..errors import InputError
from .facts import Facts
from .rubric_checks import CHECKS, Found

SECTIONS = ("data", "model", "infrastructure", "monitoring")
MEANINGS = (
    (0.0, "more a research project than a system in production"),
    (1.0, "not untested, but serious holes in reliability are possible"),
    (2.0, "a first pass at basic productionisation; more work may be needed"),
    (3.0, "reasonably tested; more of it may be automated"),
    (5.0, "strong automated testing and monitoring, fit for mission-critical systems"),
    (7.0, "exceptional automated testing and monitoring"),
)
"""The paper's reading of a score: the first line whose bound it does not exceed."""
WHERE = "pyproject.toml: [tool.shipworthy.rubric]"
ENTRY = (
    'write data-privacy = { by = "name", on = "2026-05-01", note = "what was tested, and what came of it" }'
)
LINK = "pyproject.toml"


@dataclass(frozen=True)
class ByHand:
    """A test that a person did, and wrote up.

    Attributes:
        by: who; on: when; note: what was tested, and what came of it.
    """

    by: str
    on: datetime.date
    note: str


def rubric(facts: Facts, by_hand: Mapping[str, ByHand] | None = None) -> dict[str, Any]:
    """Score the readiness of a program.

    Args:
        by_hand: by check, as `read_by_hand` gives them. They count where the facts do not say
            whether a test is met; what was measured and does not hold, they do not make good.

    Returns:
        JSON: `score` (0 to 7), `meaning`, `sections` (by name `points`, `of`), and `checks`: `id`,
        `section`, `test` (the paper's, in our words), `here` (what it means for such a program), `status`
        (`automated`, `by hand`, `not done`), `met` (null where the facts do not say), `points`,
        `evidence` and `link` (or null), `how` (to get the rest of the points, or null).
    """
    hands = by_hand or {}
    checks = [
        _entry(stated, CHECKS[stated["id"]](facts), facts, hands.get(stated["id"]))
        for stated in stated_checks()
    ]
    sections = {
        section: {
            "points": sum(one["points"] for one in checks if one["section"] == section),
            "of": sum(one["section"] == section for one in checks),
        }
        for section in SECTIONS
    }
    score = min(one["points"] for one in sections.values())
    meaning = next(text for bound, text in MEANINGS if score <= bound)
    return {"score": score, "meaning": meaning, "sections": sections, "checks": checks}


def read_by_hand(settings: Mapping[str, Any]) -> dict[str, ByHand]:
    """The tests that people recorded under `[tool.shipworthy.rubric]` of a project's pyproject.toml.

    Args:
        settings: the table `[tool.shipworthy]`.

    Raises:
        InputError: an entry names no check, or lacks who, when or what; it names the key.
    """
    table = settings.get("rubric", {})
    if not isinstance(table, Mapping):
        raise InputError("the rubric is a table of checks", hint=ENTRY, where=WHERE)
    return {name: _by_hand(name, entry) for name, entry in table.items()}


def stated_checks() -> list[dict[str, str]]:
    """The 28 checks in the paper's order, as `rubric.toml` states them: id, section, test, here, how."""
    text = resources.files("shipworthy.evidence").joinpath("rubric.toml").read_text(encoding="utf-8")
    found: list[dict[str, str]] = tomllib.loads(text)["check"]
    return found


def _entry(stated: Mapping[str, str], found: Found, facts: Facts, hand: ByHand | None) -> dict[str, Any]:
    evidence, link, how = found.evidence, found.link, stated["how"]
    status, points = "not done", 0.0
    if found.met and (found.alone or facts.folder.certified_in_ci is not None):
        status, points = "automated", 1.0
    elif found.met:
        status, points = (
            "by hand",
            0.5,
        )  # tested, and written up in this certificate, because somebody made it
        how = f"Let CI run `shipworthy certify {facts.name}`, so that this is tested again and again."
    elif found.met is None and hand is not None:
        status, points = "by hand", 0.5
        evidence, link = f"{hand.note} ({hand.by}, {hand.on.isoformat()})", LINK
    return {
        **{key: stated[key] for key in ("id", "section", "test", "here")},
        "status": status,
        "met": found.met,
        "points": points,
        "evidence": evidence,
        "link": link,
        "how": how if points < 1 else None,
    }


def _by_hand(name: str, entry: Any) -> ByHand:
    where = f"{WHERE} {name}"
    if name not in CHECKS:
        raise InputError(f"the rubric has no check {name!r}", hint=f"it has {', '.join(CHECKS)}", where=where)
    if not isinstance(entry, Mapping) or set(entry) != {"by", "on", "note"}:
        raise InputError(
            "a test by hand has `by`, `on` and `note`, and nothing else", hint=ENTRY, where=where
        )
    for key in ("by", "note"):
        if not isinstance(entry[key], str) or not entry[key].strip():
            raise InputError(f"{key} is a text that says something", hint=ENTRY, where=where)
    try:
        # TOML has dates of its own, and people write them in quotes too.
        on = datetime.date.fromisoformat(str(entry["on"]))
    except ValueError as error:
        raise InputError(f"on is a date, not {entry['on']!r}", hint=ENTRY, where=where) from error
    if on > datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=1):  # a time zone's worth
        raise InputError(f"on lies ahead: {on.isoformat()}", hint=ENTRY, where=where)
    return ByHand(entry["by"].strip(), on, entry["note"].strip())
