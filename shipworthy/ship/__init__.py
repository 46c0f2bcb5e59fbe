"""The pipeline: lift, compile, certify, register, promote; and `load`, which runs what it made."""

from .pipeline import certify, compile, home_of, lift, load, metric, resolve_program, ship
from .results import Certified, Lift, Shipped, compile_json

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
    "resolve_program",
    "ship",
]
