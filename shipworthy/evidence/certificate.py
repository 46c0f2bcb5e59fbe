"""The certificate: one comparison on rows that nobody has fitted on, and what it allows to be said."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..lms import Recorded
from ..runtime import READ_NOTES, Program, Progress
from ..scoring import Evaluation, Metric, Paired, look_level, paired_rows
from .contest import FREE_ROWS, Contest, Opponent, Scored, run_contest
from .figures import paired_json, rows_said, selective, summary, worst
from .out_of_scope import out_of_scope

SIMPLE = ("majority", "tfidf_lr", "constrained", "dspy_few_shot", "embedding_lr")

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Measured:
    """The compiled program's scores, for whoever compares another program on the same rows."""

    compiled: Evaluation
    metric: Metric


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
    facts: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Certificate:
    """Compare on the test rows, and judge by the default gate.

    Args:
        program: the compiled program.
        opponent: the prototype.
        train: rows for the baselines to learn from; test: rows that count.
        lm: the LM at hand, recorded.
        metric: scores a row; a sentence instead, where none can, that says why.
        look: the number of this look at these rows, from 1; the deciding interval has
            the level 1 - 0.05 / (look * (look + 1)).
        quick: run what generates freely on a stratified sample, and leave out DSPy few-shot.
        target: the accuracy wanted of answered rows.
        unfit: inputs that no label fits, which should be handed over.
        facts: lineage for the page.

    Raises:
        LMError: the LM fails.
    """
    progress = progress or Progress()
    if isinstance(metric, str):
        return _nothing_to_measure(program, len(test), look, facts or {}, f"cannot certify: {metric}")
    if not test:
        why = "there are no test rows: give at least 50 labelled rows that were not used to compile"
        return _nothing_to_measure(program, 0, look, facts or {}, why)
    contest = run_contest(
        program, opponent, train, test, lm=lm, metric=metric, quick=quick, progress=progress
    )
    ours = contest.ours
    handed = _handed_over(program, contest, unfit, progress)
    level = look_level(look)
    difference = _difference(ours, contest.prototype, level)
    against = {name: _difference(ours, entry, level) for name, entry in contest.baselines.items()}
    verdict, reasons = _judge(difference, against, opponent)
    reasons += _remarks(program, contest, quick, test)
    data: dict[str, Any] = {
        "name": program.name,
        "digest": program.digest,
        "verdict": verdict,
        "reasons": reasons,
        "compiled": summary(ours, lm.id),
        "prototype": _prototype_summary(contest.prototype, opponent),
        "baselines": {
            name: summary(contest.baselines[name][1], lm.id) if name in contest.baselines else None
            for name in SIMPLE
        },
        "difference": paired_json(difference, level),
        "against": {name: paired_json(paired, level) for name, paired in against.items()},
        "selective": selective(ours, target),
        "out_of_scope": handed,
        "look": look,
        "metric": {"name": metric.name, "version": metric.version},
        "quick": quick,
        "lm": program.spec.lm.id if program.spec.lm else None,
        "by_output": ours.by_output(),
        "errors": ours.errors,
        "rows": {"train": len(train), "test": len(test), "free": len(contest.sample)},
        "made": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "facts": dict(facts or {}),
    }
    rows_out = rows_said(test, program, contest.scored)
    data["worst"] = worst(rows_out, contest.scored)
    return Certificate(data, tuple(rows_out), Measured(ours, metric))


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


def _judge(
    difference: Paired | None, against: Mapping[str, Paired | None], opponent: Opponent
) -> tuple[str, list[str]]:
    """The default gate, with every reason."""
    better = [name for name, paired in against.items() if paired is not None and paired.ci[1] < 0]
    reasons = [
        f"the simple baseline {name} is significantly better: {_points(against[name])}" for name in better
    ]
    if difference is None:
        reasons.append("there is no prototype to compare with, so nothing can be said of an improvement")
        return ("fail" if better else "inconclusive"), reasons
    low, high = difference.ci
    what = f"{_points(difference)} on {difference.n} test rows"
    if low > 0:
        reasons.append(f"better than the prototype: {what}")
    elif high < 0:
        reasons.append(f"worse than the prototype: {what}")
    else:
        reasons.append(f"not shown to be better than the prototype: {what}; more test rows may show it")
    if better or high < 0:
        return "fail", reasons
    if low <= 0:
        return "inconclusive", reasons
    reasons.append("no simple baseline is significantly better")
    return "pass", reasons


def _remarks(program: Program, contest: Contest, quick: bool, test: Sequence[Row]) -> list[str]:
    ours = contest.ours
    unscored = [
        field.name for field in program.contract.outputs if not any(field.name in row for row in test)
    ]
    remarks = [
        f"no test row has a label for {name!r}: only a metric that needs none can score it"
        for name in unscored
    ]
    if program.spec.lm is None:
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
    if quick:
        remarks.append(
            f"quick: what generates freely ran on {len(contest.sample)} of {len(test)} test rows; "
            "plain DSPy few-shot and the long batteries were left out"
        )
    return remarks


def _nothing_to_measure(
    program: Program, n_test: int, look: int, facts: Mapping[str, Any], why: str
) -> Certificate:
    data: dict[str, Any] = {
        "name": program.name,
        "digest": program.digest,
        "verdict": "inconclusive",
        "reasons": [why],
        "compiled": None,
        "prototype": None,
        "baselines": dict.fromkeys(SIMPLE),
        "difference": paired_json(None, look_level(look)),
        "against": {},
        "selective": None,
        "out_of_scope": None,
        "look": look,
        "metric": None,
        "quick": True,
        "lm": program.spec.lm.id if program.spec.lm else None,
        "by_output": {},
        "errors": 0,
        "rows": {"train": 0, "test": n_test, "free": 0},
        "made": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "facts": dict(facts),
        "worst": [],
    }
    return Certificate(data, ())


def _points(paired: Paired | None) -> str:
    if paired is None:
        return "not measured"
    low, high = (100 * bound for bound in paired.ci)
    return (
        f"{100 * paired.mean:+.1f} points ({100 * paired.ci_level:.4g} % interval {low:+.1f} to {high:+.1f})"
    )


def _prototype_summary(prototype: Scored | None, opponent: Opponent) -> dict[str, Any] | None:
    if prototype is None:
        return None
    found = summary(prototype[1], opponent.lm)
    recorded = opponent.recorded is not None
    if recorded:
        found.update(ms_p50=None, ms_p95=None, tokens_per_call=None, usd_per_call=None, without_lm=None)
    return {**found, "lm": opponent.lm, "recorded": recorded}
