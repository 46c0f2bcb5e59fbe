"""The certificate: one comparison on rows that nobody has fitted on, and what it allows to be said."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..compiler import Gate
from ..lms import Recorded
from ..runtime import READ_NOTES, Program, Progress
from ..scoring import Evaluation, Metric, Paired, PairedRows, Row, look_level, paired_rows
from . import baselines
from .batteries import run_batteries
from .contest import FREE_ROWS, Contest, Opponent, Scored, run_contest
from .facts import Facts
from .figures import paired_json, rows_said, selective, summary, worst
from .judge import judge, under_stress
from .out_of_scope import out_of_scope
from .page_steps import with_steps
from .questions import questions
from .rubric import ByHand, rubric

SIMPLE = ("majority", "tfidf_lr", "constrained", "dspy_few_shot", "embedding_lr", "crf")


@dataclass(frozen=True)
class Measured:
    """The compiled program's scores and outputs, for whoever compares another program on the same rows."""

    compiled: Evaluation
    metric: Metric
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Certificate:
    """The measured evidence.

    Attributes:
        data: what `certify --json` prints, and more for the page; JSON.
        rows: one mapping a test row: inputs, labels, and what each contender said.
        measured: None where nothing could be.
    """

    data: dict[str, Any]
    rows: tuple[dict[str, Any], ...]
    measured: Measured | None = None

    @property
    def verdict(self) -> str:
        """`pass`, `fail` or `inconclusive`."""
        return str(self.data["verdict"])


def certify(
    program: Program,
    opponent: Opponent,
    train: Sequence[Row],
    test: Sequence[Row],
    *,
    lm: Recorded,
    metric: Metric | str,
    look: int,
    quick: bool,
    target: float,
    unfit: Sequence[Row] = (),
    others: Mapping[str, Recorded] | None = None,
    gate: Gate | None = None,
    keep: Path | None = None,
    facts: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Certificate:
    """Compare on the test rows, run the batteries, and judge by the gate.

    Args:
        program: the compiled program.
        opponent: the prototype.
        train: rows for the baselines to learn from; test: rows that count.
        lm: the LM at hand, recorded.
        metric: scores a row; a sentence instead, where none can, that says why.
        look: the number of this look at these rows, from 1; the deciding interval has
            the level 1 - 0.05 / (look * (look + 1)).
        quick: run the prototype on a stratified sample, as all else that generates freely is
            always, and leave out DSPy few-shot, embeddings and the batteries.
        target: the accuracy wanted of answered rows.
        unfit: inputs that no label fits, which should be handed over.
        others: other LMs by name, on which the batteries ask the contenders too.
        gate: by default the default one.
        keep: a folder for batteries that are done, while others are not.
        facts: lineage for the page.

    Raises:
        LMError: the LM fails.
    """
    progress = progress or Progress()
    if isinstance(metric, str):
        data = _unmeasured(program, len(test), look, facts or {})
        return Certificate({**data, "reasons": [f"cannot certify: {metric}"]}, ())
    if not test:
        why = "there are no test rows: give at least 50 labelled rows that were not used to compile"
        return Certificate({**_unmeasured(program, 0, look, facts or {}), "reasons": [why]}, ())
    contest = run_contest(
        program, opponent, train, test, lm=lm, metric=metric, quick=quick, progress=progress
    )
    ours = contest.ours
    handed = _handed_over(program, contest, unfit, progress)
    level = look_level(look)
    difference = _difference(ours, contest.prototype, level)
    against = {name: _difference(ours, entry, level) for name, entry in contest.baselines.items()}
    batteries = None
    if not quick:
        scored = baselines.labelled(program.contract, test).outputs
        batteries = run_batteries(
            program,
            opponent,
            contest,
            test,
            scored,
            lm=lm,
            metric=metric,
            others=others,
            keep=keep,
            progress=progress,
        )
    data = {
        **_unmeasured(program, len(test), look, facts or {}),
        "remarks": [*_remarks(program, opponent, contest, quick, test), *_too_slow(contest, metric)],
        "compiled": summary(ours, lm.id),
        "prototype": _prototype_summary(contest.prototype, opponent),
        "baselines": {
            name: summary(contest.baselines[name][1], lm.id) if name in contest.baselines else None
            for name in SIMPLE
        },
        "difference": paired_json(difference, level),
        "difference_by_output": _by_output(contest, level),
        "against": {name: paired_json(paired, level) for name, paired in against.items()},
        "selective": selective(ours, target),
        "out_of_scope": handed,
        "metric": {"name": metric.name, "version": metric.version},
        "quick": quick,
        "by_output": ours.by_output(),
        "batteries": batteries,
        "gate": (gate or Gate()).as_json(),
        "errors": ours.errors,
        "rows": {"train": len(train), "test": len(test), "free": len(contest.sample)},
    }
    names = [field.name for field in program.contract.outputs]
    rows_out = rows_said(test, program, contest.scored, metric)
    data["worst"] = with_steps(worst(rows_out, contest.scored), program)
    return judged(Certificate(data, tuple(rows_out), Measured(ours, metric, tuple(names))), gate)


def judged(certificate: Certificate, gate: Gate | None, **more: Any) -> Certificate:
    """The certificate with the verdict of a gate, after `more` was added to its data."""
    data = {**certificate.data, **more}
    verdict, reasons = judge(data, gate)
    reasons += [*under_stress(data), *data["remarks"]]
    return replace(certificate, data={**data, "verdict": verdict, "reasons": reasons})


def with_readiness(
    certificate: Certificate, facts: Facts, by_hand: Mapping[str, ByHand], gate: Gate | None
) -> Certificate:
    """The certificate with the rubric and the questions of production answered, judged anew."""
    checks = (facts.rows or {}).get("checks")
    leaks = {"exact": checks["leak"], "near": checks["near_leak"]} if checks else None
    return judged(certificate, gate, leaks=leaks, rubric=rubric(facts, by_hand), questions=questions(facts))


def page_of(certificate: Certificate) -> str:
    """The certificate as one self-contained HTML page."""
    from .page import render

    return render(certificate.data)


def _handed_over(
    program: Program, contest: Contest, unfit: Sequence[Row], progress: Progress
) -> dict[str, Any] | None:
    decisions = [field.name for field in program.contract.decisions]
    if not unfit or not decisions:
        return None
    most = {"compiled": len(unfit), "prototype": FREE_ROWS}
    asked = {name: (many, unfit[: most[name]]) for name, many in contest.asks.items()}
    progress.start("asking what no label fits", sum(len(rows) for _, rows in asked.values()))
    try:
        return out_of_scope(asked, decisions, on_row=progress.advance)
    finally:
        progress.finish()


def _difference(ours: Evaluation, other: Scored | None, level: float) -> Paired | None:
    """Ours minus theirs on the rows that both answered and that could be scored on both sides."""
    if other is None or not other[0]:
        return None
    rows, theirs = other
    return paired_rows(ours, theirs, at=rows).difference(level=level)


def _by_output(contest: Contest, level: float) -> dict[str, Any]:
    """Ours minus the prototype's, for each output by itself, on the rows scored on both sides."""
    if contest.prototype is None:
        return {}
    places, theirs = contest.prototype
    found = {}
    for name in contest.ours.by_output():
        pairs = [
            (place, mine, other)
            for place, result in zip(places, theirs.results, strict=True)
            if (mine := contest.ours.results[place].by_output.get(name)) is not None
            and (other := result.by_output.get(name)) is not None
        ]
        if pairs:
            table = np.array(pairs, float)
            rows = table[:, 0].astype(np.intp)
            paired = PairedRows(rows, table[:, 1], table[:, 2], left_out=len(places) - len(pairs))
            found[name] = paired_json(paired.difference(level=level), level)
    return found


def _remarks(
    program: Program, opponent: Opponent, contest: Contest, quick: bool, test: Sequence[Row]
) -> list[str]:
    ours = contest.ours
    unscored = [
        field.name for field in program.contract.outputs if not any(field.name in row for row in test)
    ]
    remarks = [
        f"no test row has a label for {name!r}: only a metric that needs none can score it"
        for name in unscored
    ]
    remarks += [
        f"all test rows have the same {name!r}: of its other labels they say nothing"
        for field in program.contract.decisions
        if (name := field.name) not in unscored and len({str(row.get(name)) for row in test}) == 1
    ]
    if opponent.recorded is not None and contest.prototype is None:
        remarks.append(
            "no recorded answer belongs to a test row: they are joined by the inputs, which must be the same"
        )
    if contest.prototype is not None:
        rows, said = contest.prototype
        silent = sum(not result.outputs for result in said.results)
        if silent:
            remarks.append(
                f"on {silent} of {len(rows)} rows the prototype gave no answer that could be read; "
                "they count as wrong"
            )
    if len(program.spec.flow) > 1 and not quick:
        remarks.append(
            f"plain DSPy few-shot was left out: it is one prompt, and the program has "
            f"{len(program.spec.flow)} steps"
        )
    if program.spec.lm is None and any(step.decide for step in program.spec.steps.values()):
        remarks.append("the simple student is as good as the LM here, so the program calls no LM")
    if any(step.decide and step.decide.cascade for step in program.spec.steps.values()):
        answered = [result for result in ours.results if result.error is None]
        free = sum(not result.lm_calls for result in answered)
        remarks.append(f"the cascade answered {free} of {len(answered)} test rows without a call to the LM")
    if ours.errors:
        remarks.append(f"{ours.errors} of {len(test)} test rows ended in an error and count as wrong")
    if ours.failures:
        remarks.append(f"{ours.failures} of {len(test)} test rows could not be scored and count for nothing")
    remarks += [
        f"{scored.failures} of {len(rows)} rows of {name} could not be scored and count for nothing"
        for name, (rows, scored) in contest.scored.items()
        if name != "compiled" and scored.failures
    ]
    modes = {read.mode for step in program.spec.steps.values() if step.decide for read in step.decide.reads}
    remarks += [READ_NOTES[mode] for mode in sorted(modes) if mode in READ_NOTES]
    if not quick and len(contest.sample) < len(test):
        remarks.append(
            f"the constrained prompt and plain DSPy few-shot ran on {len(contest.sample)} of {len(test)} "
            "test rows"
        )
    if quick:
        remarks.append(
            f"quick: what generates freely ran on {len(contest.sample)} of {len(test)} test rows; "
            "plain DSPy few-shot, embeddings with logistic regression, and brittleness, attacks, faults and "
            "load were left out"
        )
    return remarks


def _too_slow(contest: Contest, metric: Metric) -> list[str]:
    """How often time or price alone made an answer count as wrong, where the metric looks at them."""
    if not hasattr(metric, "measured"):
        return []
    found = []
    for name, (rows, scored) in contest.scored.items():
        wrong = [one for one in scored.results if one.outputs is not None and one.score not in (None, 1.0)]
        slow = sum(metric.score(one.outputs or {}, one.labels, {}).right for one in wrong)
        if slow:
            found.append(f"{slow} of {len(rows)} rows of {name} count as wrong by their time or price alone")
    return found


def _unmeasured(program: Program, n_test: int, look: int, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Every key of a certificate, as it is where nothing was measured."""
    return {
        "name": program.name,
        "digest": program.digest,
        "verdict": "inconclusive",
        "reasons": [],
        "remarks": [],
        "compiled": None,
        "prototype": None,
        "baselines": dict.fromkeys(SIMPLE),
        "difference": paired_json(None, look_level(look)),
        "difference_by_output": {},
        "against": {},
        "selective": None,
        "out_of_scope": None,
        "look": look,
        "metric": None,
        "quick": True,
        "lm": program.spec.lm.id if program.spec.lm else None,
        "by_output": {},
        "batteries": None,
        "leaks": None,
        "rubric": None,
        "questions": None,
        "gate": None,
        "errors": 0,
        "rows": {"train": 0, "test": n_test, "free": 0},
        "made": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "facts": dict(facts),
        "worst": [],
    }


def _prototype_summary(prototype: Scored | None, opponent: Opponent) -> dict[str, Any] | None:
    if prototype is None:
        return None
    found = summary(prototype[1], opponent.lm)
    recorded = opponent.recorded is not None
    if recorded:
        found.update(ms_p50=None, ms_p95=None, tokens_per_call=None, usd_per_call=None, without_lm=None)
    return {**found, "lm": opponent.lm, "recorded": recorded}
