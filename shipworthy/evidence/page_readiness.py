"""What the certificate's page says of readiness, of the questions of production and of cost."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from .page_plots import stack
from .words import SPACE, count, dollars, sentence

STATUS = {"automated": ("●", "automated"), "by hand": ("◐", "by hand"), "not done": ("○", "not done")}
SECTIONS = {
    "data": "Features and data",
    "model": "Model development",
    "infrastructure": "Infrastructure",
    "monitoring": "Monitoring",
}
ANCHORS = (
    ("batteries/attacks", "attacks"),
    ("batteries/brittleness", "brittleness"),
    ("batteries/faults", "faults"),
    ("batteries/load", "load"),
    ("selective", "selective"),
    ("out_of_scope", "selective"),
    ("worst", "worst"),
    ("digest", "lineage"),
    ("rows", "lineage"),
    ("difference", "comparison"),
    ("against", "comparison"),
    ("baselines", "comparison"),
    ("compiled", "comparison"),
    ("prototype", "comparison"),
)
"""Where the page shows what stands at a place in `certificate.json`."""
CALLS = 100_000
"""Calls by which a price is told."""


def rubric_section(found: Mapping[str, Any], anchors: Sequence[str]) -> dict[str, Any]:
    """Of `rubric`: a bar a section, and its tests with evidence.

    Args:
        anchors: ids of sections that the page has. Evidence is linked only to these; a file's
            name is shown as text.
    """
    lowest = min(one["points"] for one in found["sections"].values())
    return {
        "score": _points(found["score"]),
        "meaning": found["meaning"],
        "sections": [
            {
                "name": SECTIONS.get(name, name),
                "key": name,
                "points": _points(one["points"]),
                "of": one["of"],
                "lowest": one["points"] == lowest,
                "bar": stack([("bar", one["points"] / one["of"])]),
                "checks": [_check(check, anchors) for check in found["checks"] if check["section"] == name],
            }
            for name, one in found["sections"].items()
        ],
        "counts": {status: sum(one["status"] == status for one in found["checks"]) for status in STATUS},
    }


def questions_section(found: Sequence[Mapping[str, Any]], anchors: Sequence[str]) -> list[dict[str, Any]]:
    """The questions of production, with where the page shows more."""
    further = {"load": "load", "edge-cases": "attacks", "again": "lineage", "new-field": "cost"}
    return [
        {
            "question": one["question"],
            "answer": one["answer"],
            "measured": one["measured"],
            "how": sentence(one["how"]) if one["how"] else None,
            "anchor": anchor if (anchor := further.get(one["id"])) in anchors else None,
        }
        for one in found
    ]


def cost_section(
    contenders: Sequence[Mapping[str, Any]], questions: Sequence[Mapping[str, Any]] | None
) -> dict[str, Any]:
    """What a call costs each contender that was measured, and what the last compile cost."""
    made: Mapping[str, Any] = next(
        (one["figures"] for one in questions or () if one["id"] == "new-field"), {}
    )
    return {
        "rows": [
            {
                "key": entry["key"],
                "name": entry["name"],
                "tokens": count(entry["summary"]["tokens_per_call"]),
                "usd": dollars(entry["summary"]["usd_per_call"]),
                "many": _many(entry["summary"]["usd_per_call"]),
                "without_lm": entry["summary"].get("without_lm"),
            }
            for entry in contenders
            if entry["summary"] is not None
        ],
        "calls": count(CALLS),
        "made": [
            ("Labelled rows", count(made["rows"])),
            ("Calls to the LM", count(made["calls"])),
            ("Tokens", count(made["tokens"])),
            ("US$", dollars(made["usd"])),
            ("Time", f"{made['seconds']:,.0f}{SPACE}s"),
        ]
        if made
        else [],
    }


def _check(check: Mapping[str, Any], anchors: Sequence[str]) -> dict[str, Any]:
    link = check["link"]
    sign, status = STATUS.get(check["status"], ("○", check["status"]))
    return {
        "test": check["test"],
        "here": check["here"],
        "sign": sign,
        "status": status,
        "failed": check["met"] is False,
        "points": _points(check["points"]),
        "evidence": check["evidence"],
        "anchor": _anchor(link, anchors),
        "file": link,
        "how": check["how"],
    }


def _anchor(link: str | None, anchors: Sequence[str]) -> str | None:
    place = re.fullmatch(r"certificate\.json#/(.*)", link or "")
    found = next((anchor for path, anchor in ANCHORS if place and place[1].startswith(path)), None)
    return found if found in anchors else None


def _points(points: float) -> str:
    whole, half = divmod(points, 1)
    return f"{whole:.0f}" if not half else f"{whole:.0f}½" if whole else "½"


def _many(usd: float | None) -> str:
    return "not known" if usd is None else f"{usd * CALLS:,.2f}"
