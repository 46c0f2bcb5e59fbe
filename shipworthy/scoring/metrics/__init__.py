"""When is an answer right? Metrics by output type, assertions for free text, and a judge that was checked.

A metric has a name and a version; a new version retires old scores. Value metrics score one
output, row metrics (`Metric`) a row; `corpus` functions summarise whole columns of classes.
"""

from .agreement import Agreement, cohens_kappa
from .assertions import All, Any, Check, Contains, Equals, Length, Matches, Not, StartsWith, not_
from .base import Failure, Metric, RowScore, ValueMetric, columns_of, labels_of, needs_labels
from .corpus import (
    ClassFigures,
    Confusion,
    Costs,
    Figure,
    accuracy,
    confusion,
    macro_f1,
    mean_cost,
    per_class,
)
from .dates import Date
from .defaults import metric_for, metric_of
from .functions import Function, function_json
from .json_assertions import FitsSchema, IsJson
from .judge import Judge, ValidatedJudge
from .rows import EXACT, AllRight, Weighted, metric_named
from .structures import ListOf, Object, SetOf
from .text import ENGLISH_ARTICLES, Span, Text
from .values import Exact, Number, same_value

__all__ = [
    "ENGLISH_ARTICLES",
    "EXACT",
    "Agreement",
    "All",
    "AllRight",
    "Any",
    "Check",
    "ClassFigures",
    "Confusion",
    "Contains",
    "Costs",
    "Date",
    "Equals",
    "Exact",
    "Failure",
    "Figure",
    "FitsSchema",
    "Function",
    "IsJson",
    "Judge",
    "Length",
    "ListOf",
    "Matches",
    "Metric",
    "Not",
    "Number",
    "Object",
    "RowScore",
    "SetOf",
    "Span",
    "StartsWith",
    "Text",
    "ValidatedJudge",
    "ValueMetric",
    "Weighted",
    "accuracy",
    "cohens_kappa",
    "columns_of",
    "confusion",
    "function_json",
    "labels_of",
    "macro_f1",
    "mean_cost",
    "metric_for",
    "metric_named",
    "metric_of",
    "needs_labels",
    "not_",
    "per_class",
    "same_value",
]
