"""`shipworthy diff A B`: what differs between two versions, short on a terminal, whole as JSON or a page."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from .output import JSON, percent, print_json, say, table

WIDTH = 100
"""Longer texts are cut after so many characters; JSON and page have more."""
LINES = 40
TITLES = {
    "contract": "contract",
    "prompt": "prompt",
    "demos": "demos",
    "program": "what decides",
    "code": "code",
    "origin": "origin",
}
TURNED = {"wrong": "turned wrong", "right": "turned right", "neither": "neither", "unscored": "not scored"}


@click.command("diff")
@click.argument("before")
@click.argument("after")
@click.option("--html", "page", type=click.Path(path_type=Path), help="Write all of it as one HTML page.")
@click.option("--exit-code", is_flag=True, help="End with 1 where callers do not stay compatible.")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=5,
    show_default=True,
    help="Changed answers that are shown; the JSON has all.",
)
@JSON
def diff(before: str, after: str, page: Path | None, exit_code: bool, limit: int, as_json: bool) -> int:
    """Show how AFTER differs from BEFORE, and whether callers of BEFORE can call AFTER.

    Each is NAME, NAME@ALIAS, NAME/VERSION or the folder of an artifact. Compared are contract,
    prompts, demos, what decides, code and origin, the scores on the rows that both were scored on,
    and the answers that changed. No LM is asked.
    """
    from ..examples import atomic_write
    from ..ship import diff as run

    found = run(before, after, say=say)
    if page is not None:
        atomic_write(page, found.page())
    data = found.as_json()
    if as_json:
        print_json(data)
    else:
        for line in _lines(data, limit):
            click.echo(line)
        if page is not None:
            say(f"page: {page.absolute()}")
    return 1 if exit_code and not found.compatible else 0


def _lines(data: Mapping[str, Any], limit: int) -> Iterator[str]:
    yield _plain(f"{data['before']['label']} -> {data['after']['label']}")
    yield from (f"note: {_plain(note)}" for note in data["notes"])
    if data["same"]:
        yield "the same program"
    yield f"callers stay compatible: {'yes' if data['compatible'] else 'no'}"
    for area, title in TITLES.items():
        changes = [change for change in data["changes"] if change["area"] == area]
        if changes:
            yield ""
            yield title
            for change in changes:
                yield from _change(change)
    yield ""
    yield from _scores(data)
    yield from _answers(data["rows"], limit)


def _change(change: Mapping[str, Any]) -> Iterator[str]:
    from ..evidence import change_sides

    mark = "!" if change["breaking"] else " "
    head = f"{mark} {change['what']}: {_plain(change['where'])}"
    why = f" ({_cut(change['why'])})" if change["why"] else ""
    if change["lines"] is not None:
        yield head + why
        lines = [line for line in change["lines"] if not line.startswith("@@")]
        yield from (f"    {_cut(line)}" for line in lines[:LINES])
        if len(lines) > LINES:
            yield f"    … {len(lines) - LINES} more lines"
        return
    if (
        change["area"] == "demos"
        and (change["before"] or change["after"])
        and change["what"] != "demos reordered"
    ):
        yield head
        for sign, key in (("-", "before"), ("+", "after")):
            if change[key] is not None:
                inputs, outputs = (_cut(_fields(change[key][part])) for part in ("inputs", "outputs"))
                yield f"    {sign} {inputs} => {outputs}"
        return
    before, after = change_sides(change)
    if change["before"] is None:
        yield f"{head}  {_cut(after)}{why}"
    elif change["after"] is None:
        yield f"{head}  {_cut(before)}{why}"
    else:
        yield f"{head}  {_cut(before)} -> {_cut(after)}{why}"


def _scores(data: Mapping[str, Any]) -> Iterator[str]:
    scores, rows = data["scores"], []
    if scores["before"] is None and scores["after"] is None:
        yield "no certificates, so no scores and no answers to compare"
        return
    for key in ("before", "after"):
        own = scores[key]
        if own is None or own["score"] is None:
            rows.append([_plain(data[key]["label"]), "none", "", "", ""])
            continue
        low, high = own["ci"]
        interval = f"{100 * low:.1f} to {100 * high:.1f}"
        rows.append(
            [_plain(data[key]["label"]), percent(own["score"]), interval, str(own["n"]), own["verdict"]]
        )
    yield table(["scores", "score", "95 % interval", "rows", "verdict"], rows)
    paired = scores["paired"]
    if paired["mean"] is not None:
        low, high = (100 * bound for bound in paired["ci"])
        yield (
            f"on the {paired['n']} rows that both were scored on: {100 * paired['mean']:+.1f} points "
            f"({100 * paired['ci_level']:g} % interval {low:+.1f} to {high:+.1f})"
        )
    if scores["why"]:
        yield _plain(scores["why"])


def _answers(rows: Mapping[str, Any], limit: int) -> Iterator[str]:
    if rows["changed"] is None:
        return
    yield (
        f"answers changed on {rows['changed']} of {rows['shared']} shared rows: "
        f"{rows['turned_right']} turned right, {rows['turned_wrong']} turned wrong, {rows['neither']} neither"
        + (f", {rows['unscored']} not scored" if rows["unscored"] else "")
    )
    for example in rows["examples"][:limit]:
        yield f"  {TURNED[example['turned']]}: {_cut(_fields(example['inputs']))}"
        yield from (f"    {line}" for line in _said(example))
    if rows["changed"] > limit:
        yield f"  … {rows['changed'] - limit} more: --limit, --json or --html"


def _said(example: Mapping[str, Any]) -> Iterator[str]:
    before, after = example["before"], example["after"]
    for side, word in ((before, "before"), (after, "after")):
        if side["error"] is not None:
            yield f"{word}: {_cut(str(side['error'].get('message', 'an error')))}"
    if before["outputs"] is None or after["outputs"] is None:
        return
    for name in example["differs"]:
        label = f"  (label {_cut(_text(example['labels'][name]))})" if name in example["labels"] else ""
        was, now = (_cut(_text(side["outputs"].get(name))) for side in (before, after))
        yield f"{_plain(name)}: {was} -> {now}{label}"


def _fields(values: Mapping[str, Any]) -> str:
    """One value alone, or all with their names."""
    if len(values) == 1:
        return _text(next(iter(values.values())))
    return ", ".join(f"{name}: {_text(value)}" for name, value in values.items())


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _cut(text: str) -> str:
    text = _plain(text)
    return text if len(text) <= WIDTH else f"{text[:WIDTH]}…"


def _plain(text: str) -> str:
    """Without what would move or colour a terminal."""
    return "".join(char if char.isprintable() else " " for char in text)
