"""Passes of the compiler, each with one job; a recipe names them in order."""

from .demos import Demos
from .optimizer import DSPyOptimizer
from .readout import Readout
from .student import Student

__all__ = ["DSPyOptimizer", "Demos", "Readout", "Student"]
