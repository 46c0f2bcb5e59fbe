"""The pipeline: lift, compile, certify, register, promote; `load`, which runs what it
made, and `standing`, which says whether that still counts."""

from .certifying import certify
from .loading import load, resolve_program
from .metrics import metric
from .pipeline import compile, lift, ship
from .planning import plan
from .results import Certified, Lift, Shipped, compile_json
from .standing import Standing, standing
from .state import home_of

__all__ = [
    "Certified",
    "Lift",
    "Shipped",
    "Standing",
    "certify",
    "compile",
    "compile_json",
    "home_of",
    "lift",
    "load",
    "metric",
    "plan",
    "resolve_program",
    "ship",
    "standing",
]
