"""Any DSPy optimizer as a pass: its demos and instructions become the program's."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

from ...errors import InputError
from ...runtime import Demo, plain_value
from ..draft import Context, Draft


@dataclass(frozen=True)
class DSPyOptimizer:
    """Run a DSPy optimizer over the program, through the executor and under the count of calls.

    Example: `DSPyOptimizer(dspy.LabeledFewShot(k=8))`. An optimizer that wants a metric
    gets it where it is made; `sw.metric("exact")` is one.

    Attributes:
        optimizer: anything with `compile(student, trainset=...)`.
        rows: how many training rows it sees, the first in a seeded order; None is all.
    """

    optimizer: Any
    rows: int | None = None

    def apply(self, draft: Draft, context: Context) -> None:
        """Take over the demos and the instructions that the optimizer chose."""
        import dspy

        from ...examples import digest_of, holds_secret
        from ...lms.dspy_engine import dspy_lm
        from ...runtime.dspy_bridge import RuntimeAdapter

        if draft.readouts:
            raise InputError(
                "a DSPy optimizer must run before the readout is fitted", hint="reorder the passes"
            )
        inputs = [field.name for field in draft.contract.inputs]
        usable = [row for row in draft.train if not holds_secret(row)]  # it may make a demo of any
        ordered = sorted(usable, key=lambda row: digest_of([context.seed, plain_value(row)]))[: self.rows]
        trainset = [dspy.Example(**row).with_inputs(*inputs) for row in ordered]
        name = type(self.optimizer).__name__
        context.progress.say(f"DSPy's {name} over {len(trainset)} rows")
        before = context.lm.calls
        parameters = inspect.signature(self.optimizer.compile).parameters
        extra = {"valset": trainset} if "valset" in parameters and draft.dev == [] else {}
        if draft.dev and "valset" in parameters:
            extra = {"valset": [dspy.Example(**row).with_inputs(*inputs) for row in draft.dev]}
        with dspy.context(lm=dspy_lm(context.lm), adapter=RuntimeAdapter(context.lm)):
            compiled = self.optimizer.compile(draft.module.deepcopy(), trainset=trainset, **extra)
        predictor = compiled.predictors()[0]
        draft.instruction = predictor.signature.instructions
        draft.demos = []
        for demo in predictor.demos:
            values = dict(demo)
            if all(field.name in values for field in (*draft.contract.inputs, *draft.contract.outputs)):
                draft.demos.append(
                    Demo(
                        inputs={field.name: values[field.name] for field in draft.contract.inputs},
                        outputs={field.name: values[field.name] for field in draft.contract.outputs},
                    )
                )
        draft.notes.append(f"{name}: {len(draft.demos)} demos, {context.lm.calls - before} calls")
