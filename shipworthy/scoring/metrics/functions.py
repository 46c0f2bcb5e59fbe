"""Python functions as metrics: what they return is checked, and what they are is recorded."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any

from ...errors import OutsideError, ScoringError
from ...examples import digest_of
from .base import RowScore, check_graded, failure_of


@dataclass(frozen=True)
class Function:
    """A row metric from a function `(answer, labels, inputs) -> bool | float`.

    Each argument is a dict by output or input name. True and 1 mean right, False and 0
    wrong, what lies between is partly right. What the function raises, and a result that
    is no such number (NaN, complex, an array, None, outside [0, 1]), is a failure on that
    row.

    Args:
        function: a plain function.
        name: as recipes name it; the function's own by default.
        version: to be raised whenever the function could score otherwise.

    Raises:
        ScoringError: it is no plain function, or `version` is no whole number from 1.
    """

    function: Callable[[dict[str, Any], dict[str, Any], dict[str, Any]], bool | float]
    _: KW_ONLY
    name: str = ""
    version: int = 1

    def __post_init__(self) -> None:
        check_function(self.function, self.version)
        object.__setattr__(self, "name", self.name or name_of(self.function))

    def __repr__(self) -> str:
        return f"Function({name_of(self.function)}, name={self.name!r}, version={self.version})"

    def score(
        self, answer: Mapping[str, Any], labels: Mapping[str, Any], inputs: Mapping[str, Any]
    ) -> RowScore:
        """The row's score; it says nothing by output."""
        try:
            # Copies, so that a function that takes a value out does not change the row itself.
            # An output that the answer lacks is null, as in every metric: that it is missing is no failure.
            given = {**dict.fromkeys(labels), **answer}
            value = check_graded(self.function(given, dict(labels), dict(inputs)))
        except OutsideError:
            raise
        except Exception as error:
            return RowScore(None, {}, failure_of(error))
        return RowScore(value, {})

    def as_json(self) -> dict[str, Any]:
        """Name, version, and the digest of the function's source."""
        return {"name": self.name, "version": self.version, "parameters": function_json(self.function)}


def check_function(function: Any, version: Any) -> None:
    """Refuse what cannot be called for a score.

    Raises:
        ScoringError: it is no function, or gives no result before it is awaited or iterated;
            or the version is no whole number from 1.
    """
    if not callable(function) or isinstance(function, type):
        raise ScoringError(f"{function!r} is no function", hint="give a function that returns a score")
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise ScoringError(f"{name_of(function)} returns no score when called", hint="use a plain `def`")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ScoringError(f"a version is a whole number from 1, not {version!r}")


def name_of(function: Any) -> str:
    """The function's own name."""
    return str(getattr(function, "__name__", type(function).__name__))


def function_json(function: Any) -> dict[str, Any]:
    """Where a function stands and the sha256 of its source; null where there is none to read."""
    try:
        source: str | None = digest_of(inspect.getsource(function))
    except (OSError, TypeError):
        source = None
    module = getattr(function, "__module__", None) or "?"
    place = getattr(function, "__qualname__", None) or name_of(function)
    return {"function": f"{module}:{place}", "source_sha256": source}
