"""Choose demos for the static prefix: one typical row of each class."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

import numpy as np

from ...errors import InputError
from ...examples import digest_of, holds_secret
from ...runtime import Contract, Demo, Tfidf, plain_value, student_text, value_text
from ..draft import Context, Draft, Row

PER_LINE = 12
"""Characters that a value's name and the chat template add, about."""
ENOUGH = 3
"""A class with fewer rows than this gives no demo: it needs them for the fit."""


@dataclass(frozen=True)
class Demos:
    """Show the LM one row of each class of the decision that has the most classes.

    Of a class's rows, the one nearest to the class's centre (by TF-IDF) is taken; among
    equals, the one whose other labels were shown least. For programs without decisions,
    `without_classes` rows are taken in an order fixed by the seed. The demos together
    take at most half of the context.

    Attributes:
        without_classes: how many demos a program without decisions gets.
        max_characters: rows with longer inputs give no demo, where a class has shorter ones:
            every call reads its row behind all the demos, and long ones slow it down.
    """

    without_classes: int = 3
    max_characters: int | None = None

    def at_most(self, contract: Contract) -> int:
        """How many demos the prompt may get."""
        classes = [len(field.choices or ()) for field in contract.decisions]
        return max(classes) if classes else self.without_classes

    def apply(self, draft: Draft, context: Context) -> None:
        """Set the draft's demos."""
        if draft.readouts:
            raise InputError("demos must be chosen before the readout is fitted", hint="reorder the passes")
        contract = draft.contract
        # A demo is kept in the artifact and sent with every call: a row with a key in it must not be one.
        usable = [row for row in draft.train if not holds_secret(row)]
        if contract.decisions:
            chosen = _one_a_class(usable, contract, self.max_characters) if usable else []
        else:
            rows = sorted(usable, key=lambda row: digest_of([context.seed, plain_value(row)]))
            chosen = rows[: self.without_classes]
        order = np.random.default_rng(context.seed).permutation(len(chosen))
        demos = [_demo(chosen[i], contract) for i in order]
        draft.demos = _within(demos, context.lm.context // 2, draft)
        draft.notes.append(f"{len(draft.demos)} demos in the prompt")
        if held := len(draft.train) - len(usable):
            draft.notes.append(f"rows with what looks like a secret in them are never demos ({held} of them)")


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


def _demo(row: Row, contract: Contract) -> Demo:
    return Demo(
        inputs={field.name: row[field.name] for field in contract.inputs},
        outputs={field.name: row[field.name] for field in contract.outputs},
    )


def _within(demos: list[Demo], tokens: int, draft: Draft) -> list[Demo]:
    """The demos that fit into so many tokens, at about three characters a token, shortest first."""
    values = [[*demo.inputs.values(), *demo.outputs.values()] for demo in demos]
    sizes = [sum(len(value_text(value)) + PER_LINE for value in line) for line in values]
    kept: set[int] = set()
    room = tokens * 3
    for i in sorted(range(len(demos)), key=lambda i: (sizes[i], i)):
        room -= sizes[i]
        if room < 0:
            draft.notes.append(f"only {len(kept)} of {len(demos)} demos fit into the context")
            break
        kept.add(i)
    return [demo for i, demo in enumerate(demos) if i in kept]
