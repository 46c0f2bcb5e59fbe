"""What a step waits for: the steps that write what it reads, and decisions that fell on certain labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..errors import SourceError
from .contract import Scalar
from .spec import StepSpec

When = Mapping[str, tuple[Scalar, ...]]


def condition(when: Mapping[str, Any], step: str) -> dict[str, tuple[Scalar, ...]]:
    """Conditions as they are written, each label or list of labels as a tuple of plain labels.

    Raises:
        SourceError: one names no label at all.
    """
    found: dict[str, tuple[Scalar, ...]] = {}
    for name, labels in when.items():
        several: list[Any] = list(labels) if isinstance(labels, list | tuple | set | frozenset) else [labels]
        found[name] = tuple(getattr(label, "value", label) for label in several)
        if not several:
            raise SourceError(f"`when` has no label for {name!r}", hint="name one", where=f"step {step!r}")
    return found


def holds(when: When, values: Mapping[str, Any]) -> bool:
    """Whether a step with these conditions runs on a row with these values; null meets none."""
    return all(is_among(values.get(name), labels) for name, labels in when.items())


def both(one: When, other: When) -> dict[str, tuple[Scalar, ...]]:
    """The conditions under which two conditions hold."""
    found: dict[str, tuple[Scalar, ...]] = {name: tuple(labels) for name, labels in one.items()}
    for name, labels in other.items():
        found[name] = tuple(kept for kept in found.get(name, labels) if is_among(kept, labels))
    return found


def needs_of(steps: Mapping[str, StepSpec], flow: Sequence[str]) -> dict[str, frozenset[str]]:
    """The steps that each step waits for: those that write what it reads, or what its `when` asks for."""
    writers: dict[str, set[str]] = {}
    for name in flow:
        step = steps[name]
        for own in step.outputs["properties"]:
            writers.setdefault(step.names.get(own, own), set()).add(name)
    return {
        name: frozenset(
            writer for value in read_by(steps[name]) for writer in writers.get(value, ()) if writer != name
        )
        for name in flow
    }


def read_by(step: StepSpec) -> set[str]:
    """The program's names of what a step reads, its conditions included."""
    return {step.names.get(own, own) for own in step.inputs["properties"]} | set(step.when)


def is_among(value: Any, labels: Iterable[Any]) -> bool:
    """As a label: True is not 1."""
    return any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in labels)
