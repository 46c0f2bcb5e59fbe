"""The certificate's table of contents, with what each section found in a line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .page_batteries import words
from .readings import attack_success, changed_answers, load_at, worst_drop, wrong_by_fault
from .words import SPACE, at_least, count, milliseconds, percent, points

NOT_MEASURED = "not measured in this certificate"


def contents(
    data: Mapping[str, Any],
    measured: Mapping[str, Any],
    failures: int,
    *,
    reproducible: bool,
) -> list[dict[str, str]]:
    """Each section's `anchor`, `title` and `finding`, in the page's order.

    Args:
        measured: batteries by name, None where one was left out.
        failures: rows that the compiled program got wrong.
        reproducible: whether the page says by which command it is made again.
    """
    found = [
        ("questions", "Questions of production", _questions(data.get("questions")))
        if data.get("questions")
        else None,
        ("comparison", "Comparison", _comparison(data)),
        ("selective", "When it asks a person", _selective(data["selective"])),
        *_ladder(data, measured),
        ("readiness", "Readiness", _readiness(data["rubric"])) if data.get("rubric") else None,
        ("worst", "Worst failures", f"{count(failures)} rows wrong" if data["compiled"] else NOT_MEASURED),
        ("cost", "Cost", _cost(data["compiled"])) if data["compiled"] else None,
        ("lineage", "Lineage", "what it was made of"),
        ("reproduce", "How to reproduce", "one command") if reproducible else None,
        ("left-out", "What was left out", "what this page does not say"),
    ]
    return [dict(zip(("anchor", "title", "finding"), entry, strict=True)) for entry in found if entry]


def _questions(asked: Sequence[Mapping[str, Any]] | None) -> str:
    asked = asked or ()
    return f"{sum(one['measured'] for one in asked)} of {len(asked)} answered with a figure"


def _comparison(data: Mapping[str, Any]) -> str:
    if data["compiled"] is None:
        return NOT_MEASURED
    said = f"right on {percent(data['compiled']['score'])}"
    mean = data["difference"]["mean"]
    return said if mean is None else f"{said}, {points(mean)} points to the prototype"


def _selective(own: Mapping[str, Any] | None) -> str:
    if own is None:
        return NOT_MEASURED
    said = f"answers {percent(own['coverage'])} by itself"
    return f"{said}, {at_least(own['guaranteed'])} right or better" if own["guaranteed"] else said


def _ladder(data: Mapping[str, Any], measured: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """The batteries; those that were left out together, in one entry."""
    missing = [name for name, found in measured.items() if not found]
    if len(missing) == len(measured):
        return [("unmeasured", "Brittleness, attacks, faults, load", NOT_MEASURED)]
    said = {
        "brittleness": _brittleness(data),
        "attacks": _attacks(data),
        "faults": _faults(data),
        "load": _load(data),
    }
    titles = {"brittleness": "Brittleness", "attacks": "Attacks", "faults": "Faults", "load": "Load"}
    return [(name, titles[name], said[name] if measured[name] else NOT_MEASURED) for name in titles]


def _brittleness(data: Mapping[str, Any]) -> str:
    flips, drop = changed_answers(data), worst_drop(data)
    if flips is None:
        return NOT_MEASURED
    said = f"{percent(flips.value)} of answers change under harmless edits"
    if drop is None or drop.value <= 0:
        return said
    return f"{said}; {words(drop.name)} costs most, {points(-drop.value)} points"


def _attacks(data: Mapping[str, Any]) -> str:
    found = attack_success(data)
    return NOT_MEASURED if found is None else f"{percent(found.value)} of attacks succeed"


def _faults(data: Mapping[str, Any]) -> str:
    found = wrong_by_fault(data)
    if found is None:
        return NOT_MEASURED
    return f"{count(found[0])} of {count(found[1])} rows struck turned into a wrong answer"


def _load(data: Mapping[str, Any]) -> str:
    found = load_at(data, 100)
    if found is None:
        return NOT_MEASURED
    said = f"at ten times its capacity {percent(found['shed'])} turned away"
    if found["ms_p95"] is None:
        return said
    return f"{said}, p95 {milliseconds(found['ms_p95'])}{SPACE}ms"


def _readiness(found: Mapping[str, Any]) -> str:
    points = sum(one["points"] for one in found["sections"].values())
    return f"score {found['score']:g} of 7; {points:g} of 28 points"


def _cost(own: Mapping[str, Any]) -> str:
    said = f"{count(own['tokens_per_call'])} tokens a call"
    return said if own["ms_p50"] is None else f"{milliseconds(own['ms_p50'])}{SPACE}ms and {said}"
