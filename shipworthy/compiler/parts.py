"""The steps of a program before they are compiled, those of programs within it among them.

A program within a program is taken apart: its steps become the outer one's, under names that
begin with the name of the step that it was. Its inputs and outputs keep their names, since
these wire it to the others; what passes between its own steps gets the prefix too.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..errors import ShipworthyError, SourceError
from ..examples import digest_of
from ..runtime import (
    Code,
    Contract,
    Demo,
    Field,
    Heads,
    Probe,
    Program,
    StepSpec,
    both,
    condition,
    function_contract,
    load_function,
    needs_of,
    nullable,
    read_code,
)

if TYPE_CHECKING:
    import dspy

    from ..runtime.steps import Steps

Rename = Callable[[str], str]


@dataclass(frozen=True)
class Given:
    """A step of a program that is compiled already."""

    step: StepSpec
    heads: Heads
    probes: tuple[Probe, ...]
    lm: str | None


@dataclass(frozen=True)
class Part:
    """One step before it is compiled: a predictor, a function, or a step that is compiled already.

    Attributes:
        name: in the program; names: of its inputs and outputs in the program, where they differ.
        contract: with the step's own names.
        when: conditions by the program's names.
        module: of the one predictor; with its instruction and demos.
    """

    name: str
    contract: Contract
    names: Mapping[str, str]
    when: Mapping[str, tuple[Any, ...]]
    module: dspy.Module | None = None
    instruction: str = ""
    demos: tuple[Demo, ...] = ()
    code: Code | None = None
    given: Given | None = None

    @property
    def reads(self) -> dict[str, Field]:
        """The inputs by their names in the program."""
        return {self.names.get(own.name, own.name): own for own in self.contract.inputs}

    @property
    def writes(self) -> dict[str, Field]:
        """The outputs by their names in the program."""
        return {self.names.get(own.name, own.name): own for own in self.contract.outputs}

    @property
    def identity(self) -> list[Any]:
        """What of it a compile rests on, as JSON."""
        code = self.code.spec.as_json() if self.code is not None else None
        given = None
        if self.given is not None:
            given = [digest_of(self.given.step.as_json()), self.given.lm]
        demos = [demo.as_json() for demo in self.demos]
        when = {name: list(labels) for name, labels in self.when.items()}
        return [self.name, self.contract.digest, dict(self.names), when, self.instruction, demos, code, given]

    def spec(self, **made: Any) -> StepSpec:
        """The step as an artifact holds it, wired as this part is."""
        sides = self.contract.as_json()
        wired = {"when": dict(self.when), "names": dict(self.names)}
        return StepSpec(**{**sides, "instruction": self.instruction, "demos": self.demos, **made, **wired})


Stated = Callable[[Any], tuple[Contract, str, tuple[Demo, ...]]]


def parts_of(program: Steps, stated: Stated) -> tuple[Part, ...]:
    """The steps in an order in which they can run.

    Args:
        stated: contract, instruction and demos of a module of one predictor.

    Raises:
        SourceError: a step cannot be part of a program.
    """
    return tuple(_parts(program, stated, "", lambda name: name, {}))


def learnt_from(parts: Sequence[Part], learning: Collection[str]) -> set[str]:
    """The steps whose answers others learn from: those that the learning ones wait for."""
    needs = needs_of({part.name: part.spec() for part in parts}, [part.name for part in parts])
    found: set[str] = set()
    for part in reversed(parts):
        if part.name in learning or part.name in found:
            found |= needs[part.name]
    return found


def label_fields(parts: Sequence[Part], contract: Contract) -> tuple[Field, ...]:
    """Columns that rows may have or lack: what passes between steps, and values that functions compute."""
    free = {name for part in parts if part.code is not None for name in part.writes}
    free -= {own.name for own in contract.decisions}
    known = {own.name for own in (*contract.inputs, *contract.outputs)} - free
    found = {
        name: nullable(Field(name, own.schema, own.description))
        for part in parts
        for name, own in part.writes.items()
        if name not in known
    }
    return tuple(found.values())


def _parts(
    program: Steps, stated: Stated, prefix: str, rename: Rename, when: Mapping[str, Any]
) -> list[Part]:
    from ..runtime.dspy_bridge import ProgramModule
    from ..runtime.steps import Steps

    found: list[Part] = []
    for own in program.wired.flow:
        name, declared, module = f"{prefix}{own}", program.declared[own], getattr(program, own)
        conditions = {rename(key): labels for key, labels in condition(declared.when, own).items()}
        conditions = both(when, conditions)
        if isinstance(module, Steps):
            inner = _within(name, module.wired.contract, rename)
            found += _parts(module, stated, f"{name}.", inner, conditions)
        elif isinstance(module, ProgramModule):
            found += _compiled(module.program, name, rename, conditions)
        else:
            part = _predicting(name, module, stated) or _function(name, own, module, declared.files)
            found.append(replace(part, names=_names(part.contract, rename), when=conditions))
    return found


def _predicting(name: str, module: Any, stated: Stated) -> Part | None:
    """A step that is a module of one predictor; None where it is a function."""
    if not callable(getattr(module, "named_predictors", None)):
        return None
    with _placed(name):
        contract, instruction, demos = stated(module)
    return Part(name, contract, {}, {}, module, instruction, demos)


def _function(name: str, own: str, function: Any, files: Sequence[str]) -> Part:
    with _placed(name):
        contract, spread = function_contract(function, own)
        code = read_code(function, spread=spread, files=files)
        load_function(code)  # as it is imported where the program runs
    return Part(name, contract, {}, {}, code=code)


@contextmanager
def _placed(name: str) -> Iterator[None]:
    try:
        yield
    except ShipworthyError as error:
        place = f"step {name!r}, {error.where}" if error.where else f"step {name!r}"
        raise SourceError(error.message, hint=error.hint, where=place) from error


def _compiled(program: Program, name: str, rename: Rename, when: Mapping[str, Any]) -> list[Part]:
    inner = _within(name, program.contract, rename)
    lm = program.spec.lm.id if program.spec.lm else None
    found = []
    for step in program.spec.flow:
        spec = program.spec.steps[step]
        full = name if len(program.spec.flow) == 1 else f"{name}.{step}"
        contract = spec.contract
        names = _names(contract, lambda value, own=spec.names: inner(own.get(value, value)))  # type: ignore[misc]
        conditions = both(when, {inner(key): labels for key, labels in spec.when.items()})
        probes = tuple(probe.replace(step=full) for probe in program.probes if probe.step == step)
        given = Given(spec, program.heads.get(step, Heads({}, None)), probes, lm)
        code = program.code.get(step)
        found.append(Part(full, contract, names, conditions, None, spec.instruction, spec.demos, code, given))
    return found


def _within(name: str, contract: Contract, rename: Rename) -> Rename:
    """What a value within an inner program is called in the outer one."""
    wired = {own.name for own in (*contract.inputs, *contract.outputs)}
    return lambda value: rename(value) if value in wired else f"{name}.{value}"


def _names(contract: Contract, rename: Rename) -> dict[str, str]:
    fields = (*contract.inputs, *contract.outputs)
    return {own.name: rename(own.name) for own in fields if rename(own.name) != own.name}
