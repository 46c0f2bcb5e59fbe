"""The battery of faults: what comes of rows while the LM fails on purpose.

What must never happen is that a fault becomes a wrong answer: a row whose calls failed is
answered all the same, handed over, or ends in a typed error, before its deadline.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import DeadlineError, LMError, OutputError, OutsideError, RowError, ShipworthyError
from ..lms import LM, deadline
from ..runtime import Answer, Outcome, Progress, ordered_map
from ..scoring import Evaluation, Many, Metric, Row, RowResult, evaluate, paired_rows
from .faulty import KINDS, FaultyLM, SimulatedRow, simulated
from .figures import paired_json
from .shares import share_json

RATES = (0.01, 0.05, 0.20)


def faults(
    program_on: Callable[[LM], Many],
    rows: Sequence[Row],
    *,
    lm: LM,
    outputs: Sequence[str],
    metric: Metric,
    rates: Sequence[float] = RATES,
    kinds: Sequence[str] = KINDS,
    deadline_s: float = 10.0,
    seed: int = 0,
    at_most: int = 200,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Answer rows on an LM that fails, each kind of fault at each rate, and say what came of them.

    Time is simulated: waits pass on each row's own clock, and a call takes what it took when it
    was made. So hours of stalls cost seconds, and the same rows give the same figures on any
    machine, with any number of workers. With a `Recorded` LM a call is made once, at most.

    Args:
        program_on: the program, or the prototype, on the LM that it is given.
        rows: labelled rows.
        lm: answers the calls that do not fail.
        outputs: names of the labels; metric: scores a row.
        rates: shares of calls that fail.
        kinds: of `KINDS`.
        deadline_s: seconds that a row may take.
        at_most: so many rows, drawn by the seed.

    Returns:
        JSON: `without` for the rows without faults; `by_kind`, an entry a kind and rate, with the
        rows answered `right`, `wrong`, `abstained`, ended in a typed `error` or an `untyped`
        exception, which add up to `n` with those `unscored`, each with Wilson's interval;
        `turned_wrong`: rows that a fault struck and that became a wrong answer by it;
        `over_ms`: the longest time over the deadline, to be held against that `without` faults,
        where the LM itself was slower than the deadline in a call that nothing interrupts;
        `difference`: the score of what ended in no error, minus that of the same rows without
        faults. Null, with a `why`, for a kind that can strike none of the program's calls.

    Raises:
        LMError: the LM fails by itself.
        InputError: a kind, rate or deadline cannot be.
    """
    progress = progress or Progress()
    chosen = rows
    if len(rows) > at_most:
        chosen = [rows[i] for i in sorted(random.Random(seed).sample(range(len(rows)), at_most))]
    data: dict[str, Any] = {
        "n": len(chosen),
        "of": len(rows),
        "lm": lm.id,
        "seed": seed,
        "deadline_s": deadline_s,
        "clock": "simulated",
        "level": 0.95,
        "why": None,
    }
    if not chosen:
        return {**data, "without": None, "by_kind": [], "total": None, "why": "there are no rows"}
    done = 0

    def run(kind: Sequence[str], rate: float) -> _Run:
        nonlocal done
        many = program_on(FaultyLM(lm, rate=rate, kinds=kind, seed=seed))
        told: list[SimulatedRow] = []
        untyped: list[str] = []
        scored = evaluate(
            lambda given: _each(many, given, lm.workers, deadline_s, told, untyped, failing=rate > 0),
            chosen,
            outputs=outputs,
            metric=metric,
            on_row=lambda row: progress.advance(done + row),
        )
        done += len(chosen)
        return _Run(scored, told, untyped)

    progress.start("making the LM fail", len(chosen) * (1 + len(kinds) * len(rates)))
    try:
        without = run(kinds, 0.0)
        open_to = set[str]().union(*(row.open_to for row in without.told))
        found = [
            _figures(kind, rate, run([kind], rate), without, deadline_s)
            if kind in open_to
            else _not_open(kind, rate, open_to)
            for kind in kinds
            for rate in rates
        ]
    finally:
        progress.finish()
    measured = [entry for entry in found if entry["why"] is None]
    return {
        **data,
        "without": {**_kept(without, deadline_s), "score": _score(without.scored)},
        "by_kind": found,
        "total": _total(measured) if measured else None,
    }


@dataclass(frozen=True)
class _Run:
    """Rows at one kind and rate; `untyped` has a text a row, empty where nothing untyped was raised."""

    scored: Evaluation
    told: list[SimulatedRow]
    untyped: list[str]


def _each(
    many: Many,
    rows: Iterable[Row],
    workers: int,
    deadline_s: float,
    told: list[SimulatedRow],
    untyped: list[str],
    *,
    failing: bool,
) -> Iterator[Outcome[Answer]]:
    """The outcome of each row, each on a clock of its own; whatever it raises is its outcome."""

    def one(row: Row) -> tuple[Outcome[Answer], SimulatedRow, str]:
        with simulated() as clock, deadline(deadline_s, clock=clock):
            try:
                [outcome] = list(many([row]))
            except OutsideError as error:
                # What is down although nothing failed on purpose is not what is measured here.
                if not failing or not isinstance(error, LMError):
                    raise
                outcome = Outcome(error=error)
            except ShipworthyError as error:
                outcome = Outcome(error=error)
            except Exception as error:  # the very thing that is counted
                said = f"{type(error).__name__}: {error}"
                return Outcome(error=OutputError(said)), clock, said
        if outcome.error is None and clock.now > deadline_s:
            outcome = Outcome(error=DeadlineError("the answer came late"))  # whoever asked has gone
        return outcome, clock, ""

    for result in ordered_map(one, rows, workers=workers, keep=(RowError,)):
        outcome, clock, said = result.unwrap()
        told.append(clock)
        untyped.append(said)
        yield outcome


def _figures(kind: str, rate: float, run: _Run, without: _Run, deadline_s: float) -> dict[str, Any]:
    struck = [i for i, row in enumerate(run.told) if row.faults]
    wrong_before = [_fate(result) == "wrong" for result in without.scored.results]
    could = [i for i in struck if not wrong_before[i]]
    results = list(run.scored.results)
    turned = sum(_fate(results[i]) == "wrong" for i in could)
    unharmed = [i for i, result in enumerate(results) if result.error is None]
    return {
        "kind": kind,
        "rate": rate,
        "why": None,
        "struck": len(struck),
        "faults": sum(row.faults for row in run.told),
        "retries": sum(row.retries for row in run.told),
        **_kept(run, deadline_s),
        "turned_wrong": share_json(turned, len(could)),
        "difference": _difference(run.scored, without.scored, unharmed),
    }


def _kept(run: _Run, deadline_s: float) -> dict[str, Any]:
    """How many rows met which end, and how long it took at the most."""
    results = list(run.scored.results)
    n = len(results)
    fates = Counter(
        "untyped" if said else _fate(result) for result, said in zip(results, run.untyped, strict=True)
    )
    errors = [
        type(result.error).__name__
        for result, said in zip(results, run.untyped, strict=True)
        if result.error is not None and not said
    ]
    return {
        "n": n,
        **{fate: share_json(fates[fate], n) for fate in ("right", "wrong", "abstained", "error", "untyped")},
        "unscored": fates["unscored"],
        "errors": dict(sorted(Counter(errors).items())),
        "exceptions": sorted({said for said in run.untyped if said})[:5],
        "over_ms": max(0.0, *((row.now - deadline_s) * 1e3 for row in run.told)),
        "longest_s": max(row.now for row in run.told),
    }


def _fate(result: RowResult) -> str:
    if result.error is not None:
        return "error"
    if not result.answered:
        return "abstained"
    if result.score is None:
        return "unscored"
    return "right" if result.right else "wrong"


def _difference(scored: Evaluation, without: Evaluation, at: Sequence[int]) -> dict[str, Any]:
    """The score of these rows minus theirs without faults; nulls where none could be scored on both sides."""
    sides = [
        Evaluation([side.results[i] for i in at], True, side.metric, side.version)
        for side in (scored, without)
    ]
    both = [
        one.score is not None and two.score is not None
        for one, two in zip(*(s.results for s in sides), strict=True)
    ]
    return paired_json(paired_rows(*sides).difference() if any(both) else None, 0.95)


def _score(scored: Evaluation) -> dict[str, Any] | None:
    return {"mean": scored.score, "ci": list(scored.ci), "n": scored.scored} if scored.scored else None


def _not_open(kind: str, rate: float, open_to: set[str]) -> dict[str, Any]:
    why = (
        "the program's calls to the LM cannot fail so" if open_to else "the program calls no LM on these rows"
    )
    figures = ("struck", "faults", "retries", "right", "wrong", "abstained", "error", "untyped", "unscored")
    others = ("errors", "exceptions", "turned_wrong", "over_ms", "longest_s", "difference")
    return {"kind": kind, "rate": rate, "why": why, "n": 0, **dict.fromkeys((*figures, *others))}


def _total(measured: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Over all kinds and rates: counts, without intervals, since the same rows are in it again and again."""
    names = ("n", "struck", "faults", "retries")
    return {
        **{name: sum(entry[name] for entry in measured) for name in names},
        "turned_wrong": sum(entry["turned_wrong"]["count"] for entry in measured),
        "untyped": sum(entry["untyped"]["count"] for entry in measured),
        "over_ms": max(entry["over_ms"] for entry in measured),
    }
