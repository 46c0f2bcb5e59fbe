"""shipworthy: a prompt goes in, a program that can be shipped comes out, with the proof.

    import shipworthy as sw

    shipped = sw.ship("prompt.md", "tickets.csv")
    triage = sw.load("triage@champion")
    triage(ticket="The parcel never came.").queue

Importing this package imports nothing else: each name is loaded when it is first used.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .lazy import lazy

if TYPE_CHECKING:
    from .compiler import (
        Budget,
        Cascade,
        Demos,
        DSPyOptimizer,
        FieldOrder,
        Gate,
        Instructions,
        Readout,
        Recipe,
        Spans,
        Student,
    )
    from .errors import ShipworthyError
    from .runtime import Answer, Program, load_artifact
    from .runtime.steps import Steps, step
    from .scoring import Checks
    from .ship import (
        certify,
        compile,
        diff,
        doctor,
        export,
        history,
        lift,
        load,
        metric,
        plan,
        promote,
        prune,
        recertify,
        rollback,
        ship,
        versions,
    )

__version__ = "0.1.0"

_HOMES = {
    "Answer": "runtime",
    "Budget": "compiler",
    "Cascade": "compiler",
    "Checks": "scoring",
    "DSPyOptimizer": "compiler",
    "Demos": "compiler",
    "FieldOrder": "compiler",
    "Gate": "compiler",
    "Instructions": "compiler",
    "Program": "runtime",
    "Readout": "compiler",
    "Recipe": "compiler",
    "ShipworthyError": "errors",
    "Spans": "compiler",
    "Steps": "runtime.steps",
    "Student": "compiler",
    "certify": "ship",
    "compile": "ship",
    "diff": "ship",
    "doctor": "ship",
    "export": "ship",
    "history": "ship",
    "lift": "ship",
    "load": "ship",
    "load_artifact": "runtime",
    "metric": "ship",
    "plan": "ship",
    "promote": "ship",
    "prune": "ship",
    "recertify": "ship",
    "rollback": "ship",
    "ship": "ship",
    "step": "runtime.steps",
    "versions": "ship",
}

__all__ = [
    "Answer",
    "Budget",
    "Cascade",
    "Checks",
    "DSPyOptimizer",
    "Demos",
    "FieldOrder",
    "Gate",
    "Instructions",
    "Program",
    "Readout",
    "Recipe",
    "ShipworthyError",
    "Spans",
    "Steps",
    "Student",
    "certify",
    "compile",
    "diff",
    "doctor",
    "export",
    "history",
    "lift",
    "load",
    "load_artifact",
    "metric",
    "plan",
    "promote",
    "prune",
    "recertify",
    "rollback",
    "ship",
    "step",
    "versions",
]


class _Face(ModuleType):
    """`lift` and `ship` are rooms of this package and functions of its face.

    As attributes they are the functions, whichever was imported first; the rooms are
    reached by `from shipworthy.lift import ...`.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in ("lift", "ship") and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Face


__getattr__ = lazy(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
