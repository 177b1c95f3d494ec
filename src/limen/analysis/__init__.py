"""Statistics over the records of runs: success, distortion and cost, with how sure they are."""

from __future__ import annotations

from limen.analysis.certification import certified_accuracy, certified_radii, decided, lower_bound
from limen.analysis.chance import clean_warning, near_chance
from limen.analysis.characteristic import Characteristic, characteristic, operating_characteristic
from limen.analysis.comparison import Comparison, Figures, compare, figures, pairs
from limen.analysis.crossed import crossed_covariance, crossed_half, crossed_quantile
from limen.analysis.detection import Detection, Roc, detection, mean_roc, over_repeats
from limen.analysis.families import FamilyTest, compare_families, slopes_over_groups
from limen.analysis.groups import Gaps, GroupFigures, gaps, group_means, group_shares
from limen.analysis.intervals import Estimate, Measured, estimate_means, share, share_interval, wilson
from limen.analysis.notes import caveats, notes, source_of
from limen.analysis.noticing import CHECK, SAME, Answers, Noticed, false_alarms, noticed, slips
from limen.analysis.optimality import Ranking, distance_of, has_zero, ranking
from limen.analysis.outcomes import Outcomes, in_memory, outcomes, outcomes_by_name
from limen.analysis.paired import mcnemar
from limen.analysis.psychometric import NoCurveError, PsychometricCurve, psychometric_curve
from limen.analysis.quality import QualityCurve, RateAt, quality_curve, rate_at
from limen.analysis.spread import Distribution, cumulative, distribution
from limen.analysis.spreadsheet import to_csv
from limen.analysis.sweeps import AccuracyCurve, Sweep, accuracy_curve, sweeps
from limen.analysis.table import attacks_of, rows_of, statistics, table
from limen.analysis.trends import Trend, Variances, axis_of, rejections, trend
from limen.analysis.verdicts import Verdict, verdict
from limen.analysis.worst_case import Least, WorstCase, worst_case

__all__ = [
    "CHECK",
    "SAME",
    "AccuracyCurve",
    "Answers",
    "Characteristic",
    "Comparison",
    "Detection",
    "Distribution",
    "Estimate",
    "FamilyTest",
    "Figures",
    "Gaps",
    "GroupFigures",
    "Least",
    "Measured",
    "NoCurveError",
    "Noticed",
    "Outcomes",
    "PsychometricCurve",
    "QualityCurve",
    "Ranking",
    "RateAt",
    "Roc",
    "Sweep",
    "Trend",
    "Variances",
    "Verdict",
    "WorstCase",
    "accuracy_curve",
    "attacks_of",
    "axis_of",
    "caveats",
    "certified_accuracy",
    "certified_radii",
    "characteristic",
    "clean_warning",
    "compare",
    "compare_families",
    "crossed_covariance",
    "crossed_half",
    "crossed_quantile",
    "cumulative",
    "decided",
    "detection",
    "distance_of",
    "distribution",
    "estimate_means",
    "false_alarms",
    "figures",
    "gaps",
    "group_means",
    "group_shares",
    "has_zero",
    "in_memory",
    "lower_bound",
    "mcnemar",
    "mean_roc",
    "near_chance",
    "notes",
    "noticed",
    "operating_characteristic",
    "outcomes",
    "outcomes_by_name",
    "over_repeats",
    "pairs",
    "psychometric_curve",
    "quality_curve",
    "ranking",
    "rate_at",
    "rejections",
    "rows_of",
    "share",
    "share_interval",
    "slips",
    "slopes_over_groups",
    "source_of",
    "statistics",
    "sweeps",
    "table",
    "to_csv",
    "trend",
    "verdict",
    "wilson",
    "worst_case",
]
