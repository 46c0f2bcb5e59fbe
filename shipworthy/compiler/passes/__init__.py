"""Passes of the compiler, each with one job; a recipe names them in order."""

from .cascade import Cascade, CascadePlan
from .demos import Demos
from .field_order import FieldOrder
from .instructions import Instructions
from .optimizer import DSPyOptimizer
from .readout import Readout
from .span_ways import SpanChoice
from .spans import Spans
from .student import Student

__all__ = [
    "Cascade",
    "CascadePlan",
    "DSPyOptimizer",
    "Demos",
    "FieldOrder",
    "Instructions",
    "Readout",
    "SpanChoice",
    "Spans",
    "Student",
]
