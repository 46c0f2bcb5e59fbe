"""The rows that a prototype brings itself: its tests, each with the checks that are its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import ExamplesError
from ..examples import Splits, Table, digest_of, load_table, split_rows
from ..lift import Checking, Lifted, checks_of_row, load_labelled
from ..runtime import plain_value
from ..scoring import Checks, speaks_of_answers
from .rows import SPLITS, Rows, split_path

NONE = Splits((), (), ())


def own_rows(lifted: Lifted, *, seed: int) -> tuple[Splits, list[str]]:
    """The prototype's own examples, typed and split, and what the user should know of them.

    An example counts if it has labels, or, where the prototype's assertions score, if one of them
    looks at its answer. Those with the same inputs stay together.
    """
    draft, checking = lifted.prototype.draft, lifted.checking
    names = [field.name for field in lifted.contract.outputs]
    inputs = [field.name for field in lifted.contract.inputs]
    if checking is None:
        given = [dict(row) for row in draft.rows if any(row.get(name) is not None for name in names)]
    else:
        given = _with_checks(lifted, checking)
    if not given:
        return NONE, []
    columns = tuple(dict.fromkeys(name for row in given for name in row))
    table = Table(columns, tuple(given), tuple(range(1, len(given) + 1)), lifted.prototype.path)
    also = Checks(column=checking.column).columns if checking is not None else ()
    try:
        typed = load_labelled(
            lifted.contract, table, needs_classes=False, needs_labels=checking is None, also=also
        )
    except ExamplesError as error:
        return NONE, [f"the prototype's own examples do not fit its contract, and are left out: {error}"]
    if checking is not None:
        typed = [
            {key: own for key, own in row.items() if key != checking.column or own is not None}
            for row in typed
        ]
    complete = all(name in row for row in typed for name in names)
    strata = [field.name for field in lifted.contract.decisions] if complete else []
    splits = split_rows(typed, inputs=inputs, strata=strata, seed=seed)
    sizes = f"{len(splits.train) + len(splits.dev)} to compile with, {len(splits.test)} to certify on"
    notes = [f"{len(typed)} examples of the prototype's own: {sizes}; EXAMPLES take their place"]
    if left := len(draft.rows) - len(given):
        why = "no label" if checking is None else "no assertion about the answer that can be run"
        notes.append(f"{left} of the prototype's own examples have {why}, and are left out")
    return splits, notes


def keeps_rows(lifted: Lifted, splits: Splits, project: Path) -> bool:
    """Whether the project has other rows of this program already, which somebody may have edited."""
    paths = {name: split_path(project, lifted.name, name) for name in SPLITS}
    if not any(path.is_file() for path in paths.values()):
        return False
    found = {name: _digests_in(path) for name, path in paths.items()}
    new = {name: sorted(map(_digest, getattr(splits, name))) for name in SPLITS}
    return found != new


def _with_checks(lifted: Lifted, checking: Checking) -> Rows:
    draft = lifted.prototype.draft
    shared = [check.as_json() for check in checking.shared]
    found = []
    for index, row in enumerate(draft.rows):
        own = checks_of_row(draft, index)
        if speaks_of_answers(shared) or speaks_of_answers(own):
            found.append({**row, checking.column: own})
    return found


def _digests_in(path: Path) -> list[str]:
    return sorted(map(_digest, load_table(path, may_be_empty=True).rows)) if path.is_file() else []


def _digest(row: Mapping[str, Any]) -> str:
    """Of a row as a file of it holds it."""
    return digest_of(plain_value({name: value for name, value in row.items() if value is not None}))
