"""What the certificate's page says of changed and attacked rows, compiled program beside prototype."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .page_plots import SIDES, halves, point_dots, share_dots
from .words import count, interval, percent, points, sentence, shown

TITLES = {"compiled": "The compiled program", "prototype": "The prototype"}
LANGUAGES = {
    "ar": "Arabic",
    "de": "German",
    "en": "English",
    "es": "Spanish",
    "fr": "French",
    "hi": "Hindi",
    "ja": "Japanese",
    "pt": "Portuguese",
    "ru": "Russian",
    "zh": "Chinese",
}
ALL = "all together"


def brittleness_section(found: Mapping[str, Any]) -> dict[str, Any]:
    """Of `brittleness`: plots of drop and flipped answers by change, figures, and examples."""
    texts = {side: found["texts"][side] for side in SIDES if side in found["texts"]}
    measured = [side for side, own in texts.items() if own["by"]]
    names = [ALL, *_worst_first(texts.get("compiled"), found["changes"])]
    return {
        "sample": _sample(found),
        "n_changes": len(found["changes"]),
        "input": found["input"],
        "metric": found["metric"]["name"],
        "why": _whys(texts),
        "overall": [_brittle_words(side, own["overall"]) for side, own in texts.items() if own["overall"]],
        "difference": found["difference"],
        "drop": point_dots([(words(name), _part(texts, name, "drop")) for name in names]),
        "flipped": share_dots([(words(name), _part(texts, name, "flipped")) for name in names]),
        "heads": _brittle_heads(measured),
        "rows": [
            {
                "name": words(name),
                "sentence": found["changes"].get(name, "every change of every row"),
                "cells": _brittle_cells([_of(texts[side], name) for side in measured])
                + ([_gap(found["difference"], name)] if len(measured) > 1 else []),
            }
            for name in names
        ],
        "elsewhere": [
            _elsewhere("The prototype's instructions, changed", "prototype", found["instructions"]),
            *(
                _elsewhere(f"{TITLES[side]} on another LM or quantisation", side, found["worlds"])
                for side in SIDES
                if side in found["worlds"]
            ),
        ],
        "fixed": sentence((found["instructions"].get("compiled") or {}).get("why") or ""),
        "examples": [
            _example(side, one, words(one["change"]), one["before"], one["after"])
            for side, own in texts.items()
            for one in own["worst"]
        ],
    }


def attacks_section(found: Mapping[str, Any]) -> dict[str, Any]:
    """Of `attacks`: plots of success by form and language with controls, figures, edge cases, examples."""
    sides = {side: found["contenders"][side] for side in SIDES if side in found["contenders"]}
    measured = [side for side, own in sides.items() if own["by"]]
    names = [ALL, *_easiest_first(sides, found["attacks"])]
    spoken = sorted({name for own in sides.values() for name in own["by_language"] or ()})
    return {
        "sample": _sample(found),
        "n_forms": len(found["attacks"]),
        "per_row": found["rows"]["per_row"],
        "input": found["input"],
        "target": found["target"],
        "why": _whys(sides),
        "overall": [_attack_words(side, own["overall"]) for side, own in sides.items() if own["overall"]],
        "difference": found["difference"],
        "forms": halves(share_dots([(words(name), _attacked(sides, "by", name)) for name in names])),
        "languages": share_dots(
            [(LANGUAGES.get(name, name), _attacked(sides, "by_language", name)) for name in spoken]
        ),
        "heads": _attack_heads(measured),
        "rows": [
            {
                "name": words(name),
                "sentence": found["attacks"].get(name, "every form on every row"),
                "cells": _attack_cells([_of(sides[side], name) for side in measured]),
            }
            for name in names
        ],
        "edges": _edges(found["edges"]),
        "examples": [
            _example(side, one, words(one["attack"]), one["before"], one["after"])
            | {"language": LANGUAGES.get(one["language"], one["language"])}
            | {"answered": one["answered"], "target": one["target"]}
            for side, own in sides.items()
            for one in own["worst"]
        ],
    }


def words(name: str) -> str:
    """`lower_case` as people write it; a delimiter's number and kind as words."""
    kind, _, rest = name.partition("_")
    if kind == "delimiter" and rest:
        of, _, number = rest.rpartition("_")
        return f"delimiter of the {of.replace('chat', 'chat template')}, {number}"
    return name.replace("_", " ")


def ends_in_words(one: Mapping[str, Any]) -> str:
    """How rows of an edge case ended: `9 ContextLengthError, 1 handed over`."""
    ends = {"answered": one["answered"], "handed over": one["abstained"], **one["errors"]}
    said = [f"{n} {end}" for end, n in ends.items() if n]
    said += [f"{n} {name}, which is no error of shipworthy's" for name, n in one["untyped"].items()]
    return ", ".join(said) or "nothing was asked"


def _sample(found: Mapping[str, Any]) -> str:
    rows = found["rows"]
    by = f", in proportion to {rows['stratified_by']}" if rows["stratified_by"] else ""
    return (
        f"{count(rows['sampled'])} of {count(rows['given'])} test rows, drawn with seed {found['seed']}{by}"
    )


def _whys(sides: Mapping[str, Mapping[str, Any]]) -> list[str]:
    return [f"{TITLES[side]}: not measured, as {own['why']}." for side, own in sides.items() if own["why"]]


def _brittle_words(side: str, own: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "title": TITLES[side],
        "flipped": own["flipped"],
        "drop": own["drop"],
        "before": own["before"],
        "after": own["after"],
        "rows": own["rows"],
        "variants": own["variants"],
        "errors": own["errors"],
    }


def _attack_words(side: str, own: Mapping[str, Any]) -> dict[str, Any]:
    typed, untyped = sum(own["errors"].values()), sum(own["untyped"].values())
    ends = [f"{typed} attempts end in a typed error"] if typed else []
    ends += [f"{untyped} in an exception that is none of shipworthy's"] if untyped else []
    return {"title": TITLES[side], **own, "ends": sentence(" and ".join(ends)) if ends else ""}


def _worst_first(own: Mapping[str, Any] | None, changes: Mapping[str, str]) -> list[str]:
    """Changes by how many answers they flip; as given where nothing was measured."""
    by = (own or {}).get("by") or {}
    return sorted(changes, key=lambda name: -(by[name]["flipped"]["share"] or 0.0) if name in by else 0.0)


def _easiest_first(sides: Mapping[str, Mapping[str, Any]], forms: Mapping[str, str]) -> list[str]:
    """Attacks by their success on any side."""
    measured = [own["by"] for own in sides.values() if own["by"]]
    return sorted(
        forms, key=lambda name: -max((by[name]["success"]["share"] or 0 for by in measured), default=0)
    )


def _of(own: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    if name == ALL:
        overall: Mapping[str, Any] | None = own["overall"]
        return overall
    return (own["by"] or {}).get(name)


def _part(sides: Mapping[str, Mapping[str, Any]], name: str, part: str) -> dict[str, Any]:
    return {side: own[part] for side, whole in sides.items() if (own := _of(whole, name)) is not None}


def _attacked(sides: Mapping[str, Mapping[str, Any]], by: str, name: str) -> dict[str, Any]:
    """Success by contender, with the control's share beside it."""
    found = {}
    for side, own in sides.items():
        one = own["overall"] if name == ALL else (own[by] or {}).get(name)
        if one is not None and one["success"]["ci"] is not None:
            found[side] = {**one["success"], "control": one["control"]["share"]}
    return found


def _brittle_heads(sides: Sequence[str]) -> list[str]:
    heads = ["Change", "Rows changed", *(f"Answers changed, {side}" for side in sides)]
    heads += [f"Drop, {side}" for side in sides]
    return [*heads, "Difference of drops"] if len(sides) > 1 else heads


def _brittle_cells(sides: Sequence[Mapping[str, Any] | None]) -> list[str]:
    rows = max((one["rows"] for one in sides if one), default=0)
    return [count(rows), *map(_flips, sides), *map(_lost, sides)]


def _attack_heads(sides: Sequence[str]) -> list[str]:
    return ["Form", "Attempts", *(f"{what}, {side}" for side in sides for what in ("Succeed", "Control"))]


def _attack_cells(sides: Sequence[Mapping[str, Any] | None]) -> list[str]:
    attempts = max((one["attempts"] for one in sides if one), default=0)
    cells = [count(attempts)]
    for one in sides:
        if one is None or one["success"]["share"] is None:
            cells += ["not measured", "–"]
        else:
            success, control = one["success"], one["control"]
            cells += [f"{percent(success['share'])} ({interval(success['ci'])})", percent(control["share"])]
    return cells


def _flips(one: Mapping[str, Any] | None) -> str:
    if one is None or one["flipped"]["share"] is None:
        return sentence((one or {}).get("why") or "not measured", "")
    return f"{percent(one['flipped']['share'])} ({interval(one['flipped']['ci'])})"


def _lost(one: Mapping[str, Any] | None) -> str:
    if one is None or one["drop"]["mean"] is None:
        return "–"
    drop = one["drop"]
    return f"{points(drop['mean'])} ({points(drop['ci'][0])} to {points(drop['ci'][1])})"


def _gap(difference: Mapping[str, Any], name: str) -> str:
    one = difference["overall"] if name == ALL else (difference["by"] or {}).get(name)
    if one is None or one["mean"] is None:
        return "–"
    return f"{points(one['mean'])} ({points(one['ci'][0])} to {points(one['ci'][1])})"


def _elsewhere(title: str, side: str, found: Mapping[str, Any]) -> dict[str, Any]:
    own = found.get(side) or {"overall": None, "by": None, "why": "it was not tried"}
    by = {ALL: own["overall"], **own["by"]} if own["by"] else {}
    return {
        "title": title,
        "why": sentence(f"not measured, as {own['why']}") if own["why"] else None,
        "rows": [(words(name), count(one["rows"]), _flips(one), _lost(one)) for name, one in by.items()],
    }


def _edges(edges: Mapping[str, Any]) -> dict[str, Any]:
    contenders = {side: edges["contenders"].get(side) for side in SIDES if side in edges["contenders"]}
    return {
        "rows": edges["rows"],
        "sides": list(contenders),
        "cases": [
            {
                "name": words(name),
                "sentence": said,
                "ends": [
                    f"{ends_in_words(own[name])} of {count(own[name]['n'])}" if own else "not measured"
                    for own in contenders.values()
                ],
            }
            for name, said in edges["sentences"].items()
        ],
    }


def _example(side: str, one: Mapping[str, Any], what: str, before: Any, after: Any) -> dict[str, Any]:
    """A changed or attacked row, and what was said before and after."""
    error = one.get("error")
    return {
        "title": TITLES[side],
        "what": what,
        "digest": str(one["digest"])[:12],
        "before": _texts(before),
        "after": _texts(after),
        "said_before": shown(_plain(one["said_before"])),
        "said_after": shown(error["message"] if error else _plain(one["said_after"])),
        "label": shown(_plain(one["labels"])) if "labels" in one else None,
    }


def _texts(value: Any) -> list[dict[str, Any]]:
    return [shown(text) for text in (value.values() if isinstance(value, Mapping) else [value])]


def _plain(outputs: Mapping[str, Any] | None) -> Any:
    """A single output as its value, several as they are."""
    if outputs is None:
        return "nothing"
    values: Sequence[Any] = list(outputs.values())
    return values[0] if len(values) == 1 and isinstance(values[0], str) else outputs
