"""From source and examples to an artifact: passes over a draft, then the choice of what decides."""

from .budget import Budget, Meter, Price, Spent
from .compile import Compiled, compile_program, git_commit
from .heads import fit_linear, fit_student, oof_folds
from .keeping import Keep
from .passes import Cascade, Demos, DSPyOptimizer, FieldOrder, Instructions, Readout, Spans, Student
from .plan import Plan, plan_of
from .recipe import Gate, Pass, Recipe, gate_of
from .source import Source, load_source, made_of, source_of
from .tagging import Taught, fit_tagger

__all__ = [
    "Budget",
    "Cascade",
    "Compiled",
    "DSPyOptimizer",
    "Demos",
    "FieldOrder",
    "Gate",
    "Instructions",
    "Keep",
    "Meter",
    "Pass",
    "Plan",
    "Price",
    "Readout",
    "Recipe",
    "Source",
    "Spans",
    "Spent",
    "Student",
    "Taught",
    "compile_program",
    "fit_linear",
    "fit_student",
    "fit_tagger",
    "gate_of",
    "git_commit",
    "load_source",
    "made_of",
    "oof_folds",
    "plan_of",
    "source_of",
]
