"""The questions of production, each answered by a figure, or by how to get one.

They are what somebody asks who is to run a program for years: the rubric counts practices,
these ask of this program.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .facts import Facts
from .readings import edge_cases, load_at
from .words import SPACE, milliseconds, percent, rate

NOT_MEASURED = "Not measured."


def questions(facts: Facts) -> list[dict[str, Any]]:
    """Answer the five questions from the facts.

    Returns:
        JSON, one entry a question, in a fixed order: `id`, `question`, `answer` (a sentence), `measured`,
        `figures` (what the answer rests on; empty where nothing was measured) and `how` (to measure it,
        or what would make the answer better; or null).
    """
    return [_traceable(facts), _load(facts), _edges(facts), _field(facts), _again(facts)]


def _entry(
    id: str, question: str, answer: str | None, figures: Mapping[str, Any], how: str | None
) -> dict[str, Any]:
    return {
        "id": id,
        "question": question,
        "answer": answer or NOT_MEASURED,
        "measured": answer is not None,
        "figures": dict(figures) if answer is not None else {},
        "how": how,
    }


def _traceable(facts: Facts) -> dict[str, Any]:
    question = "Is every answer traceable?"
    found = facts.traced
    if found is None:
        return _entry("traceable", question, None, {}, "certify it on test rows")
    answer = (
        f"{found['complete']} of {found['rows']} test rows that were followed have every prompt, raw answer "
        f"and probability on record; the program is {facts.certificate['digest'][:16]}, and its provenance "
        "names rows, recipe and versions."
    )
    missing = found["complete"] < found["rows"]
    return _entry(
        "traceable",
        question,
        answer,
        found,
        "run a row with --trace, and see what is missing" if missing else None,
    )


def _load(facts: Facts) -> dict[str, Any]:
    question = "Does it hold at 100 times the load?"
    found = load_at(facts.certificate, 100)
    if found is None:
        return _entry("load", question, None, {}, "make the full certificate, without --quick")
    accepted = (
        f"95{SPACE}% of what is accepted within {milliseconds(found['ms_p95'])}{SPACE}ms"
        if found["ms_p95"] is not None
        else "nothing is accepted"
    )
    answer = (
        f"At 100 times a tenth of its capacity ({rate(found['rate'])} requests a second), "
        f"{percent(found['shed'])} are turned away at once, and {percent(found['late'])} are answered too "
        f"late or not at all; {accepted}."
    )
    how = "more workers, or a quicker LM, would turn fewer away" if found["shed"] > 0 else None
    return _entry("load", question, answer, found, how)


def _edges(facts: Facts) -> dict[str, Any]:
    question = "What happens at the edge cases?"
    found: dict[str, Any] = {}
    said = []
    if facts.refusals is not None:
        found["refusals"] = facts.refusals
        tried, typed = facts.refusals["tried"], facts.refusals["typed"]
        said.append(f"{typed} of {tried} rows that break the contract end in a typed error")
    edges = edge_cases(facts.certificate)
    for name, one in (edges or {}).items():
        found[name] = one
        typed, untyped = sum(one["errors"].values()), sum(one["untyped"].values())
        ends = {"answered": one["answered"], "handed over": one["abstained"], "typed errors": typed}
        ends["other exceptions"] = untyped
        told = ", ".join(f"{n} {end}" for end, n in ends.items() if n)
        said.append(f"{name.replace('_', ' ')} text ({one['n']} rows): {told}")
    selective = facts.certificate["selective"]
    if selective is not None:
        found["selective"] = {key: selective[key] for key in ("coverage", "accuracy", "n")}
        said.append(
            f"{percent(1 - selective['coverage'])} of test rows are handed to a person as not sure enough"
        )
    how = None if edges is not None else "make the full certificate, which tries very long and empty inputs"
    answer = "; ".join(said)
    return _entry("edge-cases", question, f"{answer[:1].upper()}{answer[1:]}." if said else None, found, how)


def _field(facts: Facts) -> dict[str, Any]:
    question = "What does it cost to add a field?"
    if facts.report is None or facts.rows is None:
        return _entry("new-field", question, None, {}, "compile it in its project with this version")
    spent = facts.report["spent"]
    usd, n_rows = spent["usd"], facts.rows["train"] + facts.rows["test"]
    cost = f", US$ {usd:,.2f}" if usd is not None else ""
    answer = (
        f"A label on {n_rows:,} rows, and a compile: {spent['calls']:,} calls, "
        f"{spent['tokens']:,} tokens{cost} and {spent['seconds']:,.0f} s, as the last one took."
    )
    figures = {
        "rows": n_rows,
        **{key: spent[key] for key in ("calls", "tokens", "usd", "seconds")},
    }
    how = None if usd is not None else "state the LM's price in [tool.shipworthy.prices]"
    return _entry("new-field", question, answer, figures, how)


def _again(facts: Facts) -> dict[str, Any]:
    question = "Can it be made again in three years?"
    lm = facts.artifact.get("lm")
    if facts.artifact.get("digest") is None:
        return _entry("again", question, None, {}, "certify the artifact in its project")
    versions = facts.provenance.get("versions", {})
    hosted = lm is not None and not lm.startswith("local/")
    figures = {
        "verified": facts.artifact["digest"] == facts.certificate["digest"],
        "recompiles": facts.recompiles,
        "versions": len(versions),
        "lm": lm,
        "lock": facts.folder.lock,
    }
    read = "verifies to the digest certified" if figures["verified"] else "is not the one certified"
    again = {
        True: "compiling again gave the same",
        False: "compiling again gave another",
        None: "it was not compiled again",
    }
    weights = (
        f"its LM, {lm}, is its provider's to withdraw"
        if hosted
        else "it needs no LM"
        if lm is None
        else f"its weights are named by their sha256 {lm.partition('/')[2][:12]}"
    )
    lock = f", and {facts.folder.lock} locks what is installed" if facts.folder.lock else ""
    locked = f"{len(versions)} versions are on record{lock}"
    answer = f"The artifact {read}; {again[facts.recompiles]}; {weights}; {locked}."
    how = None
    if hosted:
        how = "compile it on local weights, which can be kept"
    elif facts.recompiles is None:
        how = f"run `shipworthy compile {facts.name}` again and compare the digest"
    elif facts.folder.lock is None:
        how = "lock versions: uv.lock, or requirements.txt with =="
    return _entry("again", question, answer, figures, how)
