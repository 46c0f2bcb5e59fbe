"""Checks: a row is right if what is asserted of its answer holds, counted as promptfoo counts it.

A check is a mapping in promptfoo's words, such as `{"type": "icontains", "value": "refund"}`.
Each scores 1 or 0; a row's score is their mean by `weight`, and it passes if none fails, or,
where a `threshold` is given, if the score reaches it. An `assert-set` is scored like a row,
and is one check. A check of weight 0 fails nobody. (promptfoo, `src/assertions/assertionsResult.ts`
and `index.ts`.)
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import Any, ClassVar

from ..errors import OutsideError, ScoringError
from ..runtime import Field, label_text
from .assertions import MEASURES, run_assertion
from .metrics import AllRight, RowScore, ValueMetric, metric_for
from .metrics.base import checked_by, failure_of, parameters_of, plain

SET = "assert-set"
KEYS = ("type", "value", "threshold", "weight", "assert")
DEEPEST = 8
"""Sets within sets."""
BELOW_ONE = math.nextafter(1.0, 0.0)
COLUMN_SCHEMA: Mapping[str, Any] = {
    "anyOf": [{"type": "array"}, {"type": "object"}, {"type": "null"}],
    "default": None,
}


@dataclass(frozen=True)
class Checks:
    """1 for a row whose checks pass, else 0; the checks of all rows and the row's own count together.

    What is checked is the answer's text: that of its one output, or a JSON object of all. An
    answer that is missing passes no check, nor the opposite of one. `latency` and `cost` count
    where time and price of the answer are known: when a program is certified, not while it
    is compiled. A row of whose answer no check says anything has no score.

    Args:
        checks: of all rows; each a mapping with `type`, and as it needs them `value`, `threshold`,
            `weight`, and `assert` for the checks of an `assert-set`.
        column: of the rows, with checks of their own: a list of them, or a mapping with `assert`
            and a `threshold` of that row.
        threshold: the share of a row's checks, by weight, that suffices; None asks for all.
        whole: check a JSON object even where there is one output only.
        labels: the row's labels must be right too, as one more check of weight 1. Each output is
            scored by its metric in `by`, or else its type's; free text, which has none, is left out.
        graded: a row that does not pass scores what its checks do, instead of 0.
        by: metrics by output, for `labels`.
        name: as recipes name it.
        version: raised whenever the same answers could score otherwise.
        outputs: the program's, in their order; left empty in a recipe.

    Raises:
        ScoringError: a check cannot be run, or a threshold lies outside of [0, 1].
    """

    checks: Sequence[Mapping[str, Any]] = ()
    _: KW_ONLY
    column: str = "checks"
    threshold: float | None = None
    whole: bool = False
    labels: bool = False
    graded: bool = False
    by: Mapping[str, ValueMetric] = field(default_factory=dict)
    name: str = "checks"
    version: int = 1
    outputs: tuple[str, ...] = field(default=(), repr=False)
    _shared: _Test = field(init=False, repr=False, compare=False)
    needs_labels: ClassVar[bool] = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "checks", tuple(self.checks))
        object.__setattr__(self, "by", checked_by(self.by))
        test = read_test({"assert": list(self.checks), "threshold": self.threshold})
        object.__setattr__(self, "_shared", test)

    @property
    def columns(self) -> tuple[Field, ...]:
        """What it reads of a row beside inputs and labels."""
        return (_Column(self.column, COLUMN_SCHEMA, "what must hold of the answer"),)

    def bound_to(self, fields: Sequence[Field], rows: Sequence[Mapping[str, Any]]) -> Checks:
        """The same for a program with these outputs, whose labels are those of the rows."""
        by = dict(self.by)
        for own in fields if self.labels else ():
            labels = [row[own.name] for row in rows if row.get(own.name) is not None]
            try:
                by.setdefault(own.name, metric_for(own, labels=labels))
            except ScoringError:  # free text, of which the checks say all that can be said
                continue
        return replace(self, by=by, outputs=tuple(own.name for own in fields))

    def score(
        self, answer: Mapping[str, Any], labels: Mapping[str, Any], inputs: Mapping[str, Any]
    ) -> RowScore:
        """The row's score, without the checks of time and price."""
        return self.measured(answer, labels, inputs)

    def measured(
        self,
        answer: Mapping[str, Any],
        labels: Mapping[str, Any],
        inputs: Mapping[str, Any],
        *,
        ms: float | None = None,
        usd: float | None = None,
    ) -> RowScore:
        """The row's score for an answer that took `ms` and cost `usd`."""
        try:
            beside = self._labels(answer, labels, inputs)
            if beside is not None and beside.value is None:
                return beside
            shared, own = self._shared, _kept(json.dumps(labels.get(self.column)))
            threshold = shared.threshold if own.threshold is None else own.threshold
            seen = _Seen(self._given(answer), self.whole or len(self.outputs or answer) > 1, ms, usd)
            checks = [*own.checks, *shared.checks]
            if beside is None and not any(map(_speaks, checks)):
                raise ScoringError(
                    "no check looks at the row's answer", hint=f"write one in its column {self.column!r}"
                )
            results = list(_results(checks, seen))
            if beside is not None:
                results.append((1.0, beside.right, float(beside.right)))
            passes, score = _verdict(results, threshold)
        except OutsideError:
            raise
        except Exception as error:
            return RowScore(None, {}, failure_of(error))
        value = 1.0 if passes else min(score, BELOW_ONE) if self.graded else 0.0
        return RowScore(value, beside.by_output if beside is not None else {})

    def as_json(self) -> dict[str, Any]:
        """Name, version and parameters."""
        parameters = parameters_of(self, without=("name", "version"))
        return {"name": self.name, "version": self.version, "parameters": parameters}

    def _given(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        names = [name for name in self.outputs if name in answer] if self.outputs else answer
        return {name: plain(answer[name]) for name in names}

    def _labels(
        self, answer: Mapping[str, Any], labels: Mapping[str, Any], inputs: Mapping[str, Any]
    ) -> RowScore | None:
        """What the row's labels say of the answer, where they count and there are any."""
        if not self.labels:
            return None
        own = {name: label for name, label in labels.items() if name != self.column}
        if self.outputs:
            own = {name: label for name, label in own.items() if name in self.by}
        by = {name: metric for name, metric in self.by.items() if name in own}
        return AllRight(self.name, tuple(own), by=by).score(answer, own, inputs) if own else None


def read_test(value: Any) -> _Test:
    """What a row's column holds: nothing, a list of checks, or a mapping with `assert` and `threshold`.

    Raises:
        ScoringError: it is none of these, or a check cannot be run.
    """
    if value is None:
        return _Test((), None)
    if isinstance(value, Mapping) and "type" not in value:
        unknown = sorted(map(str, set(value) - {"assert", "threshold"}))
        if unknown:
            raise ScoringError(f"checks have no {unknown[0]!r}", hint="write `assert` and `threshold`")
        return _Test(_read_all(value.get("assert") or ()), _share(value.get("threshold")))
    return _Test(_read_all([value] if isinstance(value, Mapping) else value), None)


def speaks_of_answers(value: Any) -> bool:
    """Whether any check in a row's column looks at the answer, and not at its time and price alone.

    Raises:
        ScoringError: as `read_test`.
    """
    return any(map(_speaks, read_test(value).checks))


@functools.lru_cache(maxsize=1024)
def _kept(text: str) -> _Test:
    """The checks of a row's column, as JSON: each contender is scored by them, and tried they were once."""
    return read_test(json.loads(text))


@dataclass(frozen=True)
class _Check:
    kind: str
    value: Any
    threshold: float | None
    weight: float
    checks: tuple[_Check, ...] = ()


@dataclass(frozen=True)
class _Test:
    """The checks of a row, and the share of their weight that suffices."""

    checks: tuple[_Check, ...]
    threshold: float | None


class _Column(Field):
    """The column with a row's checks; each is tried when it is read, so that a slip has its line."""

    def parse(self, value: Any) -> Any:
        """The checks as JSON; text, as a table's cell holds it, is read as such."""
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError) as error:
                raise ValueError(f"checks are JSON: {error}") from error
        try:
            read_test(value)
        except ScoringError as error:
            raise ValueError(error.message) from error
        return value


@dataclass(frozen=True)
class _Seen:
    """An answer as checks see it.

    Attributes:
        given: its outputs; whole: whether they are seen as a JSON object.
        ms, usd: what it took, where that is known.
    """

    given: Mapping[str, Any]
    whole: bool
    ms: float | None
    usd: float | None

    def text(self, check: _Check) -> str | None:
        """The answer's text; None where there is none."""
        if all(value is None for value in self.given.values()):
            return None
        if not self.whole:
            (value,) = self.given.values()
            if isinstance(value, bool):
                return label_text(value)
            return value if isinstance(value, str) else _printed(value)
        return _printed(_stated(self.given, check))


def _results(checks: Sequence[_Check], seen: _Seen) -> Iterator[tuple[float, bool, float]]:
    """Weight, whether it passes, and score, of each check that counts."""
    for check in checks:
        if check.kind == SET:
            inner = list(_results(check.checks, seen))
            if inner:
                yield (check.weight, *_verdict(inner, check.threshold))
            continue
        measure = _measure(check)
        if measure is not None and getattr(seen, measure) is None:
            continue  # nobody took the time: it neither holds nor fails
        text = seen.text(check)
        holds = text is not None and run_assertion(
            check.kind, check.value, text, ms=seen.ms, usd=seen.usd, threshold=check.threshold
        )
        yield check.weight, holds or check.weight == 0, float(holds)


def _speaks(check: _Check) -> bool:
    return any(map(_speaks, check.checks)) if check.kind == SET else not _measure(check)


def _measure(check: _Check) -> str | None:
    return MEASURES.get(check.kind.removeprefix("not-"))


def _verdict(results: Sequence[tuple[float, bool, float]], threshold: float | None) -> tuple[bool, float]:
    total = sum(weight for weight, _, _ in results)
    score = sum(weight * own for weight, _, own in results) / total if total else 0.0
    return score >= threshold if threshold is not None else all(passes for _, passes, _ in results), score


def _stated(given: Mapping[str, Any], check: _Check) -> Any:
    """The outputs without the nulls that stand for what the answer does not state.

    A null stays where the check's own value, a schema or an object to be equal to, asks for the key.
    """
    base = check.kind.removeprefix("not-")
    if not isinstance(check.value, Mapping):
        return given
    if base in ("is-json", "contains-json"):
        return _required(given, check.value)
    return _alike(given, check.value) if base == "equals" else given


def _required(value: Any, schema: Any) -> Any:
    own = schema if isinstance(schema, Mapping) else {}
    if isinstance(value, Mapping):
        inner = own.get("properties") or {}
        return {
            key: _required(one, inner.get(key))
            for key, one in value.items()
            if one is not None or key in (own.get("required") or ())
        }
    return [_required(one, own.get("items")) for one in value] if isinstance(value, list) else value


def _alike(value: Any, wanted: Any) -> Any:
    if isinstance(value, Mapping) and isinstance(wanted, Mapping):
        kept = {key: one for key, one in value.items() if one is not None or key in wanted}
        return {key: _alike(one, wanted.get(key)) for key, one in kept.items()}
    if isinstance(value, list) and isinstance(wanted, list) and len(value) == len(wanted):
        return [_alike(*pair) for pair in zip(value, wanted, strict=True)]
    return value


def _printed(value: Any) -> str:
    """As JavaScript's `JSON.stringify` prints it."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _read_all(value: Any, depth: int = 0) -> tuple[_Check, ...]:
    if isinstance(value, str | Mapping) or not isinstance(value, Sequence):
        raise ScoringError(f"checks are a list, not {_short(value)}", hint=EXAMPLE)
    return tuple(_read(one, depth) for one in value)


EXAMPLE = 'write a list such as [{"type": "icontains", "value": "refund"}]'


def _read(value: Any, depth: int) -> _Check:
    if not isinstance(value, Mapping) or not isinstance(value.get("type"), str):
        raise ScoringError(f"a check is a mapping with a type, not {_short(value)}", hint=EXAMPLE)
    kind = value["type"]
    unknown = sorted(map(str, set(value) - set(KEYS)))
    if unknown:
        raise ScoringError(f"the check {kind!r} has no {unknown[0]!r}", hint=f"a check has {', '.join(KEYS)}")
    weight = _number(value.get("weight", 1), f"the weight of {kind!r}")
    if weight < 0:
        raise ScoringError(f"the weight of {kind!r} is {weight:g}", hint="give 0 or more")
    if kind == SET:
        if depth == DEEPEST:
            raise ScoringError(f"sets stand in more than {DEEPEST} others", hint="take some apart")
        inner = _read_all(value.get("assert"), depth + 1)
        if not inner:
            raise ScoringError("a set without checks", hint="write them under `assert`")
        return _Check(SET, None, _share(value.get("threshold")), weight, inner)
    if "assert" in value:
        raise ScoringError(f"the check {kind!r} has no `assert`", hint=f"a set has the type {SET!r}")
    given = value.get("threshold")
    threshold = None if given is None else _number(given, f"the threshold of {kind!r}")
    check = _Check(kind, plain(value.get("value")), threshold, weight)
    try:
        run_assertion(kind, check.value, "{}", ms=0.0, usd=0.0, threshold=threshold)
    except ScoringError as error:
        raise ScoringError(f"the check {kind!r} cannot be run: {error.message}", hint=error.hint) from error
    return check


def _share(value: Any) -> float | None:
    if value is None:
        return None
    share = _number(value, "a threshold")
    if not 0 <= share <= 1:
        raise ScoringError(f"a threshold is a share of the checks, not {share:g}", hint="give 0 to 1")
    return share


def _number(value: Any, what: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise ScoringError(f"{what} is a finite number, not {_short(value)}")
    return float(value)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"
