"""A prototype's assertions on their way into a project: into the recipe, or into the rows that they are of.

They are written in promptfoo's words, as JSON; `sw.Checks` scores by them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..examples import Table
from ..runtime import Contract
from .draft import Check, Draft, Unmapped
from .prototype import Prototype

COLUMNS = ("checks", "row_checks", "answer_checks")
TIMED = ("latency", "cost")
"""Kinds that look at what an answer took, and say nothing of the answer."""


@dataclass(frozen=True)
class Checking:
    """How a lifted program's answers are scored by what the prototype asserts of them.

    Attributes:
        shared: checks of all rows.
        threshold: the share of a row's checks, by weight, that suffices, where a row states none.
        column: of the rows, in which they have checks of their own.
        whole: whether checks are of a JSON object with all outputs, even where there is one only.
        labels: whether rows have labels besides, which must be right too.
    """

    shared: tuple[Check, ...]
    threshold: float | None
    column: str
    whole: bool
    labels: bool


def checking_of(
    prototype: Prototype, contract: Contract, table: Table | None
) -> tuple[Checking | None, list[Unmapped]]:
    """How to score by a prototype's checks, None where there are none; and which of them are left out.

    Args:
        contract: of the program.
        table: rows other than the prototype's own, with labels: only checks of all rows count there.
    """
    draft = prototype.draft
    outputs = {field.name for field in contract.outputs}
    names = outputs | {field.name for field in contract.inputs}
    shared = tuple(check for check in draft.checks if check.row is None)
    told = []
    if table is not None and any(map(_is_timed, shared)):
        why = (
            "the prototype ran on another LM: the gate has conditions for it, latency_ms_p95 and usd_per_call"
        )
        told.append(Unmapped("latency and cost", prototype.path, why))
        shared = tuple(check for check in shared if not _is_timed(check))
    if table is not None and any(check.row is not None for check in draft.checks):
        why = f"they hold for their own tests: add them to rows that they fit, in a column {COLUMNS[0]!r}"
        told.append(Unmapped("assertions of single tests", prototype.path, why))
    if table is not None and shared:
        stated = {field.name for field in draft.steps[0].outputs}
        if outputs != stated if draft.whole else len(outputs) != 1:
            why = "they are of the prototype's whole answer, and the examples have other outputs"
            told.append(Unmapped("assertions of all tests", prototype.path, why))
            shared = ()
    if all(_is_timed(check) for check in (shared if table is not None else draft.checks)):
        return None, told
    column = next((name for name in COLUMNS if name not in names), f"checks_{len(names)}")
    threshold = draft.thresholds.get(None)
    return Checking(shared, threshold, column, draft.whole, labels=table is not None), told


def checks_of_row(draft: Draft, index: int) -> Any:
    """The checks of one of the prototype's own rows, as JSON; None where it has none of its own."""
    own = [check.as_json() for check in draft.checks if check.row == index]
    threshold = draft.thresholds.get(index)
    if threshold is not None:
        return {"assert": own, "threshold": threshold}
    return own or None


def _is_timed(check: Check) -> bool:
    return all(one.kind.removeprefix("not-") in TIMED for one in check.single)
