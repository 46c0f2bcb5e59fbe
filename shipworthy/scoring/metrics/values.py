"""Values that are right or wrong by themselves: equality of typed values, and numbers with a tolerance."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np

from ...errors import ScoringError
from .base import NO_INPUTS, Described, plain

RELATIVE = 1e-9
ABSOLUTE = 1e-12


@dataclass(frozen=True)
class Exact(Described):
    """1 if the answer equals its label, by `same_value`; else 0.

    For decisions, and the default of most types. Symmetric; 1 only where equal. Version 2:
    whole numbers are compared exactly (in version 1, two of ten digits or more that differ
    by one were the same), and values within objects like those outside.
    """

    name: ClassVar[str] = "exact"
    version: ClassVar[int] = 2

    def compare(self, answer: Any, label: Any, *, inputs: Mapping[str, Any] = NO_INPUTS) -> float:
        """1 or 0."""
        return float(same_value(answer, label))


@dataclass(frozen=True, kw_only=True)
class Number(Described):
    """1 if the answer lies within a tolerance of the label; else 0.

    |answer - label| <= max(absolute, relative * |label|). The numbers are taken as their
    decimal digits read, in exact arithmetic: 0.4 is within 0.1 of 0.3. Symmetric unless
    `relative` decides. Text is no number, and neither is a bool: such an answer, or one
    that is NaN or infinite, scores 0; such a label is a failure.

    Args:
        absolute: in the units of the label, at least 0.
        relative: as a share of the label's size, at least 0.

    Raises:
        ScoringError: a tolerance is negative or not finite.
    """

    absolute: float = 0.0
    relative: float = 0.0
    name: ClassVar[str] = "number"

    def __post_init__(self) -> None:
        for what in ("absolute", "relative"):
            check_tolerance(getattr(self, what), f"the {what} tolerance")

    def compare(self, answer: Any, label: Any, *, inputs: Mapping[str, Any] = NO_INPUTS) -> float:
        """1 or 0.

        Raises:
            ScoringError: the label is no finite number.
        """
        if answer is None and label is None:
            return 1.0
        given, wanted = _fraction(answer), _fraction(label)
        if label is not None and wanted is None:
            raise ScoringError(f"the label {label!r:.80} is no finite number", hint="correct the label")
        if given is None or wanted is None:
            return 0.0
        room = max(_digits(self.absolute), _digits(self.relative) * abs(wanted))
        return float(abs(given - wanted) <= room)


def same_value(answer: Any, label: Any) -> bool:
    """Equality of typed values.

    Whole numbers exactly, others to 1e-9 relative or 1e-12 absolute; text without the
    space around it; a bool equals a bool only; lists in order; sets without; objects key
    by key; dates as their ISO text. NaN equals nothing.
    """
    kinds = (type(answer), type(label))
    if kinds == (str, str):
        return bool(answer.strip() == label.strip())
    if kinds not in {(int, int), (bool, bool), (dict, dict), (list, list)}:
        answer, label = plain(answer), plain(label)
    if isinstance(answer, bool) or isinstance(label, bool):
        return answer is label
    if isinstance(answer, str) and isinstance(label, str):
        return answer.strip() == label.strip()
    if isinstance(answer, int | float) and isinstance(label, int | float):
        return _close(answer, label)
    if isinstance(answer, list) and isinstance(label, list):
        return len(answer) == len(label) and all(map(same_value, answer, label))
    if isinstance(answer, dict) and isinstance(label, dict):
        return answer.keys() == label.keys() and all(same_value(answer[key], label[key]) for key in label)
    if isinstance(answer, set | frozenset) or isinstance(label, set | frozenset):
        many = isinstance(answer, list | set | frozenset) and isinstance(label, list | set | frozenset)
        return many and set(map(key_of, answer)) == set(map(key_of, label))
    return bool(answer == label)


def key_of(value: Any) -> Hashable:
    """What values have in common that are the same, as a key of a dict; numbers without tolerance.

    Raises:
        ScoringError: it holds NaN, which equals nothing.
    """
    if isinstance(value, str):
        return ("text", value.strip())
    value = plain(value)
    if isinstance(value, float) and math.isnan(value):
        raise ScoringError("NaN equals nothing, not even itself", hint="leave the value empty (null)")
    if value is None or isinstance(value, bool):
        return ("constant", value)
    if isinstance(value, int | float):
        return ("number", value)
    if isinstance(value, list):
        return ("list", tuple(map(key_of, value)))
    if isinstance(value, dict):
        return ("object", frozenset((key, key_of(item)) for key, item in value.items()))
    if isinstance(value, set | frozenset):
        return ("set", frozenset(map(key_of, value)))
    return ("text", str(value).strip())


def check_tolerance(value: Any, what: str) -> None:
    """Refuse what is no tolerance.

    Raises:
        ScoringError: it is negative, not finite or no number.
    """
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value < 0:
        raise ScoringError(f"{what} is {value!r}", hint="give a finite number of at least 0")


def _close(answer: float, label: float) -> bool:
    if isinstance(answer, int) and isinstance(label, int):
        return answer == label
    try:
        return math.isclose(answer, label, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    except OverflowError:  # an int beyond every float; it can be near no finite one but itself
        return answer == label


def _fraction(value: Any) -> Fraction | None:
    """A number as its digits read, or None for anything else."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | Fraction):
        return None
    if isinstance(value, float | Decimal) and not math.isfinite(value):
        return None
    return _digits(value)


def _digits(value: float | Decimal | Fraction) -> Fraction:
    return Fraction(repr(value)) if isinstance(value, float) else Fraction(value)
