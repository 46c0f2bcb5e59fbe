"""The rows of a project: split once, kept as typed JSON lines, read back under the contract."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import ExamplesError, NotFoundError
from ..examples import (
    Finding,
    Kind,
    Report,
    Splits,
    Table,
    digest_of,
    examine_rows,
    holds_secret,
    load_table,
    redact,
    split_rows,
)
from ..lift import Lifted, load_inputs, load_labelled
from ..runtime import Contract, Field
from ..scoring import Metric, columns_of, needs_labels

Rows = list[dict[str, Any]]
SPLITS = ("train", "dev", "test")
SHOWN = 5

FIRST: tuple[Kind, ...] = ("contradiction", "duplicate", "leak", "single_example")
"""What is looked for in the rows as given, and set right before they are split."""

THEN: tuple[Kind, ...] = (
    "missing_class",
    "secret",
    "near_contradiction",
    "near_leak",
    "unused_class",
    "empty_input",
    "near_duplicate",
)
"""What is looked for in the splits, and only said: whether it is a fault is for a person to judge."""


def without_secrets(lifted: Lifted) -> tuple[Lifted, list[str]]:
    """The lifted prompt with what looks like a secret left out, and what the user should know of it."""
    steps = tuple(
        dataclasses.replace(
            step,
            instruction=redact(step.instruction),
            demos=tuple(
                one for one in step.demos if not holds_secret({"in": one.inputs, "out": one.outputs})
            ),
            others=tuple(map(redact, step.others)),
        )
        for step in lifted.steps
    )
    if steps == lifted.steps:
        return lifted, []
    said = "what looks like a secret stands in the prompt: the program gets … in its place"
    return dataclasses.replace(lifted, steps=steps), [f"warning: {said}; have it revoked"]


def prepare(
    contract: Contract,
    table: Table,
    test: Table | None,
    *,
    seed: int,
    drop_contradictions: bool,
    also: Sequence[Field] = (),
) -> tuple[Splits, list[str]]:
    """Validate, clean and split labelled rows; gives the splits and what the user should know.

    Rows that stand twice are kept once. A row of `test` whose inputs are in train too
    leaves train. Other faults (nearly the same rows, secrets, missing classes) are only
    said. Without `test`, a quarter of the rows becomes the test split. `also` as in `load_labelled`.

    Raises:
        ExamplesError: a row is wrong, or rows contradict each other; names file and lines.
    """
    rows = load_labelled(contract, table, also=also)
    given = load_labelled(contract, test, needs_classes=False, also=also) if test is not None else []
    inputs = [field.name for field in contract.inputs]
    outputs = [field.name for field in contract.outputs if any(field.name in row for row in rows)]
    decisions = [field.name for field in contract.decisions]
    names: dict[str, Any] = {"inputs": inputs, "outputs": outputs, "decisions": decisions}
    report = examine_rows(rows, given, kinds=FIRST, **names)

    def place(index: int) -> str:
        if index < len(rows):
            return f"{table.source}:{table.lines[index]}"
        return f"{test.source}:{test.lines[index - len(rows)]}" if test is not None else ""

    contradictions = report.of("contradiction")
    if contradictions and not drop_contradictions:
        shown = "; ".join(" and ".join(map(place, finding.rows)) for finding in contradictions[:SHOWN])
        raise ExamplesError(
            f"{len(contradictions)} texts stand with different labels: {shown}",
            hint="correct the labels, or leave these rows out with --drop-contradictions",
            where=place(contradictions[0].rows[0]),
        )
    gone, notes = _cleaned(report, len(rows), place)
    kept = [row for index, row in enumerate(rows) if index not in gone]
    kept_test = [row for index, row in enumerate(given, len(rows)) if index not in gone]
    share = 0.0 if test is not None else 0.25
    splits = split_rows(kept, inputs=inputs, strata=decisions, test_share=share, seed=seed)
    if test is not None:
        splits = Splits(splits.train, splits.dev, tuple(kept_test))
    if not splits.train:
        raise ExamplesError("no training rows are left", hint="give more labelled rows", where=table.source)
    classes = {field.name: field.choices for field in contract.decisions if field.choices}
    found = examine_rows(splits.train, splits.test, dev=splits.dev, kinds=THEN, classes=classes, **names)
    if found.findings:
        where = {_key(row, inputs): place(index) for index, row in reversed(list(enumerate(rows)))}
        where_test = {_key(row, inputs): place(index) for index, row in enumerate(given, len(rows))}
        places = [where[_key(row, inputs)] for row in (*splits.train, *splits.dev)]
        places += [(where_test or where)[_key(row, inputs)] for row in splits.test]
        notes += found.lines(places.__getitem__)
    return splits, notes


def read_split(
    project: Path,
    name: str,
    contract: Contract,
    split: str,
    *,
    needed: bool = True,
    also: Sequence[Field] = (),
    metric: Metric | str | None = None,
) -> Rows:
    """The rows of a split of a project's program, typed, with what the metric reads of them.

    `also` as in `load_labelled`.

    Raises:
        NotFoundError: it is needed and not there.
        ExamplesError: a row does not fit the contract (any more).
    """
    path = split_path(project, name, split)
    if not path.is_file():
        if not needed:
            return []
        raise NotFoundError(
            f"there are no {split} rows for {name!r}",
            hint=f"lift it with examples: shipworthy lift PROTOTYPE EXAMPLES --name {name}",
            where=str(path),
        )
    table = load_table(path, may_be_empty=split == "test")  # which the certificate says
    return _labelled(contract, table, needs_classes=split == "train", also=also, metric=metric)


def unfit_rows(project: Path, name: str, contract: Contract, given: str | Path | None) -> Rows:
    """Inputs that no label fits: of the file given, or else of the project's, if it has one.

    Raises:
        ExamplesError: the file cannot be read, or a row lacks an input.
    """
    path = Path(given) if given else split_path(project, name, "out_of_scope")
    if not given and not path.is_file():
        return []
    return load_inputs(contract, load_table(path))


def given_rows(
    contract: Contract,
    rows: Sequence[Mapping[str, Any]] | str | Path,
    *,
    needs_classes: bool = True,
    may_be_empty: bool = False,
    also: Sequence[Field] = (),
    metric: Metric | str | None = None,
) -> Rows:
    """Rows that a caller gives in Python, or a file of them, typed, with what the metric reads of them.

    `also` as in `load_labelled`.

    Raises:
        ExamplesError: a row does not fit the contract.
    """
    if isinstance(rows, str | Path):
        table = load_table(rows, may_be_empty=may_be_empty)
        return _labelled(contract, table, needs_classes=needs_classes, also=also, metric=metric)
    plain = tuple(dict(row) for row in rows)
    columns = tuple(dict.fromkeys(key for row in plain for key in row))
    table = Table(columns, plain, tuple(range(1, len(plain) + 1)), "rows")
    return _labelled(contract, table, needs_classes=needs_classes, also=also, metric=metric)


def split_path(project: Path, name: str, split: str) -> Path:
    """Where a split lies."""
    return project / "data" / name / f"{split}.jsonl"


def _labelled(
    contract: Contract,
    table: Table,
    *,
    needs_classes: bool,
    also: Sequence[Field],
    metric: Metric | str | None,
) -> Rows:
    columns = (*also, *columns_of(metric))
    needed = needs_labels(metric)
    return load_labelled(contract, table, needs_classes=needs_classes, needs_labels=needed, also=columns)


def _cleaned(report: Report, n_train: int, place: Callable[[int], str]) -> tuple[set[int], list[str]]:
    """The rows that go, and a line for each reason."""
    gone: set[int] = set()
    notes: list[str] = []
    contradictions, again = report.of("contradiction"), report.of("duplicate")
    if contradictions:
        gone.update(index for finding in contradictions for index in finding.rows)
        notes.append(f"left out, same text with different labels {_grouped(contradictions, place)}")
    if again:
        gone.update(index for finding in again for index in finding.rows[1:])
        notes.append(f"kept once, the same row stands again {_grouped(again, place)}")
    leaking = [index for finding in report.of("leak") for index in finding.rows if index < n_train]
    if leaking:
        gone.update(leaking)
        notes.append(f"left train, since it is a test row too: {_places(map(place, leaking))}")
    single = dataclasses.replace(report, findings=report.of("single_example"))
    return gone, notes + single.lines(place)


def _grouped(findings: Sequence[Finding], place: Callable[[int], str]) -> str:
    shown = "; ".join(_places(map(place, finding.rows)) for finding in findings[:SHOWN])
    more = f"; and {len(findings) - SHOWN} more" if len(findings) > SHOWN else ""
    return f"({len(findings)}): {shown}{more}"


def _key(row: Mapping[str, Any], inputs: Sequence[str]) -> str:
    return digest_of([row.get(name) for name in inputs])


def _places(places: Iterable[str]) -> str:
    found = list(places)
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return ", ".join(found[:SHOWN]) + more
