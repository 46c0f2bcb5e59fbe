"""Statistics of scores: small functions over arrays, each naming its source."""

from .bootstrap import Resampled, clustered_bootstrap, paired_bootstrap
from .calibration import (
    CurvePoint,
    Estimate,
    brier_score,
    calibration_curve,
    calibration_error,
    expected_calibration_error,
    multiclass_brier,
)
from .multiple import holm, look_level
from .paired import (
    Comparison,
    Paired,
    PairedCounts,
    gate_interval,
    gate_p,
    mcnemar_exact,
    mcnemar_midp,
    newcombe_interval,
    non_inferiority,
    paired_counts,
    paired_difference,
    superiority,
    tango_interval,
)
from .power import gate_power, minimum_detectable, sample_size
from .proportions import Interval, binomial_lower, clopper_pearson, wilson
from .quantiles import Quantile, quantile
from .selection import Promise, promises, rows_needed, threshold_with_guarantee
from .sequential import (
    AnytimeMean,
    betting_interval,
    empirical_bernstein_sequence,
    final_betting_interval,
    final_log_wealth,
    log_wealth,
    rows_to_reject,
)

__all__ = [
    "AnytimeMean",
    "Comparison",
    "CurvePoint",
    "Estimate",
    "Interval",
    "Paired",
    "PairedCounts",
    "Promise",
    "Quantile",
    "Resampled",
    "betting_interval",
    "binomial_lower",
    "brier_score",
    "calibration_curve",
    "calibration_error",
    "clopper_pearson",
    "clustered_bootstrap",
    "empirical_bernstein_sequence",
    "expected_calibration_error",
    "final_betting_interval",
    "final_log_wealth",
    "gate_interval",
    "gate_p",
    "gate_power",
    "holm",
    "log_wealth",
    "look_level",
    "mcnemar_exact",
    "mcnemar_midp",
    "minimum_detectable",
    "multiclass_brier",
    "newcombe_interval",
    "non_inferiority",
    "paired_bootstrap",
    "paired_counts",
    "paired_difference",
    "promises",
    "quantile",
    "rows_needed",
    "rows_to_reject",
    "sample_size",
    "superiority",
    "tango_interval",
    "threshold_with_guarantee",
    "wilson",
]
