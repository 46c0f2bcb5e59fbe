"""Rows from a file or a pipe, one JSON line out for each, in order and in bounded memory."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import ExamplesError, LMError, RowError, RowInputError, ShipworthyError
from ..examples import parse_json_line
from ..runtime import Contract, Program, error_line, line_of

Item = Mapping[str, Any] | RowInputError
STRAY = "look for a stray quote; a quote inside a quoted cell is written twice"


@dataclass
class Tally:
    """How the rows went: answers given, and errors that were the LM's."""

    rows: int = 0
    given: int = 0
    lm_down: int = 0

    @property
    def exit_code(self) -> int:
        """0 when any row was answered (or there were none), 3 when all failed by the LM, else 1."""
        if self.given or not self.rows:
            return 0
        return 3 if self.lm_down == self.rows else 1


def answer_rows(
    program: Program, rows: Iterable[Item], tally: Tally, *, trace: bool = False
) -> Iterator[dict[str, Any]]:
    """The line of each row, in order; a row that could not be read keeps its place as an error."""
    bad: dict[int, RowInputError] = {}
    version = program.version

    def good() -> Iterator[Mapping[str, Any]]:
        for index, item in enumerate(rows):
            if isinstance(item, RowInputError):
                bad[index] = item
            else:
                yield item

    position = 0
    outcomes = program.answer_many(good(), keep=(RowError, LMError))
    for outcome in outcomes:
        while position in bad:
            yield _count(tally, error_line(bad.pop(position), version=version), None)
            position += 1
        yield _count(tally, line_of(outcome, version=version, trace=trace), outcome.error)
        position += 1
    for index in sorted(bad):
        yield _count(tally, error_line(bad[index], version=version), None)


def read_rows(
    file: BinaryIO, name: str, contract: Contract, *, kind: str, say: Callable[[str], None]
) -> Iterator[Item]:
    """Rows of a JSONL or CSV stream; a line that cannot be read becomes a RowInputError in its place.

    Args:
        name: of the file, for messages.
        kind: `jsonl` or `csv`.
        say: told once of columns that the contract does not name.

    Raises:
        ExamplesError: a CSV's header lacks an input.
    """
    ignored = _Ignored(contract, say)
    source = _csv_rows(file, name, contract) if kind == "csv" else _json_rows(file, name)
    for item in source:
        if not isinstance(item, RowInputError):
            ignored.look_at(item)
        yield item


def kind_of(path: Path | None, first: bytes) -> str:
    """The kind of a stream: by its file's suffix, or else by how it begins."""
    if path is not None and path.suffix.lower() in (".csv", ".tsv"):
        return "csv"
    if path is not None and path.suffix.lower() in (".jsonl", ".ndjson", ".json"):
        return "jsonl"
    return "jsonl" if first.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"") else "csv"


class _Ignored:
    """Says once which columns the contract does not name."""

    def __init__(self, contract: Contract, say: Callable[[str], None]) -> None:
        self._known = {field.name for field in contract.inputs}
        self._say = say
        self._said = False

    def look_at(self, row: Mapping[str, Any]) -> None:
        others = [key for key in row if key not in self._known]
        if others and not self._said:
            self._say(f"ignored, since the contract does not name them: {', '.join(map(str, others[:20]))}")
            self._said = True


def _json_rows(file: BinaryIO, name: str) -> Iterator[Item]:
    for number, raw in enumerate(file, 1):
        where = f"{name}:{number}"
        try:
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
            if line.strip():
                yield parse_json_line(line, where)
        except UnicodeDecodeError:
            yield RowInputError("not UTF-8", hint="save the file as UTF-8", where=where)
        except ExamplesError as error:
            yield RowInputError(error.message, hint=error.hint, where=where)


def _csv_rows(file: BinaryIO, name: str, contract: Contract) -> Iterator[Item]:
    csv.field_size_limit(1 << 27)
    lines = (
        raw.decode("utf-8-sig" if number == 0 else "utf-8", errors="surrogateescape")
        for number, raw in enumerate(file)
    )
    first = next(lines, "")
    delimiter = "\t" if "\t" in first and "," not in first else ","
    reader = csv.reader(itertools.chain([first], lines), delimiter=delimiter, strict=True)
    try:
        header = [cell.strip() for cell in next(reader, [])]
    except csv.Error as error:
        raise ExamplesError(f"not well-formed CSV: {error}", hint=STRAY, where=f"{name}:1") from error
    missing = [field.name for field in contract.inputs if field.name not in header]
    if missing:
        raise ExamplesError(
            f"no column {', '.join(map(repr, missing))}",
            hint=f"the columns are {', '.join(header) or 'none'}",
            where=f"{name}:1",
        )
    while True:
        start = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield RowInputError(f"not well-formed CSV: {error}", hint=STRAY, where=f"{name}:{start}")
            continue
        if len(cells) != len(header):
            if not any(cell.strip() for cell in cells):
                continue  # a blank line is no row
            message = f"{len(cells)} cells where the header has {len(header)}"
            yield RowInputError(message, hint="look for a stray quote or separator", where=f"{name}:{start}")
        elif any("\udc80" <= character <= "\udcff" for cell in cells for character in cell):
            yield RowInputError("not UTF-8", hint="save the file as UTF-8", where=f"{name}:{start}")
        else:
            yield dict(zip(header, cells, strict=True))


def _count(tally: Tally, line: dict[str, Any], error: ShipworthyError | None) -> dict[str, Any]:
    tally.rows += 1
    tally.given += line["error"] is None
    tally.lm_down += isinstance(error, LMError)
    return line
