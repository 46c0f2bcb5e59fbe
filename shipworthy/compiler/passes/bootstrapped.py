"""Demos for outputs that nobody has labelled: the program writes them, on rows that it else gets right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...errors import ScoringError
from ...runtime import Field, Heads, ordered_map, plain_value, run_step
from ...scoring import Metric, labels_of, metric_of
from ..draft import Context, Draft, Row
from .coverage import groups_of, similarity
from .rollout import generating


def with_values(
    chosen: Sequence[Row], usable: Sequence[Row], draft: Draft, context: Context, *, attempts: int
) -> list[Row]:
    """The rows with values for the outputs that no training row has a label for.

    The program is run on each row without demos. Where the recipe's metric gives its
    labelled outputs the full score, what it wrote for the others becomes the demo's, as
    BootstrapFewShot does for steps without labels (Khattab et al. 2023). Else the most similar
    row of the same class is tried in its place. Where nothing is found, the row stays without
    a value: it is shown where the program decides, and not where it generates.

    Args:
        chosen: rows to be demos.
        usable: rows that may be.
        attempts: rows tried for each demo, at most, at one call each.

    Raises:
        LMError: the LM fails.
    """
    lacking = draft.unlabelled
    if not lacking or not chosen:
        return list(chosen)
    names = ", ".join(field.name for field in lacking)
    try:
        metric = metric_of(context.recipe.metric, draft.contract.outputs, draft.train)
    except ScoringError as error:
        draft.notes.append(f"no demo shows {names}: no metric says which answers are right ({error.message})")
        return list(chosen)
    found: dict[int, Row] = {}
    queues = _queues(chosen, usable, draft, attempts)
    calls = 0
    for attempt in range(attempts):
        waiting = [i for i, queue in enumerate(queues) if i not in found and attempt < len(queue)]
        waiting = waiting[: context.meter.beyond(len(draft.fit_rows))]  # later passes need the others
        if not waiting:
            break
        tried = [queues[i][attempt] for i in waiting]
        for i, row in zip(waiting, _answered(tried, lacking, metric, draft, context), strict=True):
            if row is not None:
                found[i] = row
        calls += len(tried)
    draft.notes.append(
        f"{len(found)} of {len(chosen)} demos show {names} as the program wrote it, on rows that it else got "
        f"right ({calls} calls)"
    )
    if not draft.contract.decisions:
        return [found[i] for i in sorted(found)]
    return [found.get(i, row) for i, row in enumerate(chosen)]


def _queues(chosen: Sequence[Row], usable: Sequence[Row], draft: Draft, attempts: int) -> list[list[Row]]:
    """For each chosen row itself, then the rows of its class that are most like it; no row twice."""
    taken = {id(row) for row in chosen}
    groups = groups_of(usable, draft.contract)
    queues = []
    for row, own in zip(chosen, groups_of(chosen, draft.contract), strict=True):
        like = [other for other, group in zip(usable, groups, strict=True) if group == own]
        order = np.argsort(-similarity([row], like, draft.contract)[0], kind="stable")
        others = [like[i] for i in order if id(like[i]) not in taken][: attempts - 1]
        taken.update(id(other) for other in others)
        queues.append([row, *others])
    return queues


def _answered(
    rows: Sequence[Row], lacking: Sequence[Field], metric: Metric, draft: Draft, context: Context
) -> list[Row | None]:
    """Each row with what the program wrote for the outputs lacking; None where its answer is wrong."""
    contract = draft.contract
    step = generating(draft, draft.instruction, contract.outputs, demos=())

    def ask(row: Row) -> dict[str, Any]:
        return run_step(draft.name, step, Heads({}, None), context.lm, row).outputs

    found: list[Row | None] = []
    for row, outcome in zip(rows, ordered_map(ask, rows, workers=context.lm.workers), strict=True):
        if outcome.error is not None:  # an answer that cannot be used is no right one
            found.append(None)
            continue
        said = plain_value(dict(outcome.unwrap()))
        labels = plain_value(labels_of(metric, row, [own.name for own in contract.outputs]))
        inputs = plain_value({own.name: row[own.name] for own in contract.inputs})
        right = metric.score(said, labels, inputs).right
        found.append({**row, **{own.name: said[own.name] for own in lacking}} if right else None)
    return found
