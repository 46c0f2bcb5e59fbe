"""What every metric is: a name, a version, parameters, and a score between 0 and 1.

Two kinds exist. A *value metric* compares one output's value with its label; a *row
metric* (`Metric`) scores a whole row by value metrics, and is what recipes and `evaluate`
take. What cannot be computed is a `Failure`, never a zero: a zero would blame the program.
"""

from __future__ import annotations

import dataclasses
import datetime
import math
import re
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np

from ...errors import ScoringError
from ...runtime import Field, plain_value

MAX_TRACEBACK = 2000
MAX_MESSAGE = 500
FRAMES = 8
NO_INPUTS: Mapping[str, Any] = {}
BASIC = (str, bool, int, float, type(None))
# An exception's message may quote what it choked on, so whatever looks like a key is masked.
SECRETS = re.compile(
    r"(?i)(\bbearer\s+|\b(?:[a-z0-9]+[_-])*(?:api[_-]?key|key|token|secret|password|passwd|pwd|authorization)\b"
    r"[\"']?\s*[=:]\s*[\"']?(?:bearer\s+|basic\s+)?)[^\s\"'&,;)}\]]+"
    r"|://[^\s/@:]+:[^\s/@]+@"
    r"|\b(?:sk|pk|rk|xox[abprs]|glpat|ghp|gho|hf)[-_][-_a-z0-9]{8,}"
    r"|\b(?:AKIA[a-z0-9]{12,}|AIza[-_a-z0-9]{20,})"
    r"|\beyJ[\w-]{8,}\.[\w.-]+"
)


@dataclass(frozen=True)
class Failure:
    """Why a metric could not be computed for a row.

    Attributes:
        type: of the exception; message: its text, cut, what looks like a key masked.
        traceback: the last frames as `file:line in function`, then the exception; no
            source lines and no values; at most 2,000 characters.
    """

    type: str
    message: str
    traceback: str


@dataclass(frozen=True)
class RowScore:
    """One row's score.

    Attributes:
        value: in [0, 1]; None where it could not be computed.
        by_output: the same by output.
        failure: why `value` is None.
    """

    value: float | None
    by_output: Mapping[str, float | None]
    failure: Failure | None = None

    @property
    def right(self) -> bool:
        """Whether the row has the full score."""
        return self.value == 1.0


class Metric(Protocol):
    """What recipes and `evaluate` take: it scores a row.

    A metric may have more, which `columns_of`, `needs_labels`, `score_of` and `metric_of` ask for:
    `columns`, `needs_labels`, `measured` and `bound_to`, as `Checks` has them.

    Attributes:
        name: as recipes name it.
        version: raised whenever the same answers could score otherwise.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def version(self) -> int: ...  # noqa: D102

    def score(
        self, answer: Mapping[str, Any], labels: Mapping[str, Any], inputs: Mapping[str, Any]
    ) -> RowScore:
        """The row's score; what the row holds never raises, but becomes a failure.

        Raises:
            OutsideError: an LM that judges is down, which is no fault of a row.
        """
        ...

    def as_json(self) -> dict[str, Any]:
        """Name, version and parameters."""
        ...


@runtime_checkable
class ValueMetric(Protocol):
    """Scores one output's value against its label.

    Attributes:
        needs_label: false for assertions, which look at the answer alone.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    needs_label: ClassVar[bool]

    def compare(self, answer: Any, label: Any, *, inputs: Mapping[str, Any] = NO_INPUTS) -> float:
        """In [0, 1]; raises whatever it likes where that cannot be said."""
        ...

    def as_json(self) -> dict[str, Any]:
        """Name, version and parameters."""
        ...


class Described:
    """Gives a frozen dataclass its `as_json`: the class's name and version, the fields as parameters."""

    name: ClassVar[str]
    version: ClassVar[int] = 1
    needs_label: ClassVar[bool] = True

    def as_json(self) -> dict[str, Any]:
        """Name, version and parameters."""
        return {"name": self.name, "version": self.version, "parameters": parameters_of(self)}


def columns_of(metric: Any) -> tuple[Field, ...]:
    """Columns of a row that a metric reads beside inputs and labels; they reach it among the labels."""
    return tuple(getattr(metric, "columns", ()))


def needs_labels(metric: Any) -> bool:
    """Whether a metric, or what is named one, can score no row without labels of its outputs."""
    return bool(getattr(metric, "needs_labels", True))


def labels_of(metric: Any, row: Mapping[str, Any], outputs: Iterable[str]) -> dict[str, Any]:
    """What says which answer to a row is right: its labels of these outputs, and the metric's own columns."""
    names = (*outputs, *(field.name for field in columns_of(metric)))
    return {name: row[name] for name in names if name in row}


def score_of(
    metric: Metric,
    answer: Mapping[str, Any],
    labels: Mapping[str, Any],
    inputs: Mapping[str, Any],
    *,
    ms: float | None,
    usd: float | None,
) -> RowScore:
    """The score of an answer that took so many milliseconds and US$, for a metric that looks at these."""
    measured = getattr(metric, "measured", None)
    if measured is None:
        return metric.score(answer, labels, inputs)
    found: RowScore = measured(answer, labels, inputs, ms=ms, usd=usd)
    return found


def parameters_of(metric: Any, *, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """A dataclass's fields as JSON values."""
    return {
        item.name: json_of(getattr(metric, item.name))
        for item in dataclasses.fields(metric)
        if item.repr and item.name not in without
    }


def json_of(value: Any) -> Any:
    """A parameter as JSON holds it; a metric within a metric as its own JSON."""
    if isinstance(value, BASIC):
        return value
    if hasattr(value, "as_json"):
        return value.as_json()
    if isinstance(value, Mapping):
        return {str(key): json_of(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_of(item) for item in value]
    return plain(value)


def check_value_metric(metric: Any, where: str) -> None:
    """Refuse what cannot score a value, before any row is scored.

    Raises:
        ScoringError: it is no value metric, or a judge that was not validated.
    """
    unready = getattr(metric, "unready", "")
    if unready:
        raise ScoringError(unready, hint="use what judge.validated(rows, labels) returns", where=where)
    if isinstance(metric, type) or not isinstance(metric, ValueMetric):
        raise ScoringError(
            f"{metric!r} scores no value", hint="give a metric such as Exact() or Contains('…')", where=where
        )


def checked_by(by: Mapping[str, ValueMetric]) -> dict[str, ValueMetric]:
    """A copy of metrics by output, each of which scores a value.

    Raises:
        ScoringError: one does not.
    """
    for name, metric in by.items():
        check_value_metric(metric, f"output {name!r}")
    return dict(by)


def check_graded(value: Any) -> float:
    """A score as a float in [0, 1]; bool counts as 0 or 1.

    Raises:
        ScoringError: it is no number, not finite, or outside [0, 1].
    """
    if isinstance(value, np.generic):
        value = value.item()
    if not isinstance(value, int | float):
        raise ScoringError(
            f"a score of type {type(value).__name__} is no number", hint="return a bool, or a float in [0, 1]"
        )
    if math.isnan(value) or not 0 <= value <= 1:
        raise ScoringError(f"a score of {value} lies outside [0, 1]", hint="scale it to [0, 1]")
    return float(value)


def check_flag(value: Any, what: str) -> None:
    """Refuse what is no bool where one is meant."""
    if not isinstance(value, bool):
        raise ScoringError(f"{what} is true or false, not {value!r}")


def check_one_of(value: Any, allowed: tuple[str, ...], what: str) -> None:
    """Refuse a word that is none of those allowed."""
    if value not in allowed:
        raise ScoringError(f"{what} is no {value!r}", hint=f"use one of {', '.join(map(repr, allowed))}")


def plain(value: Any) -> Any:
    """A value as JSON holds it; sets stay sets, and what is plain already is not touched."""
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    kind = type(value)
    if kind in BASIC:
        return value
    if kind is datetime.date:
        return value.isoformat()
    if isinstance(value, Mapping):
        return {key if isinstance(key, str) else plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return value
    return plain_value(value)


def failure_of(error: BaseException) -> Failure:
    """An exception as data that can be kept: where it came from, not what it held."""
    message = SECRETS.sub(_mask, _text_of(error))[:MAX_MESSAGE]
    name = type(error).__name__
    frames = [
        f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__, limit=-FRAMES)
    ]
    last = f"{name}: {message}"
    # The exception itself matters most, so frames give way, the outermost first.
    while frames and len("\n".join([*frames, last])) > MAX_TRACEBACK:
        del frames[0]
    return Failure(name, message, "\n".join([*frames, last])[:MAX_TRACEBACK])


def _text_of(error: BaseException) -> str:
    """The message, cut before it is searched; an exception may fail even at that."""
    try:
        return str(error)[: 4 * MAX_MESSAGE]
    except Exception as second:
        return f"(no message: {type(second).__name__})"


def _mask(found: re.Match[str]) -> str:
    if found.group(0).startswith("://"):
        return "://***@"
    return f"{found.group(1) or ''}***"
