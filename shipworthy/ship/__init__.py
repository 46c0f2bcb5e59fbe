"""The pipeline: lift, compile, certify, register, promote; and `load`, which runs what it made."""

from .loading import load, resolve_program
from .metrics import metric
from .pipeline import certify, compile, lift, ship
from .planning import plan
from .results import Certified, Lift, Shipped, compile_json
from .state import home_of

__all__ = [
    "Certified",
    "Lift",
    "Shipped",
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
]
