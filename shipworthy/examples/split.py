"""Divide rows into train, dev and test: by content, stratified, and the same each time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .digest import digest_of

DEV_FROM = 2000
"""From this many rows for training on, a dev split is cut; below it, train is cross-fitted."""


@dataclass(frozen=True)
class Splits:
    """Rows by split. `dev` is empty where train is cross-fitted instead."""

    train: tuple[dict[str, Any], ...]
    dev: tuple[dict[str, Any], ...]
    test: tuple[dict[str, Any], ...]


def split_rows(
    rows: Sequence[Mapping[str, Any]],
    *,
    inputs: Sequence[str],
    strata: Sequence[str],
    test_share: float = 0.25,
    seed: int = 0,
) -> Splits:
    """Cut the test split, and a dev split where rows are many.

    Rows with the same inputs always land on the same side. Within each stratum (the
    values of `strata`) rows are taken in the order of their seeded digest, so that
    adding rows moves few of the old ones. At least one row of each stratum stays in train.

    Args:
        rows: the examples.
        inputs: columns that are the program's inputs.
        strata: columns whose joint values are kept in proportion.
        test_share: share of rows for the test split, from 0 up to 1.
        seed: another seed, another split.
    """
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[digest_of([seed, *(row.get(name) for name in inputs)])].append(dict(row))
    by_stratum: dict[str, list[str]] = defaultdict(list)
    for key in sorted(groups):
        by_stratum[digest_of([groups[key][0].get(name) for name in strata])].append(key)

    train: list[dict[str, Any]] = []
    dev: list[dict[str, Any]] = []
    test: list[dict[str, Any]] = []
    dev_share = 0.2 if len(rows) * (1 - test_share) >= DEV_FROM else 0.0
    # The remainder of each stratum is carried over to the next, so that small strata get their share too.
    debt = {"test": 0.0, "dev": 0.0}
    for stratum in sorted(by_stratum, key=lambda s: (-len(by_stratum[s]), s)):
        keys = by_stratum[stratum]
        counts: dict[str, int] = {}
        for name, share in (("test", test_share), ("dev", dev_share)):
            due = len(keys) * share + debt[name]
            counts[name] = min(int(due), len(keys) - 1 - sum(counts.values()))
            debt[name] = due - counts[name]
        n_test, n_dev = counts["test"], counts["dev"]
        for position, key in enumerate(keys):
            side = test if position < n_test else dev if position < n_test + n_dev else train
            side.extend(groups[key])
    return Splits(tuple(train), tuple(dev), tuple(test))
