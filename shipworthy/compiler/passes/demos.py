"""Choose demos for the static prefix: typical rows of each class, rows that cover all, or those that help."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Literal, get_args

import numpy as np

from ...errors import InputError
from ...examples import digest_of, holds_secret
from ...runtime import Contract, Demo, Tfidf, plain_value, student_text, value_text
from ..draft import Context, Draft, Row
from .bootstrapped import with_values
from .coverage import covering_rows, groups_of, similarity
from .influence import POOL, Shares, check_draws, most_helpful

PER_LINE = 12
"""Characters that a value's name and the chat template add, about."""
ENOUGH = 3
"""A class with fewer rows than this gives no demo: it needs them for the fit."""

By = Literal["class", "coverage", "influence"]


@dataclass(frozen=True)
class Demos:
    """Show the LM worked examples: training rows with their labels.

    - By `class`, one row of each class of the decision that has the most classes: the one
      nearest to the class's centre (by TF-IDF); among equals, the one whose other labels were
      shown least. For programs without decisions, rows in an order fixed by the seed.
    - By `coverage`, rows chosen so that every training row has one like it (facility location
      over TF-IDF similarity), one of each class first.
    - By `influence`, the rows that help most, measured with calls to the LM: sets of candidates,
      one a class, are scored on held-out training rows, the most influential make a set, and
      that takes the place of the demos by class only where a race and further rows confirm it.

    The demos together take at most half of the context. An output that no training row has a
    label for is written by the program itself, on rows whose other outputs it gets right.

    Attributes:
        without_classes: how many demos a program without decisions gets.
        max_characters: rows with longer inputs give no demo, where a class has shorter ones:
            every call reads its row behind all the demos, and long ones slow it down.
        by: how they are chosen.
        n: how many, by coverage; by default as many as by class.
        draws: by influence, how many sets are scored at most; rows: on how many rows each, at
            one call a row; three a class where that is more.
        attempts: rows tried for each demo where an output has no labels, at one call each.

    Raises:
        InputError: a parameter has no meaning.
    """

    without_classes: int = 3
    max_characters: int | None = None
    _: KW_ONLY
    by: By = "class"
    n: int | None = None
    draws: int = 24
    rows: int = 40
    attempts: int = 3

    def __post_init__(self) -> None:
        if self.by not in get_args(By):
            ways = ", ".join(map(repr, get_args(By)))
            raise InputError(f"demos are not chosen by {self.by!r}", hint=f"use one of {ways}", where="Demos")
        if self.n is not None and (self.by != "coverage" or self.n < 1):
            raise InputError(
                f"n={self.n} demos by {self.by}", hint="n is for by='coverage', and 1 or more", where="Demos"
            )
        if self.attempts < 1:
            raise InputError(f"{self.attempts} attempts for a demo", hint="use 1 or more", where="Demos")
        if self.by == "influence":
            check_draws(self.draws, self.rows)

    def at_most(self, contract: Contract) -> int:
        """How many demos the prompt may get."""
        if self.n is not None:
            return self.n
        classes = [len(field.choices or ()) for field in contract.decisions]
        return max(classes) if classes else self.without_classes

    def calls(self, contract: Contract, train: Sequence[Row]) -> tuple[int, str]:
        """Calls at most, and what they are for."""
        demos = self.at_most(contract)
        calls, why = 0, []
        if self.by == "influence" and (shares := Shares.of(len(train) - demos, contract, self.rows)):
            calls += shares.calls(self.draws)
            why.append(f"{self.draws} sets of demos on {shares.scoring} rows, and a race of the best one")
        lacking = [own.name for own in contract.values if not any(own.name in row for row in train)]
        if lacking:
            calls += self.attempts * demos
            why.append(f"{self.attempts} attempts a demo to have {', '.join(lacking)} written")
        return calls, f"at most: {'; '.join(why)}" if why else "calls no LM"

    def apply(self, draft: Draft, context: Context) -> None:
        """Set the draft's demos."""
        if draft.readouts:
            raise InputError("demos must be chosen before the readout is fitted", hint="reorder the passes")
        # A demo is kept in the artifact and sent with every call: a row with a key in it must not be one.
        labelled = draft.labelled
        usable = [row for row in labelled if not holds_secret(row)]

        def demos_of(rows: Sequence[Row]) -> list[Demo]:
            order = np.random.default_rng(context.seed).permutation(len(rows))
            return within_context([draft.demo_of(rows[i]) for i in order], context.lm.context // 2)

        chosen = self._choose(usable, draft, context) if usable else []
        if self.by == "influence" and draft.unlabelled and not draft.contract.decisions:
            draft.notes.append("the influence of demos is measured where all outputs have labels")
        elif self.by == "influence" and chosen:
            pools = self._pools(chosen, usable, draft, context)
            chosen = most_helpful(chosen, pools, draft, context, demos_of, draws=self.draws, rows=self.rows)
        short = [row for row in usable if self._is_short(row, draft.contract)]
        chosen = with_values(chosen, short, draft, context, attempts=self.attempts)
        draft.demos = demos_of(chosen)
        if len(draft.demos) < len(chosen):
            draft.notes.append(f"only {len(draft.demos)} of {len(chosen)} demos fit into the context")
        draft.notes.append(f"{len(draft.demos)} demos in the prompt")
        if held := len(labelled) - len(usable):
            draft.notes.append(f"rows with what looks like a secret in them are never demos ({held} of them)")

    def _choose(self, usable: list[Row], draft: Draft, context: Context) -> list[Row]:
        contract = draft.contract
        if self.by == "coverage":
            candidates = self._candidates(usable, contract)
            n = self.at_most(contract)
            return covering_rows(usable, candidates, contract, n, seed=context.seed)
        if contract.decisions:
            return _one_a_class(usable, contract, self.max_characters)
        rows = sorted(usable, key=lambda row: digest_of([context.seed, plain_value(row)]))
        return rows[: self.without_classes]

    def _pools(self, first: list[Row], usable: list[Row], draft: Draft, context: Context) -> list[list[Row]]:
        """Candidates for the place of each demo: it and rows that cover those of its class.

        Without classes, the places are those of rows that cover all, and each has the rows
        that are most like it.
        """
        contract = draft.contract
        candidates = self._candidates(usable, contract)
        if contract.decisions:
            groups = groups_of(candidates, contract)
            members = [
                [
                    row
                    for row, group in zip(candidates, groups, strict=True)
                    if group == own and row is not kept
                ]
                for kept, own in zip(first, groups_of(first, contract), strict=True)
            ]
            centres = first
        else:
            centres = covering_rows(usable, candidates, contract, self.without_classes, seed=context.seed)
            rest = [row for row in candidates if not any(row is centre for centre in centres)]
            nearest = similarity(rest, centres, contract).argmax(axis=1) if rest else []
            members = [
                [row for row, own in zip(rest, nearest, strict=True) if own == place]
                for place in range(len(centres))
            ]
        return [
            [centre, *covering_rows(own, own, contract, POOL - 1, seed=context.seed)] if own else [centre]
            for centre, own in zip(centres, members, strict=True)
        ]

    def _candidates(self, rows: list[Row], contract: Contract) -> list[Row]:
        """Rows of classes that can spare one; where a class has short ones, those."""
        by_class: dict[str, list[Row]] = defaultdict(list)
        for row, group in zip(rows, groups_of(rows, contract), strict=True):
            by_class[group].append(row)
        found = []
        for own in by_class.values():
            if len(own) >= ENOUGH or not contract.decisions:
                short = [row for row in own if self._is_short(row, contract)]
                found += short or own
        return found

    def _is_short(self, row: Row, contract: Contract) -> bool:
        return self.max_characters is None or len(student_text(contract, row)) <= self.max_characters


def _one_a_class(rows: list[Row], contract: Contract, max_characters: int | None) -> list[Row]:
    primary = contract.primary
    others = [field.name for field in contract.decisions if field is not primary]
    texts = [student_text(contract, row) for row in rows]
    tfidf = Tfidf.fit(texts)
    shown: Counter[tuple[str, str]] = Counter()
    by_class: dict[str, list[int]] = defaultdict(list)
    for i, row in enumerate(rows):
        by_class[str(row[primary.name])].append(i)
    chosen = []
    for label in sorted(by_class):
        indices = by_class[label]
        if len(indices) < ENOUGH:
            continue
        typical = _typical(tfidf, texts, indices)
        short = [i for i in indices if max_characters is None or len(texts[i]) <= max_characters]
        nearest = sorted(short or indices, key=lambda i: (-typical[i], i))[:ENOUGH]
        repeats = {i: sum(shown[name, str(rows[i][name])] for name in others) for i in nearest}
        best = min(nearest, key=lambda i: (repeats[i], nearest.index(i)))
        shown.update((name, str(rows[best][name])) for name in others)
        chosen.append(rows[best])
    return chosen


def _typical(tfidf: Tfidf, texts: list[str], indices: list[int]) -> dict[int, float]:
    """Mean similarity of each row to its class."""
    dense = np.zeros((len(indices), len(tfidf.terms)), np.float32)
    for position, i in enumerate(indices):
        columns, values = tfidf.transform(texts[i])
        dense[position, columns] = values
    centre = dense.mean(axis=0)
    return {i: float(dense[position] @ centre) for position, i in enumerate(indices)}


def within_context(demos: Sequence[Demo], tokens: int) -> list[Demo]:
    """The demos that fit into so many tokens, at about three characters a token, shortest first."""
    values = [[*demo.inputs.values(), *demo.outputs.values()] for demo in demos]
    sizes = [sum(len(value_text(value)) + PER_LINE for value in line) for line in values]
    kept: set[int] = set()
    room = tokens * 3
    for i in sorted(range(len(demos)), key=lambda i: (sizes[i], i)):
        room -= sizes[i]
        if room < 0:
            break
        kept.add(i)
    return [demo for i, demo in enumerate(demos) if i in kept]
