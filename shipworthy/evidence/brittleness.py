"""Brittle or not: what changes that keep the label do to each contender, side by side.

Three kinds of change: of the row's text (`shipworthy.examples.PERTURBATIONS`), of the
prototype's own instructions (`reworded_prototypes`), and of the world, another LM or
another quantisation. Each is measured against the same contender's answers to the rows as
they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..examples import PERTURBATIONS, Perturbation
from ..runtime import Contract, Field, Progress, plain_value
from ..scoring import Evaluation, Many, Metric, Row, RowResult, evaluate, same_value
from .battery import (
    LEVEL,
    carrier,
    copied_values,
    gap_between,
    label_words,
    paired_means,
    row_means,
    row_share,
    sample_rows,
    sampling,
    shown,
)
from .figures import row_digest

EXAMPLES = 3
"""So many of the worst changes of each contender are shown."""
FIXED = (
    "the compiled program has no free instruction: its prompt is part of the artifact and cannot be reworded"
)
NO_WORLDS = "no other LM and no other quantisation was given"
NO_REWORDED = "no reworded prototype was given"
NO_TEXT = "no input holds free text"


def brittleness(
    contenders: Mapping[str, Many | str],
    rows: Sequence[Row],
    *,
    inputs: Sequence[Field],
    outputs: Sequence[Field],
    metric: Metric,
    seed: int = 0,
    at_most: int = 50,
    plain: Mapping[str, tuple[Sequence[int], Evaluation]] | None = None,
    reworded: Mapping[str, Many] | None = None,
    worlds: Mapping[str, Mapping[str, Many]] | None = None,
    perturbations: Sequence[Perturbation] = PERTURBATIONS,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Score drop and flipped answers under changes that keep the label; JSON.

    Args:
        contenders: by name, `compiled` and `prototype` among them; a sentence instead of one
            says why it cannot be measured.
        rows: with inputs and labels.
        inputs: of the contract. The text that is changed is the free text that differs most
            from row to row; the other inputs stay.
        outputs: those that rows have labels of.
        metric: scores a row.
        seed: of the sample and of every draw.
        at_most: rows in the sample, stratified by the decision with the most classes. A larger
            sample holds every smaller one.
        plain: by contender, places in `rows` and the evaluation of these rows as they are;
            rows that it lacks are asked.
        reworded: the prototype with its instructions changed, by the change's name.
        worlds: by contender, the same contender elsewhere, by the world's name.
        perturbations: of the text.
        progress: told of each row.

    Returns:
        `texts`, `instructions` and `worlds` hold for each contender `overall`, `by` (the change's
        name) and `worst`, or None with a `why`. Figures are `rows` changed, `variants` of them and
        how many were `scored`; `before`, `after` and `drop`, the scores and the first minus the
        second; `flipped`, how many answers differ from the contender's own, whichever is right;
        and `errors`. They are means of the rows' means, with 95 % intervals over rows.
        `difference` is the compiled program's drop minus the prototype's, on the rows and
        changes that both have.

    Raises:
        LMError: the LM fails; a row's own error counts as a changed answer with score 0.
        ExamplesError: a row lacks a label.
    """
    progress = progress or Progress()
    contract = Contract(tuple(inputs), tuple(outputs))
    chosen = sample_rows(rows, contract, at_most=at_most, seed=seed)
    known = {
        title: dict(zip(places, evaluation.results, strict=True))
        for title, (places, evaluation) in (plain or {}).items()
    }
    bench = _Bench(rows, contract, metric, chosen, known, progress)
    name = carrier(rows, inputs)
    changes = _changes(bench, name, perturbations, seed) if name else []
    names = [one.name for one in perturbations]
    found = {
        title: bench.compare(title, NO_TEXT if name is None else many, "changed text", changes)
        for title, many in contenders.items()
    }
    return {
        "rows": sampling(rows, chosen, contract, at_most),
        "seed": seed,
        "level": LEVEL,
        "metric": {"name": metric.name, "version": metric.version},
        "input": name,
        "changes": {one.name: one.sentence for one in perturbations},
        "texts": {title: bench.figures(pairs, names) for title, pairs in found.items()},
        "difference": _difference(found.get("compiled"), found.get("prototype"), names),
        "instructions": {
            "prototype": bench.elsewhere("prototype", contenders, reworded, NO_REWORDED),
            "compiled": _nothing(FIXED),
        },
        "worlds": {
            title: bench.elsewhere(title, contenders, (worlds or {}).get(title), NO_WORLDS)
            for title in contenders
        },
    }


@dataclass(frozen=True)
class _Change:
    """A row as it is asked under a change."""

    place: int
    name: str
    row: Row


@dataclass(frozen=True)
class _Pair:
    """A contender's answers before and after a change."""

    change: _Change
    before: RowResult
    after: RowResult
    flipped: bool

    @property
    def scored(self) -> bool:
        return self.before.score is not None and self.after.score is not None

    @property
    def drop(self) -> float:
        return float(self.before.score or 0) - float(self.after.score or 0)


@dataclass(frozen=True)
class _Bench:
    """The sampled rows, and how contenders are asked and scored on them."""

    rows: Sequence[Row]
    contract: Contract
    metric: Metric
    chosen: Sequence[int]
    known: dict[str, dict[int, RowResult]]
    progress: Progress

    def compare(
        self, title: str, many: Many | str, task: str, changes: Sequence[_Change]
    ) -> list[_Pair] | str:
        """The contender's own answers beside those to the changes."""
        if isinstance(many, str):
            return many
        return self._pairs(self._before(title, many), changes, self._ask(f"{title}: {task}", many, changes))

    def elsewhere(
        self,
        title: str,
        contenders: Mapping[str, Many | str],
        others: Mapping[str, Many] | None,
        otherwise: str,
    ) -> dict[str, Any]:
        """The same rows, asked of variants of a contender."""
        many = contenders.get(title, f"there is no {title}")
        if not others:
            return _nothing(many if isinstance(many, str) else otherwise)
        if isinstance(many, str):
            return _nothing(many)
        before = self._before(title, many)
        pairs: list[_Pair] = []
        for name, other in others.items():
            changes = [_Change(place, name, self.rows[place]) for place in self.chosen]
            pairs += self._pairs(before, changes, self._ask(f"{title}: {name}", other, changes))
        return self.figures(pairs, others)

    def figures(self, pairs: list[_Pair] | str, names: Iterable[str]) -> dict[str, Any]:
        if isinstance(pairs, str):
            return _nothing(pairs)
        by = {name: [pair for pair in pairs if pair.change.name == name] for name in names}
        return {
            "overall": _figures(pairs),
            "by": {name: _figures(own) for name, own in by.items()},
            "worst": self._worst(pairs),
            "why": None,
        }

    def _before(self, title: str, many: Many) -> dict[int, RowResult]:
        """The contender's own answers by place; those that are not known are asked, once."""
        known = self.known.setdefault(title, {})
        missing = [_Change(place, "", self.rows[place]) for place in self.chosen if place not in known]
        answers = self._ask(f"{title}: rows as they are", many, missing)
        known.update(zip((one.place for one in missing), answers, strict=True))
        return known

    def _pairs(
        self, before: Mapping[int, RowResult], changes: Sequence[_Change], answers: Sequence[RowResult]
    ) -> list[_Pair]:
        return [
            _Pair(change, before[change.place], after, self._flipped(before[change.place], after))
            for change, after in zip(changes, answers, strict=True)
        ]

    def _ask(self, task: str, many: Many, changes: Sequence[_Change]) -> Sequence[RowResult]:
        if not changes:
            return []
        names = [field.name for field in self.contract.outputs]
        asked = [change.row for change in changes]
        self.progress.start(task, len(changes))
        try:
            advance = self.progress.advance
            return evaluate(many, asked, outputs=names, metric=self.metric, on_row=advance).results
        finally:
            self.progress.finish()

    def _flipped(self, before: RowResult, after: RowResult) -> bool:
        """Whether any output differs from the contender's own; an error differs from an answer."""
        own, new = before.outputs, after.outputs
        if own is None or new is None:
            return own is not new
        names = [field.name for field in self.contract.outputs]
        return any(
            (name in own) != (name in new) or not _same(own.get(name), new.get(name)) for name in names
        )

    def _worst(self, pairs: Sequence[_Pair]) -> list[dict[str, Any]]:
        """The changes that cost most, each row and each kind of change at most once."""
        lost = [pair for pair in pairs if pair.scored and pair.drop > 0]
        lost.sort(key=lambda pair: (-pair.drop, self._digest(pair), pair.change.name))
        found: list[dict[str, Any]] = []
        seen: set[tuple[str, int | str]] = set()
        for pair in lost:
            what: set[tuple[str, int | str]] = {("row", pair.change.place), ("change", pair.change.name)}
            if len(found) < EXAMPLES and not seen & what:
                seen |= what
                found.append(self._example(pair))
        return found

    def _example(self, pair: _Pair) -> dict[str, Any]:
        row = self.rows[pair.change.place]
        return {
            "digest": self._digest(pair),
            "change": pair.change.name,
            "before": self._inputs(row),
            "after": self._inputs(pair.change.row),
            "labels": {
                field.name: plain_value(row[field.name])
                for field in self.contract.outputs
                if field.name in row
            },
            "said_before": pair.before.outputs,
            "said_after": pair.after.outputs,
            "error": pair.after.error.as_dict() if pair.after.error else None,
        }

    def _digest(self, pair: _Pair) -> str:
        return row_digest(self.rows[pair.change.place], self.contract)

    def _inputs(self, row: Row) -> dict[str, str]:
        return {field.name: shown(str(plain_value(row.get(field.name)))) for field in self.contract.inputs}


def _changes(bench: _Bench, name: str, perturbations: Sequence[Perturbation], seed: int) -> list[_Change]:
    """Every sampled row under every perturbation that changes it, row by row."""
    avoid = label_words(bench.contract.outputs)
    found = []
    for place in bench.chosen:
        row = bench.rows[place]
        text = row.get(name)
        if not isinstance(text, str):
            continue
        digest = row_digest(row, bench.contract)
        keep = copied_values(row, bench.contract.outputs)
        for one in perturbations:
            changed = one.apply(text, row=digest, seed=seed, keep=keep, avoid=avoid)
            if changed is not None:
                found.append(_Change(place, one.name, {**row, name: changed}))
    return found


def _figures(pairs: Sequence[_Pair]) -> dict[str, Any]:
    scored = [pair for pair in pairs if pair.scored]
    before = [(pair.change.place, float(pair.before.score or 0)) for pair in scored]
    after = [(pair.change.place, float(pair.after.score or 0)) for pair in scored]
    why = None if scored else "no row could be scored" if pairs else "it changes none of the sampled rows"
    return {
        "rows": len({pair.change.place for pair in pairs}),
        "variants": len(pairs),
        "scored": len(scored),
        "before": _mean(before),
        "after": _mean(after),
        "drop": paired_means(before, after),
        "flipped": row_share((pair.change.place, pair.flipped) for pair in pairs),
        "errors": sum(pair.after.error is not None for pair in pairs),
        "why": why,
    }


def _difference(
    ours: list[_Pair] | str | None, theirs: list[_Pair] | str | None, names: Sequence[str]
) -> dict[str, Any]:
    """The compiled program's drop minus the prototype's: negative where the program is the steadier."""
    if not isinstance(ours, list) or not isinstance(theirs, list):
        return {"overall": None, "by": None, "why": "one of the two was not measured"}
    drops = [
        {(pair.change.place, pair.change.name): pair.drop for pair in pairs if pair.scored}
        for pairs in (ours, theirs)
    ]
    both = [key for key in drops[0] if key in drops[1]]

    def gap(keys: Iterable[tuple[int, str]]) -> dict[str, Any]:
        keys = list(keys)
        return gap_between(*([(key[0], side[key]) for key in keys] for side in drops))

    by = {name: gap(key for key in both if key[1] == name) for name in names}
    return {"overall": gap(both), "by": by, "why": None}


def _nothing(why: str) -> dict[str, Any]:
    return {"overall": None, "by": None, "worst": [], "why": why}


def _mean(values: Sequence[tuple[int, float]]) -> float | None:
    """The mean of the rows' means."""
    return float(np.mean(list(row_means(values).values()))) if values else None


def _same(one: Any, other: Any) -> bool:
    # Where nothing was said on both sides, nothing has changed.
    return (one is None and other is None) or same_value(one, other)
