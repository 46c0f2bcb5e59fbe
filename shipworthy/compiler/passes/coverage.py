"""Rows that cover the others: facility location over TF-IDF similarity."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...runtime import Contract, student_text
from ..draft import Row
from ..heads import Matrix, tfidf_matrix, vocabulary
from ..race import race_order

MOST = 1000
"""Rows to cover, and rows to choose from, at most; beyond that a part that keeps the classes is taken."""
SHARE = 3
"""Of a class at most one row in so many is chosen: the others are needed for the fit."""


def covering_rows(
    rows: Sequence[Row], candidates: Sequence[Row], contract: Contract, n: int, *, seed: int
) -> list[Row]:
    """Up to n of the candidates, chosen so that every row has one like it, as far as n allows.

    The sum over rows of the similarity to the nearest chosen one is made large, by `cover`.
    Where there are decisions, each class of the one with the most classes gets its first row
    before any gets its second.

    Args:
        rows: to be covered; candidates: to choose from, of these rows.
        seed: draws a part of the rows where there are more than `MOST`.
    """
    groups = groups_of(candidates, contract)
    rows = [rows[i] for i in race_order(groups_of(rows, contract), seed=seed)[:MOST]]
    order = race_order(groups, seed=seed)
    by_turns = np.argsort(_places([groups[i] for i in order]), kind="stable")
    kept = np.sort(order[by_turns[:MOST]])
    candidates, groups = [candidates[i] for i in kept], [groups[i] for i in kept]
    limits = {group: max(1, count // SHARE) for group, count in Counter(groups).items()}
    if not contract.decisions:
        limits = dict.fromkeys(limits, n)
    return [candidates[i] for i in cover(similarity(rows, candidates, contract), groups, n, limits)]


def cover(alike: Matrix, groups: Sequence[Any], n: int, limits: dict[Any, int]) -> list[int]:
    """Facility location by the greedy algorithm: indices of up to n columns, in the order chosen.

    Maximises the sum over rows of the largest similarity to a chosen column. The value is at
    least 1 - 1/e of the largest possible (Nemhauser, Wolsey and Fisher 1978), and at least
    half of it where one column of each group comes first (Fisher, Nemhauser and Wolsey 1978).

    Args:
        alike: similarity of each row to each column, none negative; shape (N, M).
        groups: of the columns; each is represented once before any is twice.
        limits: columns of a group at most.
    """
    covered = np.zeros(len(alike))
    chosen: list[int] = []
    taken: set[int] = set()
    counts: Counter[Any] = Counter()
    waiting = set(groups)
    while len(chosen) < n:
        free = [
            i
            for i, group in enumerate(groups)
            if i not in taken and (group in waiting or (not waiting and counts[group] < limits[group]))
        ]
        if not free:
            break
        gains = np.maximum(alike[:, free] - covered[:, None], 0.0).sum(axis=0)
        best = free[int(np.argmax(gains))]
        if gains.max() <= 0 and not waiting:
            break  # whatever is left stands there already
        chosen.append(best)
        taken.add(best)
        counts[groups[best]] += 1
        waiting.discard(groups[best])
        covered = np.maximum(covered, alike[:, best])
    return chosen


def similarity(rows: Sequence[Row], others: Sequence[Row], contract: Contract) -> Matrix:
    """Cosine similarity of TF-IDF, that of words and that of characters added; shape (N, M)."""
    if not rows or not others:
        return np.zeros((len(rows), len(others)))
    texts = [[student_text(contract, row) for row in side] for side in (rows, others)]
    place = {text: i for i, text in enumerate(dict.fromkeys([*texts[0], *texts[1]]))}
    matrix = tfidf_matrix(vocabulary(list(place)), list(place))
    left, right = (matrix[[place[text] for text in side]] for side in texts)
    return np.asarray((left @ right.T).toarray(), np.float64)


def groups_of(rows: Sequence[Row], contract: Contract) -> list[str]:
    """The class of each row by the decision with the most classes; all alike without decisions."""
    if not contract.decisions:
        return [""] * len(rows)
    primary = contract.primary
    return [str(row[primary.name]) for row in rows]


def _places(groups: Sequence[str]) -> NDArray[np.intp]:
    """For each element, how many of its group stand before it."""
    seen: Counter[str] = Counter()
    places = np.empty(len(groups), np.intp)
    for i, group in enumerate(groups):
        places[i] = seen[group]
        seen[group] += 1
    return places
