"""One row's result, and the results of many, held by column.

As an object with its mappings a small result takes 1,100 bytes, in arrays and lists 150, and
`Results` still reads as a sequence of `RowResult`.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from ..errors import ShipworthyError
from .metrics import Failure


@dataclass(frozen=True)
class RowResult:
    """One row's answer and how good it is.

    An error of the program is kept and scores 0. A failure of the metric is kept and is no
    score at all: such a row is neither right nor wrong.

    Attributes:
        index: of the row among those evaluated.
        outputs: None where there is an error.
        right: whether the score is 1.
        by_output: score in [0, 1] by output; None where it could not be scored.
        confidence: the smallest over the row's decisions; None where nothing was decided.
        answered: whether the program is as confident as it asks.
        tokens: read and written, over all calls; tokens_in, tokens_out: each alone.
        error: what kept the program from answering.
        raw: what came back of each call, cut to its first characters.
        score: in [0, 1]; None where the metric failed. Left out, it follows from `right`.
        failure: what kept the metric from scoring.
        labels: what each output should be.
        confidences: by output; None for what was generated.
        usd: what the row's calls cost; None where that is unknown.
    """

    index: int
    outputs: dict[str, Any] | None
    right: bool
    by_output: Mapping[str, float | None]
    confidence: float | None
    answered: bool
    ms: float
    tokens: int
    lm_calls: int
    error: ShipworthyError | None = None
    raw: tuple[Any, ...] = field(default=(), repr=False)
    score: float | None = None
    failure: Failure | None = None
    labels: Mapping[str, Any] = field(default_factory=dict)
    confidences: Mapping[str, float | None] = field(default_factory=dict)
    tokens_in: int = 0
    tokens_out: int = 0
    usd: float | None = None

    def __post_init__(self) -> None:
        if self.score is None and self.failure is None:
            object.__setattr__(self, "score", float(self.right))


class Results(Sequence[RowResult]):
    """Results in the rows' order; each is put together when it is asked for.

    Equal to any sequence that holds equal results; two errors are equal if they say the same.
    """

    def __init__(self, results: Iterable[RowResult] = ()) -> None:
        self._index = array("q")
        self._numbers = {name: array("d") for name in ("score", "confidence", "ms", "usd")}
        self._counts = {name: array("q") for name in ("tokens", "tokens_in", "tokens_out", "lm_calls")}
        self._flags = {name: bytearray() for name in ("right", "answered")}
        self._mappings = {name: _ByName() for name in ("outputs", "labels", "by_output", "confidences")}
        self._raw: list[tuple[Any, ...]] = []
        self.errors: dict[int, ShipworthyError] = {}
        self.failures: dict[int, Failure] = {}
        for result in results:
            self.append(result)

    def append(self, result: RowResult) -> None:
        """Add the next row's result."""
        place = len(self._index)
        self._index.append(result.index)
        for name, numbers in self._numbers.items():
            value = getattr(result, name)
            numbers.append(math.nan if value is None else value)
        for name, counts in self._counts.items():
            counts.append(getattr(result, name))
        for name, flags in self._flags.items():
            flags.append(bool(getattr(result, name)))
        for name, mapping in self._mappings.items():
            mapping.append(getattr(result, name))
        self._raw.append(result.raw)
        if result.error is not None:
            self.errors[place] = result.error
        if result.failure is not None:
            self.failures[place] = result.failure

    def numbers(self, name: str) -> NDArray[np.float64]:
        """`score`, `confidence`, `ms` or `usd` of all rows, NaN where there is none; shape (n,)."""
        return np.array(self._numbers[name], dtype=np.float64)

    def counts(self, name: str) -> NDArray[np.int64]:
        """`index`, `tokens`, `tokens_in`, `tokens_out` or `lm_calls` of all rows; shape (n,)."""
        return np.array(self._index if name == "index" else self._counts[name], dtype=np.int64)

    def flags(self, name: str) -> NDArray[np.bool_]:
        """`right` or `answered` of all rows; shape (n,)."""
        return np.frombuffer(bytes(self._flags[name]), dtype=np.bool_)

    def by_name(self, name: str) -> dict[str, list[Any]]:
        """`outputs`, `labels`, `by_output` or `confidences` as columns, None where a row has no value."""
        return self._mappings[name].columns()

    def __len__(self) -> int:
        return len(self._index)

    @overload
    def __getitem__(self, place: int) -> RowResult: ...
    @overload
    def __getitem__(self, place: slice) -> list[RowResult]: ...
    def __getitem__(self, place: int | slice) -> RowResult | list[RowResult]:
        if isinstance(place, slice):
            return [self._row(i) for i in range(*place.indices(len(self)))]
        if not -len(self) <= place < len(self):
            raise IndexError(f"there are {len(self)} results")
        return self._row(place % len(self))

    def __iter__(self) -> Iterator[RowResult]:
        return map(self._row, range(len(self)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str | bytes):
            return NotImplemented
        return len(self) == len(other) and all(map(_same, self, other))

    __hash__ = None  # type: ignore[assignment]  # it grows

    def __repr__(self) -> str:
        return f"<{len(self)} results>"

    def _row(self, place: int) -> RowResult:
        mappings = {name: mapping.row(place) for name, mapping in self._mappings.items()}
        confidence, usd = self._numbers["confidence"][place], self._numbers["usd"][place]
        failure = self.failures.get(place)
        return RowResult(
            index=self._index[place],
            outputs=mappings["outputs"],
            right=bool(self._flags["right"][place]),
            by_output=mappings["by_output"] or {},
            confidence=None if math.isnan(confidence) else confidence,
            answered=bool(self._flags["answered"][place]),
            ms=self._numbers["ms"][place],
            error=self.errors.get(place),
            raw=self._raw[place],
            score=None if failure is not None else self._numbers["score"][place],
            failure=failure,
            labels=mappings["labels"] or {},
            confidences=mappings["confidences"] or {},
            usd=None if math.isnan(usd) else usd,
            **{name: counts[place] for name, counts in self._counts.items()},
        )


_ABSENT = object()


class _ByName:
    """Mappings of many rows, as one list a key."""

    def __init__(self) -> None:
        self._lists: dict[str, list[Any]] = {}
        self._none: set[int] = set()
        self._n = 0

    def append(self, row: Mapping[str, Any] | None) -> None:
        if row is None:
            self._none.add(self._n)
            row = {}
        for name in row:
            if name not in self._lists:
                self._lists[name] = [_ABSENT] * self._n
        for name, values in self._lists.items():
            values.append(row.get(name, _ABSENT))
        self._n += 1

    def row(self, place: int) -> dict[str, Any] | None:
        if place in self._none:
            return None
        return {name: values[place] for name, values in self._lists.items() if values[place] is not _ABSENT}

    def columns(self) -> dict[str, list[Any]]:
        return {
            name: [None if value is _ABSENT else value for value in values]
            for name, values in self._lists.items()
        }


def _same(one: RowResult, other: object) -> bool:
    if not isinstance(other, RowResult):
        return False
    mine, theirs = dict(vars(one)), dict(vars(other))
    for fields in (mine, theirs):
        error = fields["error"]
        fields["error"] = None if error is None else error.as_dict()
    return mine == theirs
