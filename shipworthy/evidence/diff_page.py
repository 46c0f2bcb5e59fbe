"""How two versions differ, as one HTML page: no network, no script, personal data masked.

It turns the JSON of a difference into words; the template beside it writes the markup.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..lift import type_words
from .sheet import template
from .words import mask, moment, sentence, shown

CARDS = 40
"""Rows with other answers that the page shows."""
DIGEST = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
LINES = 400
"""Lines of one changed text that the page shows."""
KINDS = {"+": "added", "-": "removed", "@": "place"}
AREAS = {
    "contract": "The contract",
    "program": "What decides",
    "origin": "Where they come from",
}
TURNED = {
    "wrong": "turned wrong",
    "right": "turned right",
    "neither": "neither turned right nor wrong",
    "unscored": "not scored",
}


def diff_page(data: Mapping[str, Any]) -> str:
    """The page for `Difference.as_json()`, or for the same read back from JSON."""
    changes = data["changes"]
    page = template("diff_page.html.j2").render(
        data={**data, "name": f"{data['before']['label']} and {data['after']['label']}"},
        sides=[
            _side(title, data[key], data["scores"][key])
            for key, title in (("before", "Before"), ("after", "After"))
        ],
        breaking=[_change(one) for one in changes if one["breaking"]],
        areas=[
            (title, key, [_change(one) for one in changes if one["area"] == key])
            for key, title in AREAS.items()
        ],
        texts=[_text(one) for one in changes if one["area"] in ("prompt", "code")],
        demos=[_change(one) for one in changes if one["area"] == "demos"],
        outputs=list(data["scores"]["by_output"].items()),
        why=sentence(data["scores"]["why"]) if data["scores"]["why"] else "",
        notes=[sentence(mask(note)) for note in data["notes"]],
        cards=[_card(one) for one in data["rows"]["examples"][:CARDS]],
        turned=TURNED,
    )
    return page.encode("utf-8", "replace").decode("utf-8")


def change_sides(change: Mapping[str, Any]) -> tuple[str, str]:
    """What was and what is, in words, of an entry of `changes`; unmasked, and as long as it is."""
    return _value(change["before"], change), _value(change["after"], change)


def _value(value: Any, change: Mapping[str, Any]) -> str:
    if value is None:
        return "null" if change["what"] == "default changed" else "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, str):
        return value[:12] if DIGEST.fullmatch(value) else value or "–"
    if isinstance(value, Mapping):
        return _mapping(value, change)
    if isinstance(value, list | tuple) and all(isinstance(one, str | int | float) for one in value):
        return ", ".join(_value(one, change) for one in value) or "none"
    return json.dumps(value, ensure_ascii=False)


def _mapping(value: Mapping[str, Any], change: Mapping[str, Any]) -> str:
    if change["area"] == "contract" or change["what"].startswith("step's"):
        optional = (
            f", {json.dumps(value['default'], ensure_ascii=False)} if left out" if "default" in value else ""
        )
        return f"{type_words(value)}{optional}"
    if value.keys() == {"id", "name"}:
        return str(value["id"])
    if value.keys() == {"shape", "sha256"}:
        return f"{' × '.join(map(str, value['shape']))} ({value['sha256'][:8]})"
    if change["what"] in ("step added", "step removed"):
        return "; ".join(f"{name} {way}" for name, way in value.items())
    return json.dumps(value, ensure_ascii=False)


def _change(change: Mapping[str, Any]) -> dict[str, Any]:
    before, after = change_sides(change)
    return {
        "what": sentence(change["what"], ""),
        "where": change["where"],
        "before": shown(before),
        "after": shown(after),
        "demo": [
            (title, _fields(change[key]))
            for title, key in (("Before", "before"), ("After", "after"))
            if _fields(change[key])
        ],
        "breaking": change["breaking"],
        "why": sentence(mask(change["why"])) if change["why"] else "",
    }


def _fields(demo: Any) -> list[tuple[str, dict[str, Any]]]:
    """Inputs and outputs of a demo."""
    if not isinstance(demo, Mapping) or not {"inputs", "outputs"} <= demo.keys():
        return []
    return [(name, shown(value)) for part in ("inputs", "outputs") for name, value in demo[part].items()]


def _text(change: Mapping[str, Any]) -> dict[str, Any]:
    lines = change["lines"]
    before, after = change_sides(change)
    return {
        "what": sentence(change["what"], ""),
        "where": change["where"],
        "lines": None if lines is None else list(_lines(lines[:LINES])),
        "more": max(0, len(lines or ()) - LINES),
        "why": change["why"],
        "before": before,
        "after": after,
    }


def _lines(lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Kind and text of each line; where a passage begins, only that others were left out before it."""
    for number, line in enumerate(lines):
        kind = KINDS.get(line[:1], "same")
        if kind != "place":
            yield kind, mask(line)
        elif number:
            yield kind, "…"


def _side(title: str, side: Mapping[str, Any], figures: Mapping[str, Any] | None) -> dict[str, Any]:
    found = figures or {}
    metric = found.get("metric")
    return {
        **side,
        "title": title,
        "figures": figures,
        "metric": f"{metric['name']}, version {metric['version']}" if metric else "none",
        "made": moment(found["made"]) if found.get("made") else "not known",
    }


def _card(example: Mapping[str, Any]) -> dict[str, Any]:
    names = dict.fromkeys(
        [*example["labels"], *((example["before"]["outputs"]) or {}), *((example["after"]["outputs"]) or {})]
    )
    return {
        "digest": example["digest"][:12],
        "turned": example["turned"],
        "inputs": [(name, shown(value)) for name, value in example["inputs"].items()],
        "outputs": [
            {
                "name": name,
                "label": shown(example["labels"].get(name, "no label")),
                "before": _answer(example["before"], name),
                "after": _answer(example["after"], name),
                "differs": name in example["differs"],
            }
            for name in names
        ],
        "sides": [(title, example[key]) for title, key in (("Before", "before"), ("After", "after"))],
        "errors": [
            (title, shown(str(example[key]["error"].get("message", ""))))
            for title, key in (("Before", "before"), ("After", "after"))
            if example[key]["error"]
        ],
    }


def _answer(said: Mapping[str, Any], name: str) -> dict[str, Any]:
    outputs = said["outputs"]
    if outputs is None:
        return {"text": None, "remark": "an error"}
    return (
        {"text": shown(outputs[name]), "remark": ""}
        if name in outputs
        else {"text": None, "remark": "no such output"}
    )
