"""Dates with a tolerance in days, read from the forms in which people and LMs write them."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ...errors import ScoringError
from .base import NO_INPUTS, Described
from .values import check_tolerance

MAX_DAYS = 3_652_058
"""Between the first and the last date that there is."""
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
FULL = (
    *("january", "february", "march", "april", "may", "june", "july"),
    *("august", "september", "october", "november", "december"),
)
YEAR_FIRST = re.compile(r"(\d{4})([./-])(\d{1,2})\2(\d{1,2})", re.ASCII)
YEAR_LAST = re.compile(r"(\d{1,2})([./-])(\d{1,2})\2(\d{4})", re.ASCII)
DAY_MONTH = re.compile(r"(\d{1,2})(?:st|nd|rd|th)?(?:\s+of)?[\s-]+([a-z]+)\.?,?[\s-]+(\d{4})", re.ASCII)
MONTH_DAY = re.compile(r"([a-z]+)\.?\s+(\d{1,2})(?:st|nd|rd|th)?,?\s+(\d{4})", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Date(Described):
    """1 if the answer's date lies within `days` of the label's; else 0.

    Read are `date` and `datetime` objects, ISO 8601 text, and what can mean one day only:
    2024/3/31, 31.12.2024, 12/31/2024, 31 March 2024, March 31st, 2024 (English months,
    four-digit years). 03/04/2024 can mean two days and is not read. An answer that is not
    read scores 0; such a label is a failure.

    The label says whether the time of day counts. A label without one is compared by
    calendar day, as written. A label with one is compared by the moment: an answer without
    a time of day then needs `days` of 1 or more, and is compared by calendar day. Where
    only one of them has a time zone, both are read as the clock on the wall.

    Args:
        days: whole or not, from 0 to 3,652,058.

    Raises:
        ScoringError: `days` is out of its range.
    """

    days: float = 0
    name: ClassVar[str] = "date"

    def __post_init__(self) -> None:
        check_tolerance(self.days, "the tolerance in days")
        if self.days > MAX_DAYS:
            raise ScoringError(f"a tolerance of {self.days} days is more than there are dates")

    def compare(self, answer: Any, label: Any, *, inputs: Mapping[str, Any] = NO_INPUTS) -> float:
        """1 or 0.

        Raises:
            ScoringError: the label is no date, or can mean two.
        """
        if answer is None and label is None:
            return 1.0
        given, wanted = read_date(answer), read_date(label)
        if label is not None and wanted is None:
            raise ScoringError(
                f"the label {label!r:.80} is no date, or can mean two", hint="write it as YYYY-MM-DD"
            )
        if given is None or wanted is None:
            return 0.0
        if isinstance(wanted, datetime.datetime) and isinstance(given, datetime.datetime):
            return float(_apart(given, wanted) <= datetime.timedelta(days=self.days))
        if isinstance(wanted, datetime.datetime) and self.days < 1:
            return 0.0
        return float(abs((_day(given) - _day(wanted)).days) <= self.days)


def read_date(value: Any) -> datetime.date | None:
    """A date (a `datetime` where a time of day is given), or None for what is none or can mean two."""
    if isinstance(value, datetime.date):
        return value
    if not isinstance(value, str):
        return None
    text = " ".join(value.split())
    try:
        return _iso(text)
    except ValueError:
        pass
    try:
        return _written(text.lower())
    except ValueError:  # the 31st of June
        return None


def _iso(text: str) -> datetime.date:
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        return datetime.datetime.fromisoformat(text)


def _written(text: str) -> datetime.date | None:
    if found := YEAR_FIRST.fullmatch(text):
        return datetime.date(int(found[1]), int(found[3]), int(found[4]))
    if found := YEAR_LAST.fullmatch(text):
        first, second, year = int(found[1]), int(found[3]), int(found[4])
        if first > 12 or first == second:
            return datetime.date(year, second, first)
        return datetime.date(year, first, second) if second > 12 else None
    if found := DAY_MONTH.fullmatch(text):
        return _named(int(found[3]), found[2], int(found[1]))
    if found := MONTH_DAY.fullmatch(text):
        return _named(int(found[3]), found[1], int(found[2]))
    return None


def _named(year: int, month: str, day: int) -> datetime.date | None:
    if month == "sept":
        month = "sep"
    for names in (MONTHS, FULL):
        if month in names:
            return datetime.date(year, names.index(month) + 1, day)
    return None


def _apart(given: datetime.datetime, wanted: datetime.datetime) -> datetime.timedelta:
    if (given.utcoffset() is None) != (wanted.utcoffset() is None):
        given, wanted = given.replace(tzinfo=None), wanted.replace(tzinfo=None)
    return abs(given - wanted)


def _day(value: datetime.date) -> datetime.date:
    return value.date() if isinstance(value, datetime.datetime) else value
