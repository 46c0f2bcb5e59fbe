"""Read rows from CSV, TSV, JSON lines or JSON, and say exactly where they are wrong."""

from __future__ import annotations

import csv
import io
import json
import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ExamplesError, InputError
from .files import decode_text

MAX_BYTES = 1 << 30
FORMATS = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json"}


@dataclass(frozen=True)
class Table:
    """Rows as they were read.

    Attributes:
        columns: names in order of first appearance.
        rows: one mapping a row; a CSV's values are text, JSON's keep their type.
        lines: for each row the line of the file on which it starts, from 1.
        source: the file's path, for messages.
    """

    columns: tuple[str, ...]
    rows: tuple[dict[str, Any], ...]
    lines: tuple[int, ...]
    source: str

    def where(self, index: int, column: str = "") -> str:
        """The place of a row, as messages name it."""
        place = f"{self.source}:{self.lines[index]}"
        return f"{place}, column {column!r}" if column else place


def load_table(path: str | Path, *, may_be_empty: bool = False) -> Table:
    """Read a file of rows.

    Args:
        may_be_empty: a file without rows is a table without rows, and no error.

    Raises:
        ExamplesError: the file is missing, empty, over 1 GiB, not UTF-8, or its rows
            are not well formed; names file, line and column.
    """
    path = Path(path)
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise ExamplesError(
            "this kind of file is not read",
            hint=f"use one of {', '.join(sorted(FORMATS))}",
            where=str(path),
        )
    text = _read_text(path)
    if may_be_empty and not text.strip():
        return Table((), (), (), str(path))
    if kind == "json":
        columns, rows, lines = _read_json(text, str(path))
    elif kind == "jsonl":
        columns, rows, lines = _read_json_lines(text, str(path))
    else:
        columns, rows, lines = read_csv(text, str(path), delimiter="\t" if kind == "tsv" else ",")
    if not rows and not may_be_empty:
        raise ExamplesError(
            "there are no rows", hint="give at least a few labelled examples", where=str(path)
        )
    return Table(tuple(columns), tuple(rows), tuple(lines), str(path))


def parse_json_line(line: str, where: str) -> dict[str, Any]:
    """One JSON object.

    Raises:
        ExamplesError: it is not JSON, or not an object; repeated keys count as an error.
    """
    try:
        value = _DECODER.decode(line)
    except (ValueError, RecursionError) as error:
        raise ExamplesError(
            f"not a JSON object: {error}", hint="write one object a line", where=where
        ) from error
    if not isinstance(value, dict):
        raise ExamplesError(
            f"a JSON object is expected, not {type(value).__name__}",
            hint="write one object a line",
            where=where,
        )
    return value


def _read_text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ExamplesError("the file is over 1 GiB", hint="give a sample of it", where=str(path))
        data = path.read_bytes()
    except OSError as error:
        raise ExamplesError(
            f"cannot be read: {error.strerror}", hint="check the path", where=str(path)
        ) from error
    return decode_text(data, str(path), ExamplesError)


Rows = tuple[list[str], list[dict[str, Any]], list[int]]


def read_csv(
    text: str, source: str, *, delimiter: str = ",", error: type[InputError] = ExamplesError
) -> Rows:
    """Columns, rows and, for each row, the line on which it starts; blank lines aside.

    Raises:
        InputError: of the kind given: it is not well-formed, a row has other columns than the header, or
            a column has no name or another one's.
    """
    csv.field_size_limit(1 << 27)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    rows: list[dict[str, Any]] = []
    lines: list[int] = []
    start = 1
    try:
        for cells in reader:
            line, start = start, reader.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            if header is None:
                header = _header(cells, f"{source}:{line}", error)
                continue
            if len(cells) != len(header):
                raise error(
                    f"{len(cells)} cells where the header has {len(header)}",
                    hint="look for a stray quote or separator; a cell that holds one must stand in quotes",
                    where=f"{source}:{line}",
                )
            rows.append(dict(zip(header, cells, strict=True)))
            lines.append(line)
    except csv.Error as problem:
        raise error(
            f"not well-formed CSV: {problem}",
            hint="look for a stray quote; a quote inside a quoted cell is written twice",
            where=f"{source}:{start}",
        ) from problem
    return header or [], rows, lines


def _header(cells: list[str], where: str, error: type[InputError]) -> list[str]:
    header = [cell.strip() for cell in cells]
    for name, times in Counter(header).items():
        if not name:
            raise error("a column has no name", hint="name every column", where=where)
        if times > 1:
            raise error(f"two columns are called {name!r}", hint="rename one", where=where)
    return header


def _read_json_lines(text: str, source: str) -> Rows:
    rows: list[dict[str, Any]] = []
    lines: list[int] = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            rows.append(parse_json_line(line, f"{source}:{number}"))
            lines.append(number)
    return _columns(rows), rows, lines


def _read_json(text: str, source: str) -> Rows:
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise ExamplesError(f"not JSON: {error.msg}", where=f"{source}:{error.lineno}") from error
    except (ValueError, RecursionError) as error:
        raise ExamplesError(f"not JSON: {error}", where=source) from error
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise ExamplesError(
            "a list of objects is expected", hint="or use one object a line (.jsonl)", where=source
        )
    return _columns(value), value, [1] * len(value)


def _columns(rows: list[dict[str, Any]]) -> list[str]:
    names: dict[str, None] = {}
    for row in rows:
        names.update(dict.fromkeys(row))
    return list(names)


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) != len(pairs):
        raise ValueError("a key stands twice")
    return row


def _no_constants(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    if math.isinf(number := float(digits)):
        raise ValueError(f"{digits[:20]} is too large a number")
    return number


_DECODER = json.JSONDecoder(object_pairs_hook=_no_repeats, parse_constant=_no_constants, parse_float=_finite)
