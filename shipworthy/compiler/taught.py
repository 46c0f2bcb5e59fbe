"""What rows can teach, where some of them lack labels because a metric needs none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..runtime import Contract
from .draft import Row


@dataclass(frozen=True)
class Taught:
    """A contract, and the rows that it can be learnt from.

    Attributes:
        contract: decisions that cannot be learnt are generated.
        train, dev: rows with a label for every decision that can be.
        notes: what there is to say of the others.
    """

    contract: Contract
    train: list[Row]
    dev: list[Row]
    notes: tuple[str, ...] = ()


def taught(contract: Contract, train: Sequence[Row], dev: Sequence[Row]) -> Taught:
    """What can be learnt from rows that may lack labels; where each row has all, nothing changes.

    A decision takes two classes or more among the rows that have labels for it. Without them it
    is generated, as all other outputs are.
    """
    notes = []
    generated = set()
    for own in contract.decisions:
        known = [row[own.name] for row in train if own.name in row]
        if len(known) < len(train) and len(set(map(str, known))) < 2:
            generated.add(own.name)
            said = f"{len(known)} of {len(train)} training rows have labels for {own.name!r}"
            notes.append(f"{said}, too few to learn from: it is generated")
    contract = replace(contract, generated=frozenset(generated)) if generated else contract
    names = [own.name for own in contract.decisions]

    def labelled(rows: Sequence[Row]) -> list[Row]:
        return [row for row in rows if all(name in row for name in names)]

    kept = labelled(train), labelled(dev)
    if left := len(train) + len(dev) - len(kept[0]) - len(kept[1]):
        notes.append(f"{left} rows without a label for {', '.join(map(repr, names))} teach nothing")
    return Taught(contract, *kept, tuple(notes))
