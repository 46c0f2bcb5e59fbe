"""Programs of several steps, as a user writes them: `sw.Steps` and `sw.step`.

    class Mail(sw.Steps):
        sort = sw.step(Sort)                                  # a dspy.Signature: a call to the LM
        confirm = sw.step(Confirm, when={"kind": "order"})    # runs only where that decision fell so
        passages = sw.step(find_passages)                     # a Python function
        reply = sw.step(OtherSteps)                           # a program within the program

Steps are wired by name: what one reads are inputs of the program, or outputs of others with
the same name. For DSPy it is a `dspy.Module` like any other, whose optimizers see the predictors.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ..errors import RowInputError, SourceError
from ..lms import import_dspy
from .conditions import condition, holds
from .contract import Contract, plain_value
from .dspy_bridge import ProgramModule, predicting
from .functions import Function, function_contract
from .program import Program
from .wiring import Node, Wired, wire

dspy = import_dspy()


@dataclass(frozen=True)
class Step:
    """A step as it is declared; see `step`."""

    what: Any
    when: Mapping[str, Any]
    files: tuple[str, ...]

    def __deepcopy__(self, memo: dict[int, Any]) -> Step:
        """Copies of a program share it: it holds nothing that changes."""
        return self


def step(what: Any, *, when: Mapping[str, Any] | None = None, files: Sequence[str] = ()) -> Any:
    """Declare a step of a `Steps`.

    Args:
        what: a `dspy.Signature`, or a module of one predictor: an LM call; a Python function at the
            top of a file of its own: its parameters are the inputs, its return annotation says the
            outputs (a `TypedDict`, a dataclass or a pydantic model for several; else one output,
            named after the step); another `Steps`; or a loaded `Program`, which runs as it was
            compiled.
        when: labels by decision: the step runs only where each decision fell on its label, or on one
            of a list of them. Elsewhere its outputs are None.
        files: further files that a function reads, relative to the folder of its own and within the
            project, such as `../data/handbook.md`; it finds them from its `__file__` by the same paths,
            also where the program runs.
    """
    return Step(what, dict(when or {}), tuple(files))


class Steps(dspy.Module):  # type: ignore[name-defined,misc]
    """A program of several steps: class attributes, or set in `__init__`, made by `sw.step`.

    Attributes:
        inputs: names of the program's inputs; by default all that steps read and none writes. A
            name that stands in neither is an error then, so that a slip is found.
        outputs: names of the program's outputs; by default all that is written and no step reads.
            Two steps may write one output where their `when` can never hold together.
    """

    inputs: ClassVar[Sequence[str] | None] = None
    outputs: ClassVar[Sequence[str] | None] = None

    def __new__(cls, *arguments: Any, **named: Any) -> Steps:
        """With a predictor of its own for each step of the class, whether or not `__init__` is called."""
        made: Steps = super().__new__(cls)
        for base in reversed(cls.__mro__):
            for name, value in vars(base).items():
                if isinstance(value, Step):
                    setattr(made, name, value)
        return made

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Step):
            if name in ("inputs", "outputs", "history", "callbacks"):
                raise SourceError(f"a step cannot be called {name!r}", hint="rename it")
            self.__dict__.setdefault("_declared", {})[name] = value
            self.__dict__.pop("_sketch", None)
            value = _made(name, value.what)
        super().__setattr__(name, value)

    @property
    def declared(self) -> dict[str, Step]:
        """The steps by name, as they were written."""
        return dict(self.__dict__.get("_declared", {}))

    @property
    def wired(self) -> Wired:
        """Their order, and the program's contract.

        Raises:
            SourceError: they do not fit together.
        """
        return self._sketched().wired

    def contract_of(self, name: str) -> Contract:
        """Of one step."""
        return self._sketched().contracts[name]

    def forward(self, **inputs: Any) -> Any:
        """Run the steps on one row; gives a `dspy.Prediction` of the program's outputs.

        Raises:
            RowInputError: an input is missing, or unknown.
            RowError: a step cannot be run on this row.
        """
        sketch = self._sketched()
        values = _given(sketch.wired.contract, inputs)
        for name in sketch.wired.flow:
            contract, when = sketch.contracts[name], sketch.when[name]
            outputs = [own.name for own in contract.outputs]
            if not holds(when, {key: plain_value(values.get(key)) for key in when}):
                for own in outputs:
                    values.setdefault(own, None)
                continue
            given = {own.name: values[own.name] for own in contract.inputs if own.name in values}
            run = sketch.functions.get(name) or getattr(self, name)
            found = run(given) if name in sketch.functions else run(**given)
            values.update({own: found[own] for own in outputs})
        return dspy.Prediction(**{own.name: values[own.name] for own in sketch.wired.contract.outputs})

    async def aforward(self, **inputs: Any) -> Any:
        """As `forward`, on a thread, so that the event loop stays free."""
        return await asyncio.to_thread(self.forward, **inputs)

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        state.pop("_sketch", None)
        return state

    def _sketched(self) -> _Sketch:
        if "_sketch" not in self.__dict__:
            self.__dict__["_sketch"] = _sketch(self)
        sketch: _Sketch = self.__dict__["_sketch"]
        return sketch


@dataclass(frozen=True)
class _Sketch:
    """How the steps are wired, by name where nothing else is said."""

    wired: Wired
    contracts: dict[str, Contract]
    when: dict[str, dict[str, tuple[Any, ...]]]
    functions: dict[str, Function]


def _sketch(program: Steps) -> _Sketch:
    where = type(program).__name__
    if not program.declared:
        raise SourceError(f"{where} has no steps", hint="write some: `sort = sw.step(Sort)`", where=where)
    contracts: dict[str, Contract] = {}
    functions: dict[str, Function] = {}
    nodes, conditions = [], {}
    for name, declared in program.declared.items():
        conditions[name] = condition(declared.when, name)
        module = getattr(program, name)
        if isinstance(module, Steps):
            contracts[name] = module.wired.contract
        elif isinstance(module, ProgramModule):
            contracts[name] = module.program.contract
        elif isinstance(module, dspy.Module):
            contracts[name] = predicting(module)[2]
        else:
            contracts[name], spread = function_contract(module, name)
            functions[name] = Function(module, contracts[name], spread=spread)
        nodes.append(Node(name, contracts[name], conditions[name], keeps_defaults=name in functions))
    wired = wire(nodes, inputs=program.inputs, outputs=program.outputs, where=where)
    return _Sketch(wired, contracts, conditions, functions)


def _made(name: str, what: Any) -> Callable[..., Any]:
    """What runs a step within DSPy; a function stays what it is."""
    if isinstance(what, type) and issubclass(what, dspy.Module):
        what = what()
    if isinstance(what, type) and issubclass(what, dspy.Signature):
        what = dspy.Predict(what)
    elif isinstance(what, Program):
        what = what.as_dspy()
    if not isinstance(what, dspy.Module) and not inspect.isfunction(what):
        raise SourceError(
            f"a step cannot be made of {what!r}",
            hint="give a dspy.Signature, a function, a module of one predictor, a Steps or a loaded program",
            where=f"step {name!r}",
        )
    made: Callable[..., Any] = what
    return made


def _given(contract: Contract, inputs: Mapping[str, Any]) -> dict[str, Any]:
    names = [own.name for own in contract.inputs]
    unknown = sorted(set(inputs) - set(names))
    if unknown:
        raise RowInputError(
            f"unknown inputs: {', '.join(unknown)}", hint=f"the inputs are {', '.join(names)}"
        )
    missing = [own.name for own in contract.inputs if own.name not in inputs and "default" not in own.schema]
    if missing:
        raise RowInputError(f"{missing[0]!r} is missing", where=f"column {missing[0]!r}")
    return dict(inputs)
