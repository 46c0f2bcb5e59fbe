"""Faults in labelled rows that would make every later number wrong."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from .digest import digest_of

Kind = Literal["contradiction", "duplicate", "leak", "single_example"]


@dataclass(frozen=True)
class Finding:
    """One fault: its kind, a sentence, and the indices of the rows that show it."""

    kind: Kind
    message: str
    rows: tuple[int, ...]


def check_rows(
    train: Sequence[Mapping[str, Any]],
    test: Sequence[Mapping[str, Any]],
    *,
    inputs: Sequence[str],
    outputs: Sequence[str],
    decisions: Sequence[str],
) -> list[Finding]:
    """Look for contradictions, duplicates, leaks and classes with one example.

    Indices count train rows first, then test rows. `decisions` names the outputs that
    are classes. A leak is a test row whose inputs occur in train too.
    """
    findings: list[Finding] = []
    by_input: dict[str, list[int]] = defaultdict(list)
    for index, row in enumerate([*train, *test]):
        by_input[digest_of([row.get(name) for name in inputs])].append(index)
    rows = [*train, *test]
    for indices in by_input.values():
        if len(indices) == 1:
            continue
        labels = {digest_of([rows[i].get(name) for name in outputs]) for i in indices}
        sides = {index < len(train) for index in indices}
        if len(labels) > 1:
            findings.append(Finding("contradiction", "same inputs, different labels", tuple(indices)))
        elif len(sides) == 1:
            findings.append(Finding("duplicate", "the same row again", tuple(indices)))
        if len(sides) == 2:
            findings.append(Finding("leak", "a test row is in train too", tuple(indices)))
    for name in decisions:
        counts = Counter(str(row.get(name)) for row in train)
        for label, count in sorted(counts.items()):
            if count == 1:
                index = next(i for i, row in enumerate(train) if str(row.get(name)) == label)
                findings.append(
                    Finding("single_example", f"{name}={label!r} has one example: it trains only", (index,))
                )
    return findings
