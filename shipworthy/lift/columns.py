"""What a column of a table holds, and whether it can be an output at all.

A hand-made file of examples carries columns that nobody wants predicted: identifiers,
times, addresses, notes. They are left out, each with a reason that the user is shown.
"""

from __future__ import annotations

import datetime
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..examples import Table, canonical_json

NEARLY_ALL = 0.95
MIN_ROWS_FOR_UNIQUE = 8
"""Below this many rows, values that never repeat say little."""

LONG_TEXT = 60
"""Mean length in characters from which a text is prose rather than a value."""

ID_NAME = re.compile(
    r"(?i)^(id|uid|uuid|guid|key|pk|index|idx|row|row_?(num|number)|unnamed: 0|.+[_ -](id|uid|uuid|guid))$"
)
ID_CAMEL = re.compile(r"^.+[a-z](Id|ID|Uuid|UUID)$")
TIME_NAME = re.compile(
    r"(?i)^(created|updated|modified|inserted|timestamp|datetime|ts|.+_(timestamp|datetime))$"
)
TIME_SUFFIX = re.compile(r"(?i)^.+(_at|_ts|_time|_on)$")
EMAIL = re.compile(r"^[^@\s]+@[^@\s]+\.[^@\s.]+$")
DATE = re.compile(r"^\d{4}-\d\d-\d\d$")
DATE_TIME = re.compile(r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
INTEGER = re.compile(r"^[+-]?(0|[1-9][0-9]{0,17})$")
NUMBER = re.compile(r"^[+-]?((0|[1-9][0-9]*)(\.[0-9]+)?|\.[0-9]+)([eE][+-]?[0-9]{1,2})?$")
TOKEN = re.compile(r"^(?=\S*\d)[\w#./:-]{1,40}$")
HEX = re.compile(r"(?i)^[0-9a-f]{8,}$")


@dataclass(frozen=True)
class Column:
    """One column's values.

    Attributes:
        name: of the column.
        values: those that are not empty; text is stripped, JSON in text is read.
        n_rows: rows of the table.
        read_from_text: whether the values are JSON that stood in cells of text.
    """

    name: str
    values: tuple[Any, ...]
    n_rows: int
    read_from_text: bool = False

    @cached_property
    def distinct(self) -> int:
        """How many different values there are."""
        return len({_key(value) for value in self.values})

    @property
    def n_empty(self) -> int:
        """Rows in which the column is missing, null or blank."""
        return self.n_rows - len(self.values)

    @cached_property
    def texts(self) -> tuple[str, ...] | None:
        """The values, if all are text."""
        return self.values if all(isinstance(value, str) for value in self.values) else None

    @property
    def mean_length(self) -> float:
        """Mean length of the values in characters; 0 where they are not text."""
        texts = self.texts
        return sum(map(len, texts)) / len(texts) if texts else 0.0

    @property
    def count(self) -> str:
        """How reasons speak of the number of values."""
        return f"{self.distinct} distinct values in {self.n_rows} rows"

    def all_match(self, pattern: re.Pattern[str]) -> bool:
        """Whether every value is text of this form."""
        return bool(self.texts) and all(pattern.match(text) for text in self.texts or ())

    def all_integers(self) -> bool:
        """Whether every value is an integer, as JSON or as text."""
        return all(is_integer(value) for value in self.values)

    def all_numbers(self) -> bool:
        """Whether every value is a finite number, as JSON or as text."""
        return all(is_number(value) for value in self.values)

    def all_dates(self) -> bool:
        """Whether every value is a date of the calendar, as YYYY-MM-DD."""
        return self.all_match(DATE) and all(_parses(datetime.date, value) for value in self.values)


def read_column(table: Table, name: str) -> Column:
    """The values of one column."""
    found = [row.get(name) for row in table.rows]
    values: list[Any] = [
        value.strip() if isinstance(value, str) else value for value in found if not is_blank(value)
    ]
    if values and all(isinstance(value, str) and value[0] in "[{" for value in values):
        parsed = [_json_or_none(value) for value in values]
        if None not in parsed:
            return Column(name, tuple(parsed), len(table.rows), read_from_text=True)
    return Column(name, tuple(values), len(table.rows))


def is_blank(value: Any) -> bool:
    """Whether a cell is missing, null or nothing but white space."""
    return value is None or (isinstance(value, str) and not value.strip())


def is_integer(value: Any) -> bool:
    """Whether a value is an integer, or the text of one."""
    if isinstance(value, str):
        return bool(INTEGER.match(value))
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Whether a value is a number, or the text of one."""
    if isinstance(value, str):
        return bool(NUMBER.match(value)) and math.isfinite(float(value))
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def share_found(column: Column, table: Table, inputs: Sequence[str]) -> float:
    """Share of a text column's values that stand word for word in an input of their row."""
    if not column.texts:
        return 0.0
    hits = 0
    for row in table.rows:
        value = row.get(column.name)
        if not is_blank(value):
            hits += any(str(value).strip() in str(row.get(name, "")) for name in inputs)
    return hits / len(column.values)


def why_left_out(column: Column, *, found: float) -> str:
    """Why a column is no output, or empty.

    Args:
        column: its values.
        found: share of them that stand word for word in an input, as extracted ones do.
    """
    if column.name.strip().lower() == "split":
        return "says which split a row belongs to"
    if not column.values:
        return "empty"
    if column.distinct == 1 and column.n_rows > 1 and not column.n_empty:
        return f"the same value in all {column.n_rows} rows"
    if _is_time(column):
        return "times"
    if column.all_match(EMAIL):
        return "e-mail addresses"
    if ID_NAME.match(column.name) or ID_CAMEL.match(column.name):
        return f"an identifier by its name, {column.count}"
    if found >= NEARLY_ALL:
        return ""
    if _is_identifier(column):
        return f"an identifier: {column.count}"
    if _is_prose(column):
        about = f"{column.mean_length:.0f} characters on average"
        return f"free text: {column.count}, {about}; an output only if you name it"
    return ""


def _is_time(column: Column) -> bool:
    if TIME_NAME.match(column.name) or column.all_match(DATE_TIME):
        return True
    return bool(TIME_SUFFIX.match(column.name)) and (column.all_dates() or column.all_integers())


def _is_identifier(column: Column) -> bool:
    n = len(column.values)
    if n < MIN_ROWS_FOR_UNIQUE or column.distinct < NEARLY_ALL * n:
        return False
    if column.all_integers():
        numbers = [int(value) for value in column.values]
        return (
            numbers == sorted(numbers) or numbers == sorted(numbers, reverse=True) or min(numbers) >= 10_000
        )
    return not column.all_numbers() and (
        (column.all_match(TOKEN) and not column.all_dates()) or column.all_match(HEX)
    )


def _is_prose(column: Column) -> bool:
    repeated = column.distinct <= max(2, len(column.values) / 3)
    return column.mean_length > LONG_TEXT and not repeated


def _key(value: Any) -> str:
    try:
        return canonical_json(value)
    except ValueError:
        return repr(value)


def _json_or_none(text: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, list | dict) else None


def _parses(kind: type[datetime.date], text: str) -> bool:
    try:
        kind.fromisoformat(text)
    except ValueError:
        return False
    return True
