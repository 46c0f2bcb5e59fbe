"""When is an answer right? A metric has a name and a version; a new version retires old scores."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import ContractError


@dataclass(frozen=True)
class Metric:
    """Right or wrong for a row.

    Attributes:
        name: as recipes name it.
        outputs: the outputs that must be right; all of them if empty.
        version: raised whenever the same answers could score otherwise.
    """

    name: str
    outputs: tuple[str, ...] = ()
    version: int = 1

    def right(self, answer: Mapping[str, Any], labels: Mapping[str, Any]) -> bool:
        """Whether every output that counts equals its label."""
        names = self.outputs or tuple(labels)
        return all(name in answer and same_value(answer[name], labels[name]) for name in names)


EXACT = Metric("exact")


def metric_named(name: str, outputs: tuple[str, ...]) -> Metric:
    """`exact`: every output right; or the name of one output: that one right.

    Raises:
        ContractError: there is no such metric.
    """
    if name == EXACT.name:
        return EXACT
    if name in outputs:
        return Metric(name, (name,))
    raise ContractError(
        f"no metric is called {name!r}", hint=f"use 'exact', or one output of {', '.join(outputs)}"
    )


def same_value(answer: Any, label: Any) -> bool:
    """Equality of typed values: numbers to 1e-9 relative, text without space around, the rest exactly."""
    if isinstance(label, bool) or isinstance(answer, bool):
        return answer is label
    if isinstance(label, int | float) and isinstance(answer, int | float):
        return math.isclose(answer, label, rel_tol=1e-9, abs_tol=1e-12)
    if isinstance(label, str) and isinstance(answer, str):
        return answer.strip() == label.strip()
    if isinstance(label, list) and isinstance(answer, list):
        return len(label) == len(answer) and all(map(same_value, answer, label))
    return bool(answer == label)
