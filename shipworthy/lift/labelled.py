"""Labelled rows under a contract: every value typed and checked, then written as data.

A wrong label makes every later number wrong without a sound, so the first one stops the
reading, with its line and column.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import ExamplesError, StorageError
from ..examples import Table, atomic_write
from ..runtime import Contract, Field, label_text, plain_value
from .columns import is_blank
from .lifting import Lifted
from .prototype import Prototype


def load_labelled(
    contract: Contract,
    table: Table,
    *,
    needs_classes: bool = True,
    needs_labels: bool = True,
    also: Sequence[Field] = (),
) -> list[dict[str, Any]]:
    """The rows' inputs and outputs as plain JSON values of their types.

    Other columns are dropped. An empty cell is null where the type allows it. An output that
    is free text may have no column at all, where another output has one: it has no labels then.

    Args:
        contract: names and types.
        table: the rows as they were read.
        needs_classes: refuse rows that show one class only of a decision. They teach
            nothing, but they can be scored.
        needs_labels: refuse rows without a label; else they lack it, and one class is enough.
        also: columns that are read too where there are any: what passes between a program's steps,
            outputs that may have none, and what a metric reads.

    Raises:
        ExamplesError: a column is missing; a value or label is empty or does not fit
            (the first one is named, the others are counted); a decision has one class.
    """
    if not table.rows:
        return []
    given = [field for field in contract.outputs if field.name in table.columns]
    free = {one.name for one in also}
    outputs = [
        field
        for field in contract.outputs
        if field in given or (needs_labels and not (given and (_is_text(field) or field.name in free)))
    ]
    own = {field.name for field in contract.outputs}
    more = [one for one in also if one.name in table.columns and one.name not in own]
    rows = _typed(table, contract.inputs, [*outputs, *more], needs_labels=needs_labels)
    if needs_classes and needs_labels:
        _check_classes(contract, rows, table.source)
    return rows


def load_inputs(contract: Contract, table: Table) -> list[dict[str, Any]]:
    """The rows' inputs alone, typed; other columns are dropped.

    Raises:
        ExamplesError: a column is missing, or a value does not fit.
    """
    return _typed(table, contract.inputs, ())


def _typed(
    table: Table, inputs: Sequence[Field], outputs: Sequence[Field], *, needs_labels: bool = True
) -> list[dict[str, Any]]:
    fields = [*inputs, *outputs]
    missing = [field.name for field in fields if field.name not in table.columns and _needed(field)]
    if missing:
        raise ExamplesError(
            f"no column {', '.join(map(repr, missing))}",
            hint=f"columns: {', '.join(table.columns)}",
            where=table.source,
        )
    labels = {field.name for field in outputs}
    rows: list[dict[str, Any]] = []
    bad: list[tuple[int, str, str]] = []
    for index, raw in enumerate(table.rows):
        row: dict[str, Any] = {}
        for field in fields:
            is_label = field.name in labels
            if is_label and not needs_labels and is_blank(raw.get(field.name)) and not _nullable(field):
                continue
            try:
                row[field.name] = _value(field, raw, is_label=is_label)
            except ValueError as error:
                bad.append((index, field.name, str(error)))
                break
        rows.append(row)
    if bad:
        index, column, message = bad[0]
        others = f"; {len(bad) - 1} more {'row is' if len(bad) == 2 else 'rows are'} bad" if bad[1:] else ""
        raise ExamplesError(
            f"{message}{others}", hint="correct the value or drop the row", where=table.where(index, column)
        )
    return rows


def write_examples(
    lifted: Lifted,
    rows_train: Sequence[Mapping[str, Any]],
    rows_dev: Sequence[Mapping[str, Any]],
    rows_test: Sequence[Mapping[str, Any]],
    project: Path,
    *,
    source: str,
) -> list[Path]:
    """Write the splits and a copy of the prototype to `data/NAME/`.

    Args:
        lifted: whose rows and prototype they are.
        rows_train: typed rows, as `load_labelled` gives them; so are the other two.
        rows_dev: may be empty; an older `dev.jsonl` goes then.
        rows_test: for the certificate alone.
        project: the project's folder.
        source: the file that the rows came from; `origin.json` keeps its name.

    Returns:
        The paths written.

    Raises:
        StorageError: the disk is full or the folder cannot be written.
    """
    folder = project / "data" / lifted.name
    splits = {"train": rows_train, "dev": rows_dev, "test": rows_test}
    origin = {
        "examples": Path(source).name,
        "prototype": Path(lifted.prototype.path).name,
        "prototype_sha256": lifted.prototype.digest,
        "rows": {name: len(rows) for name, rows in splits.items()},
    }
    fields = [f for step in lifted.steps for f in (*step.contract.inputs, *step.contract.outputs)]
    names = list(dict.fromkeys(field.name for field in fields))
    names += [lifted.checking.column] if lifted.checking is not None else []
    files = {
        f"{name}.jsonl": "".join(f"{_line(row, names)}\n" for row in rows)
        for name, rows in splits.items()
        if rows or name != "dev"
    }
    files.update(_copies(lifted.prototype))
    files["origin.json"] = json.dumps(origin, indent=2, ensure_ascii=False) + "\n"
    old = {path.relative_to(folder).as_posix() for path in folder.glob("prototype*/**/*") if path.is_file()}
    old |= {path.name for path in folder.glob("prototype.*")} | {"dev.jsonl"}
    _remove(folder / name for name in old - files.keys())
    for name, text in files.items():
        atomic_write(folder / name, text)
    return [folder / name for name in files]


def _copies(prototype: Prototype) -> dict[str, str]:
    """One file as `prototype.SUFFIX`; several, or a folder, as they lie in a folder `prototype`."""
    path = Path(prototype.path)
    if list(prototype.texts) == [path.name]:
        return {f"prototype{path.suffix}": prototype.texts[path.name]}
    return {f"prototype/{name}": text for name, text in prototype.texts.items()}


def _value(field: Field, row: Mapping[str, Any], *, is_label: bool) -> Any:
    """One typed value as plain JSON; ValueError says what is wrong."""
    value = row.get(field.name)
    if field.name not in row and "default" in field.schema:
        return field.schema["default"]
    if is_blank(value):
        if _nullable(field):
            return None
        if is_label or value is None:
            raise ValueError(f"the {'label' if is_label else 'value'} is empty")
    elif isinstance(value, str) and field.schema.get("type") != "string":
        value = value.strip()
    plain = plain_value(field.parse(value))
    try:
        json.dumps(plain, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError as error:
        raise ValueError("half of a surrogate pair, which is no character") from error
    return plain


def _nullable(field: Field) -> bool:
    return {"type": "null"} in field.schema.get("anyOf", []) or not field.schema


def _is_text(field: Field) -> bool:
    options = [one for one in field.schema.get("anyOf", [field.schema]) if one.get("type") != "null"]
    plain = not {"enum", "const", "format", "pattern"} & {key for one in options for key in one}
    return plain and [one.get("type") for one in options] == ["string"]


def _needed(field: Field) -> bool:
    return "default" not in field.schema


def _check_classes(contract: Contract, rows: Sequence[Mapping[str, Any]], source: str) -> None:
    for field in contract.decisions:
        classes = Counter(str(row[field.name]) for row in rows)
        if len(classes) == 1:
            label = label_text(rows[0][field.name])
            raise ExamplesError(
                f"one class only: nothing to learn; every {field.name!r} is {label!r}",
                hint="add rows of another class, or leave the column out with --outputs",
                where=source,
            )


def _line(row: Mapping[str, Any], names: Iterable[str]) -> str:
    values = {name: plain_value(row[name]) for name in names if name in row}
    return json.dumps(values, ensure_ascii=False, allow_nan=False)


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(
                f"cannot remove: {error.strerror or error}", hint="check permissions", where=str(path)
            ) from error
