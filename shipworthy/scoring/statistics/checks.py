"""What all statistics ask of their input. A figure is computed from sound input or not at all:
everything else raises a `ScoringError` that says what to do, before any arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Sized
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ScoringError


def checked_level(level: Any, *, name: str = "a level") -> float:
    """A share strictly between 0 and 1, such as a confidence level or an error rate.

    Raises:
        ScoringError: it is no real number or lies outside (0, 1).
    """
    value = _real(level, name)
    if not 0 < value < 1:
        raise ScoringError(
            f"{name} lies between 0 and 1, not {level}", hint="write 95 % as 0.95", where=name.split()[-1]
        )
    return value


def checked_margin(margin: Any) -> float:
    """A margin of non-inferiority: how much worse is still good enough, as a positive share.

    Raises:
        ScoringError: it is no real number or lies outside (0, 1).
    """
    value = _real(margin, "a margin")
    if not 0 < value < 1:
        raise ScoringError(
            f"a margin of non-inferiority lies between 0 and 1, not {margin}",
            hint="give how much worse is still good enough, as a positive share: 5 points are 0.05",
            where="margin",
        )
    return value


def graded_scores(scores: Any, *, name: str = "scores") -> NDArray[np.float64]:
    """One score a row, within [0, 1]; shape (n,), n >= 1. Booleans count as 0 and 1.

    Raises:
        ScoringError: no rows, not one number a row, or a number that is missing, infinite or outside [0, 1].
    """
    values = one_a_row(scores, name=name)
    if values.min() < 0 or values.max() > 1:
        row = int(np.flatnonzero((values < 0) | (values > 1))[0])
        raise ScoringError(
            f"{name} lie within [0, 1]; row {row} has {values[row]}",
            hint="scale the metric to shares first",
            where=name,
        )
    return values


def binary_scores(scores: Any, *, name: str = "scores") -> NDArray[np.bool_]:
    """Right or wrong by row, as booleans or as 0 and 1; shape (n,), n >= 1.

    Raises:
        ScoringError: no rows, or anything else than right or wrong in one of them.
    """
    values = one_a_row(scores, name=name)
    odd = np.flatnonzero((values != 0) & (values != 1))
    if odd.size:
        raise ScoringError(
            f"{name} are right or wrong, 1 or 0; row {int(odd[0])} has {values[odd[0]]}",
            hint="compare graded scores with paired_bootstrap",
            where=name,
        )
    return values.astype(bool)


def one_a_row(values: Any, *, name: str) -> NDArray[np.float64]:
    """Finite real numbers, one a row, of any size; shape (n,), n >= 1.

    Raises:
        ScoringError: no rows, not one number a row, or a number that is missing or infinite.
    """
    array = _array(values, name)
    if array.ndim != 1:
        raise ScoringError(
            f"{name} hold one number a row, not an array of shape {array.shape}",
            hint="give a list of numbers",
            where=name,
        )
    if array.size == 0:
        raise ScoringError(f"{name} hold no rows", hint="give at least one row", where=name)
    floats = array.astype(np.float64)
    unusable = np.flatnonzero(~np.isfinite(floats))
    if unusable.size:
        raise ScoringError(
            f"{name} are finite numbers; row {int(unusable[0])} has {floats[unusable[0]]}",
            hint="score a row without an answer as 0, or leave it out on both sides",
            where=name,
        )
    return floats


def same_length(first: Sized, second: Sized) -> None:
    """Two columns of the same rows.

    Raises:
        ScoringError: lengths differ.
    """
    if len(first) != len(second):
        raise ScoringError(
            f"two columns of the same length are needed, not {len(first)} and {len(second)} rows",
            hint="pair the rows: the same examples on both sides, in the same order",
        )


def checked_counts(**counts: Any) -> list[NDArray[np.float64]]:
    """Counts of rows as arrays of one shape, in the order given; whole numbers of at least 0.

    They come back as floats, which are exact to 2**53: products of integer counts would overflow silently.

    Raises:
        ScoringError: a count is negative or not whole, or the shapes do not broadcast.
    """
    arrays = []
    for name, count in counts.items():
        array = _array(count, name)
        floats = array.astype(np.float64)
        # A comparison with NaN is false, so NaN is caught here as well.
        fits = (floats >= 0) & (floats <= 2**53) & (np.floor(floats) == floats)
        if array.dtype.kind == "b" or not np.all(fits):
            raise ScoringError(f"{name} counts rows: a whole number of at least 0, not {count}", where=name)
        arrays.append(floats)
    try:
        return list(np.broadcast_arrays(*arrays))
    except ValueError as error:
        raise ScoringError(f"counts of different shapes: {error}", where=", ".join(counts)) from None


def plain(value: NDArray[np.float64]) -> Any:
    """A float where a scalar went in; an array stays one."""
    return float(value) if np.ndim(value) == 0 else value


def _real(value: Any, name: str) -> float:
    array = _array(value, name)
    if array.ndim or array.dtype.kind == "b" or not math.isfinite(array):
        raise ScoringError(f"{name} is one real number, not {value!r}", where=name.split()[-1])
    return float(array)


def _array(values: Any, name: str) -> NDArray[Any]:
    """Real numbers or booleans; whatever numpy would turn into objects, text or times is refused."""
    if np.ma.is_masked(values):
        raise ScoringError(
            f"{name} have masked values", hint="leave these rows out on both sides", where=name
        )
    try:
        array = np.asarray(values)
    except (ValueError, TypeError):
        raise ScoringError(
            f"{name} hold one number a row, not lists of different lengths",
            hint="give a list of numbers",
            where=name,
        ) from None
    if array.dtype.kind not in "buif" and array.size:
        raise ScoringError(
            f"{name} are real numbers, not {array.dtype.name} such as {array.flat[0]!r}",
            hint="replace missing values first",
            where=name,
        )
    return array
