"""The report of a compile as one HTML page: no network, no script, personal data masked.

It turns the compiler's figures into plain words and the geometry of plots; the template
beside it is the only place where markup is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .sheet import round_marks, template
from .words import count, dollars, mask, moment, percent, points, sentence

PANELS = 12
"""Candidates of a race that are drawn; the table has all."""
TRIED = 40
"""Attempts of an optimizer that are listed."""
STATES = {
    "leads": "leads",
    "runs": "not told apart from the leader",
    "rests": "rests: unlikely to be better",
    "dropped": "dropped: worse beyond doubt",
}
KINDS = {"demos": "sets of demos"}
PROMPT_CHARACTERS = 20_000
ENDS = {
    "decided": "it was decided",
    "rows": "all rows were read",
    "budget": "the budget was spent",
}


def compile_page(figures: Mapping[str, Any]) -> str:
    """The page for `Compiled.figures`, or for the same read back from JSON."""
    page = template("compile_page.html.j2").render(
        data=figures,
        made=moment(figures["made"]),
        spent=_spent(figures),
        facts=_facts(figures),
        decisions=[_decision(one) for one in figures["decisions"]],
        races=[_race(race) for race in figures["races"] if race.get("standings")],
        instruction=_shortened([("same", figures["instruction"])]),
        tried=[_tried(race) for race in figures["races"] if race.get("tried")],
    )
    return page.encode("utf-8", "replace").decode("utf-8")


def _spent(figures: Mapping[str, Any]) -> str:
    spent = figures["spent"]
    usd = "US$ not known" if spent["usd"] is None else f"US$ {dollars(spent['usd'])}"
    return f"{usd}, {count(spent['seconds'])} s"


def _facts(figures: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows, dev = figures["rows"], figures["dev"]
    used = f"{count(rows['train'])} for training"
    used += f", {count(rows['dev'])} to select on" if rows["dev"] else ""
    used += f"; {count(rows['unread'])} of them unread by the LM" if rows["unread"] else ""
    budget = ", ".join(
        f"{limit:,g} {'US$' if name == 'usd' else name}" for name, limit in figures["budget"].items()
    )
    found = [
        ("Digest", figures["digest"]),
        (
            "LM",
            figures["lm"] if figures["calls_a_row"] else f"{figures['lm']}, which the program does not call",
        ),
        ("Recipe", ", then ".join(figures["recipe"]) or "no pass"),
        ("Rows", used),
        ("Budget", budget or "no limit"),
        ("Seed", str(figures["seed"])),
    ]
    if steps := figures.get("steps"):
        found.insert(3, ("Steps", ", then ".join(map(_step, steps))))
    if dev is not None:
        how = f"by the metric {figures['metric']}, on rows that no head was fitted on: {dev['how']}"
        found.insert(2, ("Held-out score", how))
    return found


def _step(one: Mapping[str, Any]) -> str:
    kinds = {"heads": "decided", "lm": "generated", "function": "a function"}
    facts = [kinds[one["what"]]]
    facts += [f"from {count(one['rows'])} rows"] if one["rows"] else []
    facts += [f"where {name} is {' or '.join(map(str, labels))}" for name, labels in one["when"].items()]
    return f"{one['name']} ({', '.join(facts)})"


def _decision(one: Mapping[str, Any]) -> dict[str, Any]:
    first, *again = one["rounds"]
    names = [entry["name"] for entry in first["considered"]]
    before, after = one["calibration"]["before"], one["calibration"]["after"]
    return {
        **one,
        "why": sentence(one["why"]),
        "first": first,
        "again": again,
        "names": names,
        "front": _front(first) if len(names) > 1 else None,
        "reliability": [
            ("Before calibration", before, _reliability(before)),
            ("After calibration", after, _reliability(after)),
        ],
    }


def _front(weighed: Mapping[str, Any]) -> dict[str, Any]:
    """Geometry of score against cost; x and y in per cent of width and height."""
    entries = weighed["considered"]
    marks = round_marks(min(entry["ci"][0] for entry in entries), max(entry["ci"][1] for entry in entries))
    most: int = max(1, *(entry["calls"] for entry in entries))

    def x(calls: int) -> float:
        return round(16 + 72 * calls / most, 2)

    def y(share: float) -> float:
        return round(82 - 76 * (share - marks[0]) / (marks[-1] - marks[0]), 2)

    drawn, front = [], []
    for number, entry in enumerate(entries, 1):
        same = [other for other in entries if other["calls"] == entry["calls"]]
        place = next(i for i, other in enumerate(same) if other is entry)
        at = round(x(entry["calls"]) + 5 * (place - (len(same) - 1) / 2), 2)
        if entry["front"]:
            front.append((at, y(entry["accuracy"])))
        drawn.append(
            {
                "number": number,
                "x": at,
                "y": y(entry["accuracy"]),
                "low": y(entry["ci"][0]),
                "high": y(entry["ci"][1]),
                "chosen": entry["name"] == weighed["chosen"],
                "words": f"{number}, {entry['name']}: {percent(entry['accuracy'])} at {entry['calls']} calls",
            }
        )
    return {
        "drawn": drawn,
        "line": " ".join(f"{at},{height}" for at, height in sorted(front)),
        "across": [{"y": y(mark), "text": f"{100 * mark:.0f}"} for mark in marks],
        "along": [{"x": x(calls), "text": str(calls)} for calls in range(most + 1)],
    }


def _reliability(calibration: Mapping[str, Any]) -> dict[str, Any]:
    """Geometry of a reliability plot; x and y in per cent of width and height."""

    def x(share: float) -> float:
        return round(13 + 82 * share, 2)

    def y(share: float) -> float:
        return round(82 - 78 * share, 2)

    bins = calibration["bins"]
    sizes = sorted({one["n"] for one in bins})
    return {
        "points": [
            {
                "x": x(one["confidence"]),
                "y": y(one["accuracy"]),
                "low": y(one["ci"][0]),
                "high": y(one["ci"][1]),
            }
            for one in bins
        ],
        "marks": [{"x": x(share / 4), "y": y(share / 4), "text": f"{25 * share}"} for share in range(5)],
        "corners": {"x1": x(0), "y1": y(0), "x2": x(1), "y2": y(1)},
        "sizes": count(sizes[0]) if len(sizes) == 1 else f"{count(sizes[0])} to {count(sizes[-1])}",
        "words": " ".join(
            f"Confidence {percent(one['confidence'])}: {percent(one['accuracy'])} of {one['n']} rows right."
            for one in bins
        ),
    }


def _race(race: Mapping[str, Any]) -> dict[str, Any]:
    """A race in words, its table and its panels."""
    standings, winner = race["standings"], int(race.get("winner") or 0)
    courses = [_course(number, standings, race.get("history") or []) for number in range(len(standings))]
    return {
        "what": KINDS.get(race["what"], race["what"]),
        "n": len(standings),
        "ended": ENDS.get(str(race.get("why")), ""),
        "rows": race.get("rows"),
        "winner": winner + 1,
        "kept": int(race.get("kept", winner)) + 1,
        "confirmed": race.get("confirmed"),
        "table": [
            {
                **one,
                "number": number + 1,
                "said": _state(one, courses[number]),
                "is_winner": number == winner,
                "range": f"{points(one['interval'][0])} to {points(one['interval'][1])}",
            }
            for number, one in enumerate(standings)
        ],
        "panels": _panels(standings, winner, courses),
        "difference": _shortened(race.get("difference") or []),
    }


def _shortened(pieces: Iterable[Sequence[str]]) -> list[tuple[str, str]]:
    """Pieces of prompts, masked, as far as a page should go."""
    found: list[tuple[str, str]] = []
    room = PROMPT_CHARACTERS
    for what, text in pieces:
        text = mask(text)
        if len(text) > room:
            return [*found, (what, text[:room]), ("cut", "")]
        found.append((what, text))
        room -= len(text)
    return found


def _course(
    number: int, standings: Sequence[Mapping[str, Any]], history: Iterable[Mapping[str, Any]]
) -> list[Any]:
    """How a candidate stood after each number of rows that it had read, until it was dropped."""
    found: dict[int, Mapping[str, Any]] = {}
    for entry in history:
        rows = entry["standings"]
        if len(rows) != len(standings) or not rows[number]["rows"]:
            continue
        found[rows[number]["rows"]] = rows[number]
        if rows[number]["state"] == "dropped":
            break
    return [found[rows] for rows in sorted(found)]


def _state(standing: Mapping[str, Any], course: Sequence[Mapping[str, Any]]) -> str:
    said = STATES.get(str(standing["state"]), str(standing["state"]))
    if standing["state"] == "dropped" and course and course[-1]["state"] == "dropped":
        said += f", after {count(course[-1]['rows'])} rows"
    return said


def _panels(
    standings: Sequence[Mapping[str, Any]], winner: int, courses: Sequence[Sequence[Mapping[str, Any]]]
) -> list[dict[str, Any]]:
    """Geometry of a small plot a candidate, all on one scale; x and y in per cent of width and height."""
    order = sorted(range(len(standings)), key=lambda i: (i != winner, -standings[i]["rows"], i))
    drawn = [i for i in order if courses[i]][:PANELS]
    if not drawn:
        return []
    most: int = max(courses[i][-1]["rows"] for i in drawn)
    # The scale fits how it ended for those that nobody dropped; intervals start so wide, and others fall
    # so far behind, that fitting them would flatten the rest.
    stayed = [courses[i][-1] for i in drawn if courses[i][-1]["state"] != "dropped"]
    reach: float = min(1.0, max(0.05, *(abs(bound) for one in stayed for bound in one["interval"])))

    def x(rows: float) -> float:
        return round(14 + 82 * rows / most, 2)

    def y(difference: float) -> float:
        return round(42 - 38 * max(-1.0, min(1.0, difference / reach)), 2)

    found = []
    for i in drawn:
        course = courses[i]
        upper = [f"{x(one['rows'])},{y(one['interval'][1])}" for one in course]
        lower = [f"{x(one['rows'])},{y(one['interval'][0])}" for one in reversed(course)]
        last = course[-1]
        found.append(
            {
                "number": i + 1,
                "name": standings[i]["name"],
                "said": _state(standings[i], course),
                "is_winner": i == winner,
                "dropped": last["state"] == "dropped",
                "band": " ".join(upper + lower),
                "line": " ".join(f"{x(one['rows'])},{y(one['difference'])}" for one in course),
                "end": {
                    "x": x(last["rows"]),
                    "y": y(last["difference"]),
                    "low": y(last["interval"][0]),
                    "high": y(last["interval"][1]),
                    "below": last["difference"] < -reach,
                },
                "difference": points(last["difference"]),
                "zero": y(0),
                "across": [{"y": y(mark), "text": points(mark)} for mark in (reach, -reach)],
                "along": [{"x": x(rows), "text": count(rows)} for rows in (0, most)],
                "words": f"After {count(last['rows'])} rows {points(last['difference'])} points, "
                f"interval {points(last['interval'][0])} to {points(last['interval'][1])}.",
            }
        )
    return found


def _tried(race: Mapping[str, Any]) -> dict[str, Any]:
    tried = sorted(race["tried"], key=lambda one: (-one["rows"], -(one["score"] or 0.0)))
    return {
        "name": race.get("name", race["what"]),
        "n": len(tried),
        "ended": race.get("why") == "budget",
        "tried": tried[:TRIED],
    }
