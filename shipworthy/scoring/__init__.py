"""Numbers that one can stand on: metrics, evaluation and statistics, without opinions."""

from .evaluate import Evaluation, RowResult, evaluate
from .metrics import EXACT, Metric, metric_named, same_value
from .statistics import (
    Interval,
    Paired,
    binomial_lower,
    expected_calibration_error,
    paired_difference,
    threshold_with_guarantee,
    wilson,
)

__all__ = [
    "EXACT",
    "Evaluation",
    "Interval",
    "Metric",
    "Paired",
    "RowResult",
    "binomial_lower",
    "evaluate",
    "expected_calibration_error",
    "metric_named",
    "paired_difference",
    "same_value",
    "threshold_with_guarantee",
    "wilson",
]
