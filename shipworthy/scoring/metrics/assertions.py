"""Assertions: what must hold of an answer that no label says word for word.

Each looks at the answer alone and gives 1 or 0; `not_` turns one around, `All` and `Any`
join several. They say what can be checked about free text, not that the text is good. An
answer that is missing (null) meets no assertion, nor the opposite of one.
"""

from __future__ import annotations

import functools
import math
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any as AnyValue
from typing import ClassVar

from ...errors import MissingExtraError, ScoringError
from ...runtime import value_text
from .base import (
    NO_INPUTS,
    Described,
    ValueMetric,
    check_flag,
    check_graded,
    check_one_of,
    check_value_metric,
    json_of,
    plain,
)
from .functions import check_function, function_json, name_of
from .values import same_value

Inputs = Mapping[str, AnyValue]


class Assertion(Described, ABC):
    """What all assertions share: the label is not looked at, and a missing answer scores 0."""

    needs_label: ClassVar[bool] = False

    def compare(self, answer: AnyValue, label: AnyValue = None, *, inputs: Inputs = NO_INPUTS) -> float:
        """1 if it holds, else 0; a value between where a function of one's own says so."""
        return 0.0 if answer is None else check_graded(self.holds(answer))

    @abstractmethod
    def holds(self, answer: AnyValue) -> bool | float:
        """Whether it holds of an answer that is there."""


@dataclass(frozen=True)
class Contains(Assertion):
    """The answer holds all of these texts, or any of them.

    Args:
        texts: a text or several; none is empty.
        how: `all` or `any`.
        case: whether case counts.

    Raises:
        ScoringError: there is no text, or one is empty.
    """

    texts: str | tuple[str, ...]
    _: KW_ONLY
    how: str = "all"
    case: bool = False
    name: ClassVar[str] = "contains"

    def __post_init__(self) -> None:
        object.__setattr__(self, "texts", _texts(self.texts))
        check_one_of(self.how, ("all", "any"), "how")
        check_flag(self.case, "case")

    def holds(self, answer: AnyValue) -> bool:
        """Whether it holds."""
        text = _comparable(answer, case=self.case)
        found = [_comparable(part, case=self.case) in text for part in self.texts]
        return all(found) if self.how == "all" else any(found)


@dataclass(frozen=True)
class StartsWith(Assertion):
    """The answer, without the space before it, starts with one of these texts.

    Args:
        texts: a text or several; none is empty.
        case: whether case counts.

    Raises:
        ScoringError: there is no text, or one is empty.
    """

    texts: str | tuple[str, ...]
    _: KW_ONLY
    case: bool = False
    name: ClassVar[str] = "starts_with"

    def __post_init__(self) -> None:
        object.__setattr__(self, "texts", _texts(self.texts))
        check_flag(self.case, "case")

    def holds(self, answer: AnyValue) -> bool:
        """Whether it holds."""
        openings = tuple(_comparable(part, case=self.case) for part in self.texts)
        return _comparable(answer, case=self.case).lstrip().startswith(openings)


@dataclass(frozen=True)
class Matches(Assertion):
    """A regular expression is found in the answer, or fits the whole of it.

    Some patterns take time that grows without measure with the text, such as `(a|aa)+$`.
    A search that takes longer than `timeout_s` is a failure of the metric on that row, not
    a wrong answer. The syntax is that of the library `regex`, which has that limit and
    reads what Python's own `re` reads.

    Args:
        pattern: compiled once.
        whole: whether it must fit the whole answer, without the space around it.
        case: whether case counts.
        timeout_s: seconds, above 0.

    Raises:
        ScoringError: the pattern cannot be read, or a parameter is out of its range.
        MissingExtraError: `regex` is not installed.
    """

    pattern: str
    _: KW_ONLY
    whole: bool = False
    case: bool = True
    timeout_s: float = 1.0
    name: ClassVar[str] = "matches"

    def __post_init__(self) -> None:
        check_flag(self.whole, "whole")
        check_flag(self.case, "case")
        number = isinstance(self.timeout_s, int | float) and not isinstance(self.timeout_s, bool)
        if not number or not math.isfinite(self.timeout_s) or self.timeout_s <= 0:
            raise ScoringError(f"a timeout of {self.timeout_s!r} s", hint="give seconds above 0")
        if not isinstance(self.pattern, str):
            raise ScoringError(f"a pattern is text, not {self.pattern!r}")
        compiled(self.pattern, self.case)

    def holds(self, answer: AnyValue) -> bool:
        """Whether it holds.

        Raises:
            TimeoutError: the search takes too long.
        """
        pattern, text = compiled(self.pattern, self.case), _text(answer)
        if self.whole:
            return pattern.fullmatch(text.strip(), timeout=self.timeout_s) is not None
        return pattern.search(text, timeout=self.timeout_s) is not None


@dataclass(frozen=True, kw_only=True)
class Length(Assertion):
    """The answer, without the space around it, is neither too short nor too long.

    Args:
        minimum: at least as long; at least 0.
        maximum: at most as long; None is no limit.
        unit: `characters` (Unicode code points of the composed form: some emoji are
            several), or `words` (parted by white space, as some languages' are not).

    Raises:
        ScoringError: the limits are no whole numbers, or say nothing.
    """

    minimum: int = 0
    maximum: int | None = None
    unit: str = "characters"
    name: ClassVar[str] = "length"

    def __post_init__(self) -> None:
        check_one_of(self.unit, ("characters", "words"), "unit")
        for limit in (self.minimum, 0 if self.maximum is None else self.maximum):
            if not isinstance(limit, int) or isinstance(limit, bool) or limit < 0:
                raise ScoringError(f"a length is a whole number of at least 0, not {limit!r}")
        if self.maximum is None and self.minimum == 0:
            raise ScoringError("every text is that long", hint="give a minimum, a maximum or both")
        if self.maximum is not None and self.maximum < self.minimum:
            raise ScoringError(f"no text has between {self.minimum} and {self.maximum} {self.unit}")

    def holds(self, answer: AnyValue) -> bool:
        """Whether it holds."""
        text = unicodedata.normalize("NFC", _text(answer).strip())
        size = len(text) if self.unit == "characters" else len(text.split())
        return self.minimum <= size and (self.maximum is None or size <= self.maximum)


@dataclass(frozen=True)
class Equals(Assertion):
    """The answer is this value, by `same_value`."""

    value: AnyValue
    name: ClassVar[str] = "equals"

    def __post_init__(self) -> None:
        if not same_value(self.value, self.value):
            raise ScoringError(f"{self.value!r} equals nothing, not even itself", hint="give another value")

    def holds(self, answer: AnyValue) -> bool:
        """Whether it holds."""
        return same_value(answer, self.value)


@dataclass(frozen=True)
class Check(Assertion):
    """A function of one's own, from the answer to a bool or a number in [0, 1].

    What it raises, and what it returns that is neither, is a failure on that row.

    Args:
        function: called with the answer.
        label: a name for it; the function's own by default.
        revision: to be raised whenever the function could score otherwise.

    Raises:
        ScoringError: it is no plain function, or `revision` is no whole number from 1.
    """

    function: Callable[[AnyValue], bool | float]
    _: KW_ONLY
    label: str = ""
    revision: int = 1
    name: ClassVar[str] = "check"

    def __post_init__(self) -> None:
        check_function(self.function, self.revision)
        object.__setattr__(self, "label", self.label or name_of(self.function))

    def __repr__(self) -> str:
        return f"Check({name_of(self.function)}, label={self.label!r}, revision={self.revision})"

    def holds(self, answer: AnyValue) -> bool | float:
        """What the function says."""
        return self.function(answer)

    def as_json(self) -> dict[str, AnyValue]:
        """Name, version and parameters, with the digest of the function's source."""
        parameters = {"label": self.label, "revision": self.revision, **function_json(self.function)}
        return {"name": self.name, "version": self.version, "parameters": parameters}


class _Joined(Described):
    """Several metrics of one value."""

    parts: tuple[ValueMetric, ...]

    def __init__(self, *parts: ValueMetric) -> None:
        if not parts:
            raise ScoringError(f"{type(self).__name__} of nothing", hint="give at least one metric")
        for place, part in enumerate(parts, 1):
            check_value_metric(part, f"part {place}")
        object.__setattr__(self, "parts", parts)

    @property
    def needs_label(self) -> bool:  # type: ignore[override]
        """Whether one of them does."""
        return any(part.needs_label for part in self.parts)

    def _scores(self, answer: AnyValue, label: AnyValue, inputs: Inputs) -> list[float]:
        return [check_graded(part.compare(answer, label, inputs=inputs)) for part in self.parts]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.parts))})"

    def as_json(self) -> dict[str, AnyValue]:
        """Name, version and parts."""
        return {"name": self.name, "version": self.version, "parameters": {"parts": json_of(self.parts)}}


@dataclass(frozen=True, init=False, repr=False)
class All(_Joined):
    """The least of its parts' scores: 1 if all hold.

    Raises:
        ScoringError: there is no part, or one scores no value.
    """

    parts: tuple[ValueMetric, ...]
    name: ClassVar[str] = "all"

    def compare(self, answer: AnyValue, label: AnyValue = None, *, inputs: Inputs = NO_INPUTS) -> float:
        """In [0, 1]."""
        return min(self._scores(answer, label, inputs))


@dataclass(frozen=True, init=False, repr=False)
class Any(_Joined):
    """The greatest of its parts' scores: 1 if one holds.

    Raises:
        ScoringError: there is no part, or one scores no value.
    """

    parts: tuple[ValueMetric, ...]
    name: ClassVar[str] = "any"

    def compare(self, answer: AnyValue, label: AnyValue = None, *, inputs: Inputs = NO_INPUTS) -> float:
        """In [0, 1]."""
        return max(self._scores(answer, label, inputs))


@dataclass(frozen=True, repr=False)
class Not(Described):
    """1 minus the score of its part; 0 for an answer that is missing. See `not_`."""

    part: ValueMetric = field()
    name: ClassVar[str] = "not"

    def __post_init__(self) -> None:
        check_value_metric(self.part, "not_")

    @property
    def needs_label(self) -> bool:  # type: ignore[override]
        """Whether the part does."""
        return self.part.needs_label

    def compare(self, answer: AnyValue, label: AnyValue = None, *, inputs: Inputs = NO_INPUTS) -> float:
        """In [0, 1]."""
        if answer is None:
            return 0.0
        return 1.0 - check_graded(self.part.compare(answer, label, inputs=inputs))

    def __repr__(self) -> str:
        return f"not_({self.part!r})"


def not_(part: ValueMetric) -> Not:
    """The opposite: holds of every answer that is there and of which the part does not hold.

    Raises:
        ScoringError: the part scores no value.
    """
    return Not(part)


@functools.lru_cache(maxsize=256)
def compiled(pattern: str, case: bool) -> AnyValue:
    """A pattern that can be searched for with a time limit.

    Raises:
        ScoringError: it cannot be read.
        MissingExtraError: `regex` is not installed.
    """
    try:
        import regex  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingExtraError("compile", "regex") from error
    try:
        return regex.compile(pattern, regex.VERSION0 | (0 if case else regex.IGNORECASE))
    except (regex.error, ValueError, OverflowError, RecursionError) as error:
        raise ScoringError(
            f"the pattern cannot be read: {error}",
            hint="correct it; text to be found as it stands goes into Contains()",
            where=pattern[:200],
        ) from error


def _texts(texts: AnyValue) -> tuple[str, ...]:
    found = (texts,) if isinstance(texts, str) else tuple(texts)
    if not found or not all(isinstance(text, str) and text.strip() for text in found):
        raise ScoringError(f"texts to look for are wanted, not {texts!r}", hint="every answer holds ''")
    return found


def _text(answer: AnyValue) -> str:
    """An answer as text: as it stands, or as a prompt would show its value."""
    return answer if isinstance(answer, str) else value_text(plain(answer))


def _comparable(value: AnyValue, *, case: bool) -> str:
    """Composed, so that é is é however it was typed, and folded unless case counts."""
    text = unicodedata.normalize("NFC", _text(value))
    return text if case else unicodedata.normalize("NFC", text.casefold())
