"""What the report of a compile shows, as JSON: what was weighed, raced and calibrated, and what it took.

The page is made of this alone (`shipworthy.evidence`), and nothing here is measured anew:
passes and `settle` hand over what they looked at. Secrets are redacted; numbers are rounded
to six digits behind the point.
"""

from __future__ import annotations

import difflib
import html
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ..examples import redact, redact_value
from ..lms import Recorded
from ..runtime import Decide, Field, Read, StepSpec, plain_value, read_features
from ..scoring import calibration_curve, calibration_error, wilson
from .draft import Context, Draft
from .heads import Matrix
from .passes import Cascade, CascadePlan
from .settle import Choice
from .weighing import LEVEL, Considered, Weighing

FORMAT = 1
DEMOS = 20
"""So many demos are shown; the artifact has them all."""
SAMPLED = 20
"""Rows over which the tokens of a question are averaged."""
NAME_CHARACTERS = 60
DIGITS = 6


def report_figures(
    draft: Draft,
    context: Context,
    choices: Mapping[str, Choice],
    plan: CascadePlan | None,
    step: StepSpec,
    *,
    facts: Mapping[str, Any],
) -> dict[str, Any]:
    """The figures of a compile.

    Args:
        choices: by decision, as the cascade makes them where `plan` is one.
        step: as the artifact holds it.
        facts: further keys: `digest`, `lm`, `dev`, `spent`, `made` and `made_of`.

    Returns:
        JSON. Shares and scores lie within [0, 1], log-losses are in nats a row, calls and tokens by row.
    """
    budget = asdict(context.recipe.budget)
    found = {
        "format": FORMAT,
        "name": draft.name,
        **facts,
        "seed": context.seed,
        "budget": {name: limit for name, limit in budget.items() if limit is not None},
        "recipe": [type(one).__name__ for one in context.recipe.passes],
        "metric": getattr(context.recipe.metric, "name", context.recipe.metric),
        "target": context.recipe.target,
        "outliers": context.recipe.outliers,
        "rows": {"train": len(draft.train), "dev": len(draft.dev), "unread": len(draft.unread)},
        "calls_a_row": step.calls,
        "generated": list(step.generate.outputs) if step.generate is not None else [],
        "decisions": [
            _decision(field, choices[field.name], draft, context)
            for field in draft.contract.decisions
            if field.name in choices
        ],
        "cascade": _cascade(plan, context),
        "races": [_race(race) for race in draft.races],
        "instruction": draft.instruction,
        "demos": {
            "n": len(draft.demos),
            "shown": [{"inputs": demo.inputs, "outputs": demo.outputs} for demo in draft.demos[:DEMOS]],
        },
        "notes": list(draft.notes),
    }
    plain: dict[str, Any] = redact_value(_rounded(plain_value(found)))
    return plain


def several_figures(
    each: Mapping[str, Mapping[str, Any]],
    steps: Mapping[str, StepSpec],
    context: Context,
    *,
    facts: Mapping[str, Any],
) -> dict[str, Any]:
    """The figures of a program of several steps: those of its steps, put together.

    Args:
        each: `report_figures` of the steps that predict.
        steps: all of them, as the artifact holds them.
        facts: as there, with `name`, `rows`, `notes` and `races` too.

    Returns:
        The same keys, and `steps`: name, what it is (`lm`, `heads`, `function`), labels asked for by
        decision, inputs, outputs, and the training rows that it learnt from.
    """
    budget = asdict(context.recipe.budget)
    decisions = [
        {**one, "name": steps[name].names.get(one["name"], one["name"])}
        for name, own in each.items()
        for one in own["decisions"]
    ]
    found = {
        "format": FORMAT,
        **facts,
        "seed": context.seed,
        "budget": {name: limit for name, limit in budget.items() if limit is not None},
        "recipe": list(dict.fromkeys(one for own in each.values() for one in own["recipe"])),
        "metric": getattr(context.recipe.metric, "name", context.recipe.metric),
        "target": context.recipe.target,
        "outliers": context.recipe.outliers,
        "calls_a_row": sum(step.calls for step in steps.values()),
        "generated": [
            name for step in steps.values() for name in (step.generate.outputs if step.generate else ())
        ],
        "decisions": decisions,
        "cascade": next((own["cascade"] for own in each.values() if own["cascade"]), None),
        "races": [_race(race) for race in facts["races"]],
        "instruction": "\n\n".join(f"{name}: {own['instruction']}" for name, own in each.items()),
        "demos": {
            "n": sum(own["demos"]["n"] for own in each.values()),
            "shown": [demo for own in each.values() for demo in own["demos"]["shown"]][:DEMOS],
        },
        "steps": [
            {
                "name": name,
                "what": "function" if step.function else "heads" if not step.generate else "lm",
                "when": {key: list(labels) for key, labels in step.when.items()},
                "inputs": [step.names.get(own, own) for own in step.inputs["properties"]],
                "outputs": [step.names.get(own, own) for own in step.outputs["properties"]],
                "rows": each[name]["rows"]["train"] + each[name]["rows"]["dev"] if name in each else 0,
            }
            for name, step in steps.items()
        ],
    }
    plain: dict[str, Any] = redact_value(_rounded(plain_value(found)))
    return plain


def summary_html(figures: Mapping[str, Any], page: Path | None) -> str:
    """The figures in short, for a notebook; `page` is the whole report, if it is written."""
    spent, dev = figures["spent"], figures["dev"]
    usd = f", US$ {spent['usd']:.2f}" if spent["usd"] else ""
    rows = [
        ("digest", figures["digest"][:16]),
        ("held-out score", "not measured: not every output is a decision"),
        ("calls to the LM a row", str(figures["calls_a_row"])),
        (
            "spent",
            f"{spent['calls']:,} calls, {spent['tokens']:,} tokens{usd}, {spent['seconds']:,.0f} s",
        ),
    ]
    if dev is not None:
        low, high = (100 * bound for bound in dev["ci"])
        score = f"{100 * dev['score']:.1f} % ({low:.1f} to {high:.1f} %) on {dev['n']} rows, {dev['how']}"
        rows[1] = ("held-out score", score)
    rows += [(f"{one['name']} is decided by", one["rounds"][-1]["chosen"]) for one in figures["decisions"]]
    rows += [("noted", note) for note in figures["notes"]]
    if page is not None:
        rows.append(("report", str(page)))
    body = "".join(
        f'<tr><th style="text-align:left">{html.escape(name)}</th>'
        f'<td style="text-align:left">{html.escape(value)}</td></tr>'
        for name, value in rows
    )
    return f"<table><caption>compiled {html.escape(figures['name'])}</caption><tbody>{body}</tbody></table>"


def _decision(field: Field, choice: Choice, draft: Draft, context: Context) -> dict[str, Any]:
    last = choice.weighings[-1]
    right = choice.apart.argmax(axis=1) == choice.classes
    return {
        "name": field.name,
        "classes": len(field.choices or ()),
        "why": choice.why,
        "mix": list(choice.head.mix),
        "threshold": choice.head.threshold if choice.promised else None,
        "rounds": [_round(weighing, draft, context) for weighing in choice.weighings],
        "calibration": {
            "before": _calibration(last.considered[last.chosen].raw, choice),
            "after": _calibration(choice.apart, choice),
        },
        "accuracy": float(right.mean()),
    }


def _round(weighing: Weighing, draft: Draft, context: Context) -> dict[str, Any]:
    """What was considered together, and how it was compared."""
    tokens = _tokens(weighing.reads, draft, context)
    entries = [_considered(one, weighing, tokens) for one in weighing.considered]
    for entry in entries:
        entry["front"] = not any(_dominates(other, entry) for other in entries)
    names = [entry["name"] for entry in entries]
    return {
        "chosen": names[weighing.chosen],
        "considered": entries,
        "comparisons": [
            {
                "cheaper": names[one.cheaper],
                "dearer": names[one.dearer],
                "gain": one.gain,
                "ci": one.ci,
                "ci_level": LEVEL,
                "right": one.right,
                "taken": names[one.taken],
            }
            for one in weighing.comparisons
        ],
    }


def _considered(one: Considered, weighing: Weighing, tokens: Sequence[float]) -> dict[str, Any]:
    right = int((one.held_out.argmax(axis=1) == weighing.classes).sum())
    n = len(weighing.classes)
    return {
        "name": _name(one, weighing.reads),
        "questions": [weighing.reads[i].opening for i in one.reads],
        "student": one.student,
        "mix": list(one.mix),
        "accuracy": right / n,
        "ci": wilson(right, n),
        "n": n,
        "loss": one.loss,
        "calls": len(one.reads),
        "tokens": sum(tokens[i] for i in one.reads),
    }


def _name(one: Considered, reads: Sequence[Read]) -> str:
    if not one.reads:
        return "student alone"
    openings = [reads[i].opening.strip().rstrip(":") for i in one.reads]
    asked = f" ({', '.join(openings)})" if all(openings) else ""
    return f"readout{asked}{' + student' if one.student else ''}"


def _dominates(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether one is no dearer and no worse than another, and not its equal in both."""
    first, second = (one["calls"], -one["accuracy"]), (other["calls"], -other["accuracy"])
    return first != second and first[0] <= second[0] and first[1] <= second[1]


def _tokens(reads: Sequence[Read], draft: Draft, context: Context) -> list[float]:
    """What each read takes a row, behind those before it; from the journal, so that nothing is spent."""
    if draft.prompt is None or not reads:
        return []
    rows = draft.fit_rows[:SAMPLED]
    totals = [0.0]
    for n in range(1, len(reads) + 1):
        counting = Recorded(context.lm.lm, context.lm.journal)
        decide = Decide(prompt=draft.prompt, reads=tuple(reads[:n]), heads={})
        for row in rows:
            read_features(decide, draft.contract, counting, row)
        totals.append(counting.usage.tokens / len(rows))
    return [float(step) for step in np.diff(totals)]


def _calibration(log_probabilities: Matrix, choice: Choice) -> dict[str, Any]:
    confidence = np.exp(log_probabilities.max(axis=1))
    right = log_probabilities.argmax(axis=1) == choice.classes
    error = calibration_error(confidence, right)
    return {
        "error": error.value,
        "ci": error.ci,
        "ci_level": error.ci_level,
        "n": error.n,
        "bins": [asdict(point) for point in calibration_curve(confidence, right)],
    }


def _cascade(plan: CascadePlan | None, context: Context) -> dict[str, Any] | None:
    if plan is None:
        return None
    stated = next(one for one in context.recipe.passes if isinstance(one, Cascade))
    return {"cut": plan.cut, "share": plan.share, "margin": stated.margin, "delta": stated.delta}


def _race(race: Mapping[str, Any]) -> dict[str, Any]:
    """A race as it is kept, with the winner's difference to the first text in place of all texts."""
    found = {name: value for name, value in race.items() if name != "texts"}
    texts, standings = race.get("texts", []), race.get("standings", [])
    if not texts or len(texts) != len(standings) or not all(isinstance(text, str) for text in texts):
        return found
    # Where a name is the beginning of its text, it may cut a secret so short that nothing recognises it.
    texts = [redact(text) for text in texts]
    short = {}
    for one, before, text in zip(standings, race["texts"], texts, strict=True):
        if one["name"] and " ".join(before.split()).startswith(one["name"]):
            short[one["name"]] = " ".join(text.split())[:NAME_CHARACTERS]

    def named(entries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        return [{**one, "name": short.get(one["name"], one["name"])} for one in entries]

    found["standings"] = named(standings)
    if "history" in race:
        found["history"] = [{**one, "standings": named(one["standings"])} for one in race["history"]]
    found["difference"] = _difference(texts[0], texts[race["winner"]])
    return found


def _difference(first: str, other: str) -> list[list[str]]:
    """Pieces of both texts in order: `same`, `removed` or `added`, each with its words."""
    old, new = (re.findall(r"\s*\S+\s*?", text) for text in (first, other))
    pieces: list[list[str]] = []
    for what, i, j, k, m in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if what == "equal":
            pieces.append(["same", "".join(old[i:j])])
            continue
        pieces += [["removed", "".join(old[i:j])]] if j > i else []
        pieces += [["added", "".join(new[k:m])]] if m > k else []
    return pieces


def _rounded(value: Any) -> Any:
    """JSON, with what is no number as null."""
    if isinstance(value, float):
        return round(value, DIGITS) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): _rounded(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(inner) for inner in value]
    return value
