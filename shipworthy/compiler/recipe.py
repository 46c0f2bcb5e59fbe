"""How a program is compiled: passes, metric, budget and gate, as a project states them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import InputError
from ..scoring import Metric
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
    """What a version must show to become champion.

    Attributes:
        champion_mean: the least mean difference to the champion, on the same rows.
        champion_lower: the least lower bound of that difference.
    """

    champion_mean: float = 0.0
    champion_lower: float = -0.10


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
        gate: what promotion asks.

    Raises:
        InputError: one of them is of another kind, or has no meaning.
    """

    passes: Sequence[Pass] = ()
    metric: str | Metric = "exact"
    target: float = 0.9
    outliers: float = 0.05
    budget: Budget = field(default_factory=Budget)
    gate: Gate = field(default_factory=Gate)

    def __post_init__(self) -> None:
        if not 0 < self.target < 1:
            raise InputError(f"a target accuracy lies between 0 and 1, not {self.target}")
        if not 0 <= self.outliers < 1:
            raise InputError(f"a share of outliers lies from 0 to below 1, not {self.outliers}")
        object.__setattr__(self, "passes", tuple(self.passes))
        _check_passes(self.passes)
        if not isinstance(self.budget, Budget):
            raise InputError(
                f"a budget is no {type(self.budget).__name__}",
                hint='write sw.Budget(calls=500), or sw.Budget.parse("calls=500")',
            )
        if not isinstance(self.gate, Gate):
            raise InputError(f"a gate is no {type(self.gate).__name__}", hint="write sw.Gate(...)")

    def as_json(self) -> dict[str, Any]:
        """For provenance: names and parameters."""
        return {
            "passes": [describe(one) for one in self.passes],
            "metric": self.metric if isinstance(self.metric, str) else self.metric.as_json(),
            "target": self.target,
            "outliers": self.outliers,
            "budget": dataclasses.asdict(self.budget),
            "gate": dataclasses.asdict(self.gate),
        }


def _check_passes(passes: Sequence[Any]) -> None:
    from .passes import Cascade, Demos, FieldOrder, Readout, Student

    for one in passes:
        if isinstance(one, type) or not callable(getattr(one, "apply", None)):
            name = one.__name__ if isinstance(one, type) else repr(one)
            raise InputError(f"{name} is no pass", hint="write passes as objects: sw.Readout()")
    for kind in (FieldOrder, Demos, Readout, Student, Cascade):  # a second one would undo the first
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
