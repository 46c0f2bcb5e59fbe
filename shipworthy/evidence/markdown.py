"""The certificate in short, as Markdown for a pull request or a job's summary.

Everything that is not ours is escaped so that it stays text: no markup, no HTML, no
link, and none of what GitHub and GitLab make of plain words (mentions, references to issues,
addresses, emoji names). Secrets are redacted and personal data masked, as on the page.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from .page import NAMES
from .readings import Reading, attack_success, changed_answers, load_at, worst_drop, wrong_by_fault
from .words import (
    SPACE,
    at_least,
    count,
    dollars,
    interval,
    level,
    milliseconds,
    moment,
    percent,
    points,
    shown,
)

VERDICTS = {"pass": "✅ pass", "fail": "❌ fail", "inconclusive": "❔ inconclusive"}
BREAK = "\u200b"
"""A zero-width space: it parts what would be read as a mention or an address, and is not seen."""
LONG = 300

_MARKUP = re.compile(r"([\\`*_\[\]|~$])")
_BLOCK = re.compile(r"^(\d{0,9})([#+\->=.)])")
_READ_AS = re.compile(
    r"(@|:(?=//)|\bwww(?=\.)|#(?=\d)|!(?=\d)|\b[Gg][Hh]-(?=\d)|:(?=[A-Za-z0-9_+-]+:)|/(?=/)|\bmailto(?=:))"
)


def markdown_of(data: Mapping[str, Any], *, page: str | None = None) -> str:
    """The summary of a certificate.

    Args:
        data: `Certificate.data`, or the same read back from JSON.
        page: address or relative path of the certificate's page, to link to.

    Returns:
        GitHub-flavoured Markdown that ends in a line break.
    """
    kind = "quick" if data["quick"] else "full"
    parts = [
        f"### {plain(data['name'])}: {VERDICTS.get(data['verdict'], plain(data['verdict']))}",
        "\n".join(f"- {plain(reason)}" for reason in data["reasons"]),
        _table(data),
        "\n".join(f"- {line}" for line in _lines(data)),
        f"<sub>{kind} certificate of `{_code(data['digest'][:16])}`, look {count(data['look'])}, "
        f"{plain(moment(data['made']))}{f', [the whole page](<{_address(page)}>)' if page else ''}</sub>",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def plain(text: Any) -> str:
    """A text on one line that stays text in Markdown: masked, cut where it is long, and escaped."""
    words = shown(text if isinstance(text, str) else str(text))["text"]
    cut = words if len(words) <= LONG else f"{words[: LONG - 1]}…"
    # Control, private and half characters, and those that turn a line's direction round, have no place here.
    kept = "".join(" " if c.isspace() else c for c in cut if c.isspace() or unicodedata.category(c)[0] != "C")
    kept = " ".join(kept.split())
    kept = _MARKUP.sub(r"\\\1", _READ_AS.sub(rf"\1{BREAK}", kept))
    return _BLOCK.sub(r"\1\\\2", kept).replace("&", "&amp;").replace("<", "&lt;")


def _table(data: Mapping[str, Any]) -> str:
    summaries = {"compiled": data["compiled"], "prototype": data["prototype"], **data["baselines"]}
    names = [*NAMES, *(name for name in summaries if name not in NAMES)]
    rows = [_row(name, found, data) for name in names if (found := summaries.get(name)) is not None]
    if not rows:
        return ""
    head = ["", "score", f"95{SPACE}% interval", "rows", "difference", "ms p50 / p95", "US$ a call"]
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _row(name: str, found: Mapping[str, Any], data: Mapping[str, Any]) -> Sequence[str]:
    title = plain(NAMES.get(name, name))
    difference = data["difference"] if name == "prototype" else data["against"].get(name)
    told = ""
    if name != "compiled" and difference is not None and difference["ci"] is not None:
        low, high = map(points, difference["ci"])
        told = f"{points(difference['mean'])} ({low} to {high})"
    cells = [
        percent(found["score"]),
        interval(found["ci"]),
        count(found["n"]),
        told,
        f"{milliseconds(found['ms_p50'])} / {milliseconds(found['ms_p95'])}",
        dollars(found["usd_per_call"]),
    ]
    return [f"**{title}**" if name == "compiled" else title, *cells]


def _lines(data: Mapping[str, Any]) -> Iterator[str]:
    """What else was measured, a line each."""
    selective = data["selective"]
    if selective is not None:
        sure = f"answers {percent(selective['coverage'])} of rows by itself"
        if selective["guaranteed"] is not None:
            sure += (
                f", at {at_least(selective['guaranteed'])} accuracy or better "
                f"(guaranteed at the {level(selective['level'])} level, {count(selective['n'])} rows)"
            )
        yield f"**Selective**: {sure}"
    batteries = (
        ("Brittleness", "the largest drop of the score, under {name}: {value}", worst_drop(data)),
        ("Brittleness", "answers that a change of text changes: {value}", changed_answers(data)),
        ("Attacks", "successful: {value}", attack_success(data)),
    )
    for title, said, found in batteries:
        if found is not None:
            yield f"**{title}**: {said.format(name=plain(found.name), value=_value(found))}"
    faults = wrong_by_fault(data)
    if faults is not None:
        yield f"**Faults**: {count(faults[0])} wrong answers by {count(faults[1])} injected faults"
    load = load_at(data, 100)
    if load is not None:
        p95 = (
            f", p95 of the accepted {milliseconds(load['ms_p95'])}{SPACE}ms"
            if load["ms_p95"] is not None
            else ""
        )
        yield f"**Load**: at 100 times a tenth of its capacity {percent(load['shed'])} are shed{p95}"
    rubric = data.get("rubric")
    if rubric is not None:
        sections = ", ".join(f"{plain(name)} {one['points']:g}" for name, one in rubric["sections"].items())
        yield f"**Readiness**: {rubric['score']:g} of 7 ({sections}): {plain(rubric['meaning'])}"


def _value(found: Reading) -> str:
    return f"{percent(found.value)} ({interval(found.ci)}, {count(found.n)} rows)"


def _code(text: str) -> str:
    return re.sub(r"[^\w:.-]", "", text)


def _address(page: str) -> str:
    """A link's target; what is neither a path nor an address of the web becomes a path."""
    kept = quote(page, safe="/:?#=&%~.-_,;@+")
    scheme = re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", kept)
    return (
        kept
        if scheme is None or scheme[0].lower() in ("http:", "https:")
        else f"./{kept.replace(':', '%3A')}"
    )
