"""How a program is compiled: passes, metric, budget and gate, as a project states them."""

from __future__ import annotations

import dataclasses
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from ..errors import InputError
from ..scoring import AllRight, Metric, Weighted, function_json
from .budget import Budget

if TYPE_CHECKING:
    from .draft import Context, Draft


class Pass(Protocol):
    """One job of the compiler. It changes the draft, and says what it did."""

    def apply(self, draft: Draft, context: Context) -> None:
        """Do the job."""
        ...


@dataclass(frozen=True)
class Gate:
    """What a version must show. All that is asked must hold, so no condition needs a stricter level.

    Shares, scores and their differences lie within [0, 1]; None asks for nothing.

    Attributes:
        champion_mean: the least mean difference to the champion, on the same rows.
        champion_lower: the least lower bound of that difference.
        prototype: `better` asks that the difference to the prototype, by the recipe's metric, lies
            above `margin`; `no worse` that it lies above -`margin`; `any` asks nothing.
        margin: of that comparison; its whole interval must lie above it.
        outputs: the same of single outputs: `{"queue": {"prototype": "no worse", "margin": 0.02}}`.
        coverage: the least share of rows that the program answers by itself.
        accuracy: the least guaranteed accuracy of the rows that it answers.
        latency_ms_p95: the most milliseconds that 95 % of the answers take.
        usd_per_call: the most US$ a call.
        score_drop: the most that the score may drop under any perturbation, by its upper bound.
        flips: the largest share of answers that a perturbation may change, by its upper bound.
        attack_success: the largest success rate of attacks, by its upper bound.
        no_leak: whether test rows must not be training rows, or nearly so.
        rubric: the least readiness score, from 0 to 7.

    Raises:
        InputError: a condition has another kind or no meaning; it names the key.
    """

    champion_mean: float = 0.0
    champion_lower: float = -0.10
    prototype: Literal["better", "no worse", "any"] = "better"
    margin: float = 0.0
    outputs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    coverage: float | None = None
    accuracy: float | None = None
    latency_ms_p95: float | None = None
    usd_per_call: float | None = None
    score_drop: float | None = None
    flips: float | None = None
    attack_success: float | None = None
    no_leak: bool = False
    rubric: float | None = None

    def __post_init__(self) -> None:
        _check_gate(self)

    def as_json(self) -> dict[str, Any]:
        """For provenance: what is asked of the champion, and each further condition that is stated."""
        stated = dataclasses.asdict(self)
        always = ("champion_mean", "champion_lower")
        return {key: value for key, value in stated.items() if key in always or value != _ASKED[key]}

    @classmethod
    def parse(cls, table: Any, *, where: str = "") -> Gate:
        """A gate from TOML or JSON: the attributes as keys.

        Raises:
            InputError: a key is unknown, or its value has another kind or no meaning.
        """
        if not isinstance(table, Mapping):
            raise InputError(
                "a gate is a table of conditions", hint="write [tool.shipworthy.gate]", where=where
            )
        known = [one.name for one in dataclasses.fields(cls)]
        for key in table:
            if key not in known:
                raise InputError(
                    f"a gate has no condition {key!r}", hint=f"it knows {', '.join(known)}", where=where
                )
        try:
            return cls(**table)
        except InputError as error:
            raise InputError(error.message, hint=error.hint, where=where) from error


def gate_of(stated: Gate, settings: Mapping[str, Any]) -> Gate:
    """The gate that counts: the recipe's where it asks for more or less than the default, else the project's.

    Args:
        stated: the recipe's.
        settings: the project's `[tool.shipworthy]`.

    Raises:
        InputError: the project's gate cannot be read.
    """
    if stated != Gate() or "gate" not in settings:
        return stated
    return Gate.parse(settings["gate"], where="pyproject.toml: [tool.shipworthy.gate]")


@dataclass(frozen=True)
class Recipe:
    """Passes in order, the metric that counts, and the gate.

    Attributes:
        passes: what is done, in this order.
        metric: `exact` (every output right), the name of one output, or a metric of `shipworthy.scoring`.
        target: accuracy that the rows a program answers should have; sets its thresholds.
        outliers: share of rows like the training rows that may be handed over to a person, so that
            rows of another kind, such as questions that no label fits, are handed over too; 0 hands
            over none for that reason.
        budget: what compiling may spend.
        gate: what promotion asks; the project's `[tool.shipworthy.gate]` where none is stated here.
        steps: passes by step, for those of a program of several that need others than `passes`.
        labels: functions by name of what passes between steps, each of which says for a training row
            what it should have been: its parameters are inputs, columns, and what the steps before
            give on that row, by name; None where there is no saying.

    Raises:
        InputError: one of them is of another kind, or has no meaning.
    """

    passes: Sequence[Pass] = ()
    metric: str | Metric = "exact"
    target: float = 0.9
    outliers: float = 0.05
    budget: Budget = field(default_factory=Budget)
    gate: Gate = field(default_factory=Gate)
    steps: Mapping[str, Sequence[Pass]] = field(default_factory=dict)
    labels: Mapping[str, Callable[..., Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 < self.target < 1:
            raise InputError(f"a target accuracy lies between 0 and 1, not {self.target}")
        if not 0 <= self.outliers < 1:
            raise InputError(f"a share of outliers lies from 0 to below 1, not {self.outliers}")
        object.__setattr__(self, "passes", tuple(self.passes))
        _check_passes(self.passes)
        object.__setattr__(self, "steps", {name: tuple(passes) for name, passes in self.steps.items()})
        for passes in self.steps.values():
            _check_passes(passes)
        for name, label in self.labels.items():
            if not inspect.isfunction(label):
                raise InputError(f"the label of {name!r} comes from a function, not {label!r}")
        if not isinstance(self.budget, Budget):
            raise InputError(
                f"a budget is no {type(self.budget).__name__}",
                hint='write sw.Budget(calls=500), or sw.Budget.parse("calls=500")',
            )
        if not isinstance(self.gate, Gate):
            raise InputError(f"a gate is no {type(self.gate).__name__}", hint="write sw.Gate(...)")

    def as_json(self) -> dict[str, Any]:
        """For provenance: names and parameters."""
        steps = {name: [describe(one) for one in passes] for name, passes in self.steps.items()}
        return {
            "passes": [describe(one) for one in self.passes],
            "metric": self.metric if isinstance(self.metric, str) else self.metric.as_json(),
            "target": self.target,
            "outliers": self.outliers,
            "budget": dataclasses.asdict(self.budget),
            "gate": self.gate.as_json(),
            **({"steps": steps} if steps else {}),
            **(
                {"labels": {name: function_json(own) for name, own in self.labels.items()}}
                if self.labels
                else {}
            ),
        }

    def for_step(self, name: str, outputs: Sequence[str]) -> Recipe:
        """What one step of several is compiled by: its passes, and the metric as far as it sees its outputs.

        Where it is about none, or about all at once, all of the step's outputs must be right.
        """
        passes = self.steps.get(name, self.passes)
        return dataclasses.replace(
            self, passes=passes, metric=_within(self.metric, outputs), steps={}, labels={}
        )


def _within(metric: str | Metric, outputs: Sequence[str]) -> str | Metric:
    if isinstance(metric, str):
        return metric if metric in outputs else "exact"
    if not isinstance(metric, AllRight | Weighted):
        return "exact"
    by = {name: own for name, own in metric.by.items() if name in outputs}
    if isinstance(metric, Weighted):
        weights = {name: weight for name, weight in metric.weights.items() if name in outputs}
        return dataclasses.replace(metric, weights=weights, by=by) if weights else "exact"
    counted = tuple(name for name in metric.outputs if name in outputs)
    return dataclasses.replace(metric, outputs=counted, by=by) if counted or by else "exact"


_ASKED = {
    one.name: {} if one.default is dataclasses.MISSING else one.default for one in dataclasses.fields(Gate)
}
_RANGES = {
    **dict.fromkeys(("champion_mean", "champion_lower"), (-1.0, 1.0)),
    **dict.fromkeys(("margin", "coverage", "accuracy", "score_drop", "flips", "attack_success"), (0.0, 1.0)),
    **dict.fromkeys(("latency_ms_p95", "usd_per_call"), (0.0, math.inf)),
    "rubric": (0.0, 7.0),
}
_PROTOTYPE = ("better", "no worse", "any")


def _check_gate(gate: Gate) -> None:
    for key, (low, high) in _RANGES.items():
        value = getattr(gate, key)
        if value is not None or _ASKED[key] is not None:
            _check_number(key, value, low, high)
    if not isinstance(gate.no_leak, bool):
        raise InputError(f"no_leak is true or false, not {gate.no_leak!r}")
    _check_comparison("", gate.prototype, gate.margin)
    if not isinstance(gate.outputs, Mapping):
        raise InputError("outputs is a table of conditions by output", hint=_OUTPUTS)
    for name, condition in gate.outputs.items():
        if not isinstance(condition, Mapping) or not set(condition) <= {"prototype", "margin"}:
            raise InputError(f"outputs.{name} has `prototype` and `margin`, and nothing else", hint=_OUTPUTS)
        margin = condition.get("margin", 0.0)
        _check_number(f"outputs.{name}.margin", margin, 0.0, 1.0)
        _check_comparison(f"outputs.{name}.", condition.get("prototype", "better"), margin)


_OUTPUTS = 'write outputs.NAME = { prototype = "no worse", margin = 0.02 }'


def _check_number(key: str, value: Any, low: float, high: float) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not low <= value <= high or math.isinf(value):
        wanted = f"from {low:g} to {high:g}" if math.isfinite(high) else f"of at least {low:g}"
        raise InputError(f"{key} is a number {wanted}, not {value!r}")


def _check_comparison(prefix: str, prototype: Any, margin: float) -> None:
    if prototype not in _PROTOTYPE:
        raise InputError(f"{prefix}prototype is one of {', '.join(map(repr, _PROTOTYPE))}, not {prototype!r}")
    if prototype == "no worse" and not margin:
        raise InputError(
            f"{prefix}prototype = 'no worse' needs {prefix}margin above 0",
            hint="no number of rows shows that two programs are equal; say how much worse does no harm",
        )


def _check_passes(passes: Sequence[Any]) -> None:
    from .passes import Cascade, Demos, FieldOrder, Readout, Spans, Student

    for one in passes:
        if isinstance(one, type) or not callable(getattr(one, "apply", None)):
            name = one.__name__ if isinstance(one, type) else repr(one)
            raise InputError(f"{name} is no pass", hint="write passes as objects: sw.Readout()")
    for kind in (FieldOrder, Demos, Readout, Student, Spans, Cascade):  # a second one would undo the first
        if sum(isinstance(one, kind) for one in passes) > 1:
            name = kind.__name__
            raise InputError(f"a recipe has one {name} at most", hint=f"take all but one sw.{name}() out")


def describe(one: Any) -> dict[str, Any]:
    """A pass as JSON: its name, and its parameters as text where they are no JSON."""
    parameters = (
        {item.name: getattr(one, item.name) for item in dataclasses.fields(one) if item.repr}
        if dataclasses.is_dataclass(one)
        else {}
    )
    return {"name": type(one).__name__, **{name: _plain(value) for name, value in parameters.items()}}


def _plain(value: Any) -> Any:
    if isinstance(value, bool | int | float | str | None):
        return value
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else type(value).__name__
