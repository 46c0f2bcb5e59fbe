"""What the certificate's page says of an LM that fails and of load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .page_batteries import TITLES
from .page_plots import SIDES, log_dots, stack
from .words import SPACE, count, interval, milliseconds, percent, points, rate

FATES = ("right", "abstained", "error", "unscored", "untyped", "wrong")
"""From left to right: what is wrong stands at the right edge, where bars can be compared."""
FATE_WORDS = {
    "right": "right",
    "abstained": "handed over",
    "error": "typed error",
    "unscored": "answered, not scored",
    "untyped": "bare exception",
    "wrong": "wrong",
}
KINDS = {
    "refused": "connection refused",
    "rate_limit": "429, come back later",
    "server_error": "500, server error",
    "stall": "no answer comes",
    "cut": "answer cut short",
    "malformed": "malformed answer",
    "wrong_type": "answer of a wrong type",
    "empty": "empty answer",
    "nan": "log-probabilities are no numbers",
    "missing": "log-probabilities missing",
}
BAR = 13
LEFT = 9.0
"""Per cent of the width that a bar's rate takes."""
PERCENTILES = ("p50", "p95", "p99")
ENDS = ("answered", "late", "error", "shed")
END_WORDS = {"answered": "answered in time", "late": "late", "error": "error", "shed": "turned away"}


def faults_section(found: Mapping[str, Any]) -> dict[str, Any]:
    """Of `faults` by contender: bars of how rows ended by kind and rate, and the figures."""
    sides = [(side, one) for side in SIDES if (one := found.get(side)) is not None]
    return {
        "missing": None if "prototype" in dict(sides) else "The prototype was not run on an LM that fails.",
        "sides": [_faults_of(side, one) for side, one in sides],
        "legend": [
            (fate, FATE_WORDS[fate])
            for fate in FATES
            if fate in ("right", "wrong") or any(_seen(one, fate) for _, one in sides)
        ],
    }


def load_section(found: Mapping[str, Any]) -> dict[str, Any]:
    """Of `load`: percentiles of latency on a log scale, how requests ended, and the figures."""
    levels = found["levels"]
    measured = [one for one in levels if one["why"] is None]
    latency = log_dots(
        [
            (
                _level_name(one),
                [
                    (name, own)
                    for name in PERCENTILES
                    if (own := one["ms"][name]) is not None and own["value"] is not None
                ],
            )
            for one in measured
        ],
        found["deadline_s"] * 1e3,
    )
    return {
        **{key: found[key] for key in ("workers", "deadline_s", "seconds_each", "seed", "rows", "why")},
        "capacity": found["capacity"],
        "latency": latency,
        "bars": {
            "rows": [
                {
                    "name": _level_name(one),
                    "parts": stack((end, one[end]["share"] or 0.0) for end in ENDS),
                    "words": ", ".join(
                        f"{percent(one[end]['share'])} {END_WORDS[end]}" for end in ENDS if one[end]["count"]
                    ),
                    "y": 4 + 46 * number,
                }
                for number, one in enumerate(measured)
            ],
            "foot": 46 * len(measured),
        },
        "levels": [f"{one['factor']:g} × capacity" for one in measured],
        "table": _table(measured),
        "unmeasured": [f"{_level_name(one)}: {one['why']}." for one in levels if one["why"] is not None],
        "beyond": _beyond(measured),
    }


def _faults_of(side: str, one: Mapping[str, Any]) -> dict[str, Any]:
    tried: dict[str, list[Mapping[str, Any]]] = {}
    for entry in one["by_kind"]:
        tried.setdefault(entry["kind"], []).append(entry)
    struck = {kind: own for kind, own in tried.items() if own[0]["why"] is None}
    rows, y = [], 14
    groups = [("no fault", [one["without"]])] if one["without"] else []
    groups += [(KINDS.get(kind, kind), own) for kind, own in struck.items()]
    for name, own in groups:
        bars = [
            {
                "rate": f"{100 * entry['rate']:g}{SPACE}%" if "rate" in entry else "",
                "y": y + 7 + BAR * number,
                "parts": stack(((fate, _share(entry, fate)) for fate in FATES), left=LEFT),
                "words": _ends(entry),
            }
            for number, entry in enumerate(own)
        ]
        turned = sum(entry["turned_wrong"]["count"] for entry in own if "rate" in entry)
        bare = sum(entry["untyped"]["count"] for entry in own)
        said = [f"{turned} turned wrong"] if turned else []
        said += [f"{bare} bare"] if bare else []
        rows.append({"name": name, "y": y, "bars": bars, "alarm": ", ".join(said)})
        y += 7 + BAR * len(bars) + 22
    return {
        "key": side,
        "title": TITLES[side],
        **{key: one[key] for key in ("n", "of", "seed", "deadline_s", "lm", "why", "total", "without")},
        "rows": rows,
        "foot": y - 20,
        "table": [
            (KINDS.get(entry["kind"], entry["kind"]), _fault_cells(entry))
            for own in struck.values()
            for entry in own
        ],
        "not_open": _not_open(tried),
    }


def _fault_cells(entry: Mapping[str, Any]) -> dict[str, str]:
    difference = entry["difference"]
    return {
        "rate": f"{100 * entry['rate']:g}{SPACE}%",
        "struck": count(entry["struck"]),
        **{fate: count(entry[fate]["count"]) for fate in ("right", "abstained", "error", "untyped", "wrong")},
        "turned": f"{count(entry['turned_wrong']['count'])} of {count(entry['turned_wrong']['n'])}"
        + (f" ({interval(entry['turned_wrong']['ci'])})" if entry["turned_wrong"]["ci"] else ""),
        "longest": f"{entry['longest_s']:,.1f}{SPACE}s",
        "over": f"{milliseconds(entry['over_ms'])}{SPACE}ms",
        "errors": ", ".join(f"{n} {name}" for name, n in entry["errors"].items()),
        "difference": "–" if difference["mean"] is None else points(difference["mean"]),
    }


def _not_open(tried: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    """Kinds that were not measured, with their reason, one line a reason."""
    by: dict[str, list[str]] = {}
    for kind, own in tried.items():
        if own[0]["why"] is not None:
            by.setdefault(own[0]["why"], []).append(KINDS.get(kind, kind))
    return [f"{', '.join(kinds)}: not measured, as {why}." for why, kinds in by.items()]


def _share(entry: Mapping[str, Any], fate: str) -> float:
    if fate == "unscored":
        return float(entry["unscored"] / entry["n"]) if entry["n"] else 0.0
    return float(entry[fate]["share"] or 0.0)


def _seen(one: Mapping[str, Any], fate: str) -> bool:
    entries = [entry for entry in (one["without"], *one["by_kind"]) if entry and entry["n"]]
    return any(_share(entry, fate) for entry in entries)


def _ends(entry: Mapping[str, Any]) -> str:
    said = [f"{percent(share)} {FATE_WORDS[fate]}" for fate in FATES if (share := _share(entry, fate))]
    return ", ".join(said)


def _level_name(one: Mapping[str, Any]) -> str:
    return f"{one['factor']:g} × capacity, {rate(one['rate_per_s'])} requests a second"


def _table(levels: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[str]]]:
    """Figures by name, one a level."""

    def memory(one: Mapping[str, Any]) -> str:
        own = one["rss_mb"]
        if own["peak"] is None:
            return "not known"
        return f"{own['peak']:,.0f}, {own['peak'] - own['before']:+,.0f} since its start"

    found: dict[str, list[str]] = {
        "Requests a second, offered": [rate(one["rate_per_s"]) for one in levels],
        "Requests": [count(one["offered"]) for one in levels],
        **{END_WORDS[end].capitalize(): [_share_words(one[end]) for one in levels] for end in ENDS},
        "Errors by type": [
            ", ".join(f"{n} {name}" for name, n in one["errors"].items()) or "none" for one in levels
        ],
        "Answered in time a second": [rate(one["per_s"]) for one in levels],
        **{f"{name}, ms": [_percentile(one["ms"][name]) for one in levels] for name in PERCENTILES},
        "Longest queue": [f"{count(one['queue_peak'])} of {count(one['queue_bound'])}" for one in levels],
        "Sent late by this test, at most, ms": [milliseconds(one["behind_ms"]) for one in levels],
        "Memory of the process at its peak, MB": [memory(one) for one in levels],
    }
    return list(found.items())


def _share_words(own: Mapping[str, Any]) -> str:
    return "–" if own["share"] is None else f"{percent(own['share'])} ({interval(own['ci'])})"


def _percentile(own: Mapping[str, Any] | None) -> str:
    if own is None or own["value"] is None:
        return "–"
    low, high = own["ci"]
    low = "?" if low is None else milliseconds(low)
    high = "no bound" if high is None else milliseconds(high)
    return f"{milliseconds(own['value'])} ({low} to {high})"


def _beyond(measured: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The heaviest level, for the sentence above the plots."""
    if not measured:
        return None
    one = max(measured, key=lambda level: level["factor"])
    return {
        "factor": f"{one['factor']:g}",
        "times": f"{one['factor'] / min(level['factor'] for level in measured):,.0f}",
        "shed": one["shed"]["share"],
        "late": one["late"]["share"],
        "p95": None if one["ms"]["p95"] is None else one["ms"]["p95"]["value"],
        "accepted": one["accepted"],
        "offered": one["offered"],
    }
