"""The pipeline: lift, compile, certify, register, promote; `load`, which runs what it
made, and `standing`, which says whether that still counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import lazy

if TYPE_CHECKING:
    from .certifying import certify
    from .comparing import diff
    from .current import Standing, standing
    from .exporting import export
    from .loading import load, resolve_program
    from .metrics import metric
    from .pipeline import compile, lift, ship
    from .planning import plan
    from .promoting import Promotion, promote, rollback
    from .recertifying import recertify
    from .registered import Pruned, doctor, history, prune, versions
    from .results import Certified, Lift, Recertified, Shipped, compile_json
    from .state import home_of

_HOMES = {
    "Certified": "results",
    "Lift": "results",
    "Promotion": "promoting",
    "Pruned": "registered",
    "Recertified": "results",
    "Shipped": "results",
    "Standing": "current",
    "certify": "certifying",
    "compile": "pipeline",
    "compile_json": "results",
    "diff": "comparing",
    "doctor": "registered",
    "export": "exporting",
    "history": "registered",
    "home_of": "state",
    "lift": "pipeline",
    "load": "loading",
    "metric": "metrics",
    "plan": "planning",
    "promote": "promoting",
    "prune": "registered",
    "recertify": "recertifying",
    "resolve_program": "loading",
    "rollback": "promoting",
    "ship": "pipeline",
    "standing": "current",
    "versions": "registered",
}

__all__ = [
    "Certified",
    "Lift",
    "Promotion",
    "Pruned",
    "Recertified",
    "Shipped",
    "Standing",
    "certify",
    "compile",
    "compile_json",
    "diff",
    "doctor",
    "export",
    "history",
    "home_of",
    "lift",
    "load",
    "metric",
    "plan",
    "promote",
    "prune",
    "recertify",
    "resolve_program",
    "rollback",
    "ship",
    "standing",
    "versions",
]

__getattr__ = lazy(__name__, _HOMES)
