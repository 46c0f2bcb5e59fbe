"""Run the steps of a program on one row: in dependency order, independent ones at the same time.

Where the steps form a line, they run one after another on the row's own thread. Else each
step starts as soon as what it reads is there, on threads that end with the row.
"""

from __future__ import annotations

import contextvars
import functools
import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..errors import ArtifactError, OutputError, RowInputError, ShipworthyError
from .answer import StepTrace
from .conditions import holds, needs_of
from .contract import Contract, plain_value, value_text
from .readout import Heads
from .spec import Code, ProgramSpec, StepSpec

if TYPE_CHECKING:
    from ..lms import LM
    from .functions import Function

WITHOUT_LM = 4
"""Steps that run at once where no LM says how many calls it serves."""


@dataclass(frozen=True)
class Ran:
    """What the steps did.

    Attributes:
        values: by the program's names, its inputs among them; null where the writing step did not run.
        steps: those that ran, in the program's order.
        confidence: by the program's names.
    """

    values: dict[str, Any]
    steps: tuple[StepTrace, ...]
    confidence: dict[str, float | None]


class Flow:
    """The steps of a program, ready to run.

    Args:
        heads: by step; code: by step that is a function.

    Raises:
        ArtifactError: a step waits for itself, or the code of one cannot be imported.
    """

    def __init__(self, spec: ProgramSpec, heads: Mapping[str, Heads], code: Mapping[str, Code]) -> None:
        self._order = spec.flow
        self._needs = needs_of(spec.steps, spec.flow)
        self._steps = {
            name: ReadyStep(name, spec.steps[name], heads.get(name), code.get(name), self._needs[name])
            for name in spec.flow
        }
        self._in_line = self._check_order()
        first = spec.steps[spec.flow[0]]
        self._alone = len(spec.flow) == 1 and not (first.function or first.when or first.names)

    def run(self, inputs: Mapping[str, Any], lm: LM | None) -> Ran:
        """Run on one row's typed inputs.

        Raises:
            RowError: a step cannot be run on this row; where there are several, it says which.
            LMError: the LM fails.
        """
        row = _Row(dict(inputs))
        if self._in_line:
            for name in self._order:
                row.add(self._steps[name], self._run(name, row, lm))
        else:
            self._run_at_once(row, lm, lm.workers if lm is not None else WITHOUT_LM)
        return Ran(
            row.values, tuple(row.traces[name] for name in self._order if name in row.traces), row.confidence
        )

    def prepared(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """What steps give that are functions, and wait for none but such steps.

        Raises:
            RowError: one fails on this row.
        """
        row = _Row(dict(inputs))
        done: set[str] = set()
        for name in self._order:
            if self._steps[name].spec.function is not None and self._needs[name] <= done:
                row.add(self._steps[name], self._run(name, row, None))
                done.add(name)
        return {name: value for name, value in row.values.items() if name not in inputs}

    def _run(self, name: str, row: _Row, lm: LM | None) -> StepTrace | None:
        step = self._steps[name]
        if self._alone:  # its inputs are the program's, which were read as such
            return step.ask(lm, row.values)
        return step.run(row.values, lm)

    def _run_at_once(self, row: _Row, lm: LM | None, workers: int) -> None:
        waiting = list(self._order)
        running: set[str] = set()
        done: set[str] = set()
        failed: dict[str, BaseException] = {}
        replies: queue.SimpleQueue[tuple[str, StepTrace | None, BaseException | None]] = queue.SimpleQueue()

        def work(name: str, row: _Row) -> None:
            try:
                replies.put((name, self._run(name, row, lm), None))
            except BaseException as error:  # handed to the row's own thread, which raises it
                replies.put((name, None, error))

        while running or (waiting and not failed):
            ready = [name for name in waiting if self._needs[name] <= done] if not failed else []
            for name in ready[: max(0, workers - len(running))]:
                waiting.remove(name)
                running.add(name)
                alone = len(running) == len(ready) == 1  # nothing can run beside it
                if alone or not _started(work, name, row.copy()):
                    work(name, row)
            name, trace, error = replies.get()
            running.remove(name)
            if error is not None:
                failed[name] = error
            else:
                done.add(name)
                row.add(self._steps[name], trace)
        if failed:  # those that were under way have ended: nothing is left behind
            raise failed[min(failed, key=self._order.index)]

    def _check_order(self) -> bool:
        """Whether each step waits for the one before it; refuses a step that comes too early."""
        behind: dict[str, frozenset[str]] = {}
        in_line = True
        for i, name in enumerate(self._order):
            if not self._needs[name] <= behind.keys():
                raise ArtifactError(
                    f"the step {name!r} stands before what it reads", hint="compile it again", where="flow"
                )
            behind[name] = self._needs[name].union(*(behind[need] for need in self._needs[name]))
            in_line = in_line and (i == 0 or self._order[i - 1] in behind[name])
        return in_line


class _Row:
    """What is known of a row so far."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values
        self.traces: dict[str, StepTrace] = {}
        self.ended: dict[str, float] = {}
        self.confidence: dict[str, float | None] = {}

    def copy(self) -> _Row:
        """For a thread that reads while others go on."""
        return _Row(dict(self.values))

    def add(self, step: ReadyStep, trace: StepTrace | None) -> None:
        """What a step gave; None where it did not run."""
        begun = max((self.ended[need] for need in step.needs), default=0.0)
        self.ended[step.name] = begun + (trace.ms if trace is not None else 0.0)
        if trace is None:
            for value in step.writes.values():
                self.values.setdefault(value, None)
                self.confidence.setdefault(value, None)
            return
        self.traces[step.name] = replace(trace, start_ms=begun) if begun else trace
        for own, value in step.writes.items():
            self.values[value] = trace.outputs[own]
            self.confidence[value] = trace.confidence[own]


class ReadyStep:
    """One step with everything that it needs to run; `needs` are the steps that it waits for.

    Raises:
        ArtifactError: the code of a function is missing, or cannot be imported.
    """

    def __init__(
        self,
        name: str,
        spec: StepSpec,
        heads: Heads | None = None,
        code: Code | None = None,
        needs: frozenset[str] = frozenset(),
    ) -> None:
        self.name = name
        self.needs = needs
        self.spec = spec
        contract = spec.contract
        self.contract: Contract = contract
        self.writes = {one.name: spec.names.get(one.name, one.name) for one in contract.outputs}
        self._reads = {one.name: spec.names.get(one.name, one.name) for one in contract.inputs}
        self.heads = heads or Heads({}, None)
        self._function: Function | None = None
        if spec.function is not None:
            if code is None:
                raise ArtifactError(f"the code of the step {name!r} is missing", hint="compile it again")
            from .functions import Function, load_function

            self._function = Function(load_function(code), contract, spread=spec.function.spread)

    def run(self, values: Mapping[str, Any], lm: LM | None) -> StepTrace | None:
        """Run it on a row's values, by their names in the program; None where its conditions do not hold.

        Raises:
            RowError: it cannot be run on this row; `where` names the step.
            LMError: the LM fails.
        """
        if not holds(self.spec.when, values):
            return None
        try:
            given = self.given(values)
            if self._function is None:
                return self.ask(lm, given)
            return self._computed(self._function, given)
        except ShipworthyError as error:
            step = f"step {self.name!r}"
            if not error.where.startswith(step):
                error.where = f"{step}, {error.where}" if error.where else step
            raise

    @functools.cached_property
    def ask(self) -> Callable[[LM | None, Mapping[str, Any]], StepTrace]:
        """`run_step` of this step, if it is no function; imported at the first call, not by loading."""
        from .executor import run_step

        return functools.partial(run_step, self.name, self.spec, self.heads)

    def given(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """What it reads of a row's values, by its own names and with its own types.

        Raises:
            RowError: one is missing, or does not fit.
        """
        found = {}
        for one in self.contract.inputs:
            value = values.get(self._reads[one.name])
            if self._reads[one.name] not in values or (
                value is None and one.schema.get("default", 0) is None
            ):
                if "default" not in one.schema:
                    raise RowInputError(f"{one.name!r} is missing")
                if self._function is None:
                    found[one.name] = one.default()
                elif self._reads[one.name] in values:
                    found[one.name] = None
                continue
            plain = plain_value(value)
            if one.schema.get("type") == "string" and plain is not None and not isinstance(plain, str):
                plain = value_text(plain)
            try:
                found[one.name] = one.parse(plain)
            except ValueError as error:
                raise OutputError(f"{one.name}, as the steps before it give it: {error}") from error
        return found

    def _computed(self, function: Function, given: Mapping[str, Any]) -> StepTrace:
        begun = time.perf_counter()
        outputs = function(given)
        return StepTrace(
            name=self.name,
            prompts=(),
            raw=(),
            outputs=outputs,
            confidence=dict.fromkeys(outputs),
            probabilities={},
            answered=True,
            ms=(time.perf_counter() - begun) * 1e3,
            tokens_in=0,
            tokens_out=0,
            lm_calls=0,
        )


def _started(work: Any, name: str, row: _Row) -> bool:
    """Start a thread within a copy of the row's context; False where the system allows no more."""
    context = contextvars.copy_context()
    try:
        threading.Thread(target=context.run, args=(work, name, row), daemon=True).start()
    except RuntimeError:
        return False
    return True
