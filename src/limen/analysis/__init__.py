"""Statistics over the records of runs: success, distortion and cost, with how sure they are."""

from __future__ import annotations

from limen.analysis.certification import certified_accuracy, certified_radii, decided, lower_bound
from limen.analysis.chance import clean_warning, near_chance
from limen.analysis.characteristic import Characteristic, characteristic, operating_characteristic
from limen.analysis.comparison import Comparison, Figures, compare, figures, pairs
from limen.analysis.detection import Detection, Roc, detection, mean_roc, over_repeats
from limen.analysis.intervals import Estimate, Measured, estimate_means, share, share_interval, wilson
from limen.analysis.notes import caveats, notes
from limen.analysis.outcomes import Outcomes, in_memory, outcomes, outcomes_by_name
from limen.analysis.quality import QualityCurve, RateAt, quality_curve, rate_at
from limen.analysis.sweeps import AccuracyCurve, Sweep, accuracy_curve, sweeps
from limen.analysis.table import attacks_of, rows_of, statistics, table

__all__ = [
    "AccuracyCurve",
    "Characteristic",
    "Comparison",
    "Detection",
    "Estimate",
    "Figures",
    "Measured",
    "Outcomes",
    "QualityCurve",
    "RateAt",
    "Roc",
    "Sweep",
    "accuracy_curve",
    "attacks_of",
    "caveats",
    "certified_accuracy",
    "certified_radii",
    "characteristic",
    "clean_warning",
    "compare",
    "decided",
    "detection",
    "estimate_means",
    "figures",
    "in_memory",
    "lower_bound",
    "mean_roc",
    "near_chance",
    "notes",
    "operating_characteristic",
    "outcomes",
    "outcomes_by_name",
    "over_repeats",
    "pairs",
    "quality_curve",
    "rate_at",
    "rows_of",
    "share",
    "share_interval",
    "statistics",
    "sweeps",
    "table",
    "wilson",
]
