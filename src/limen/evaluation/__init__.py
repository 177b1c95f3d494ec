"""Protocols over data sets: run attacks into a run directory, and measure what they did there."""

from __future__ import annotations

from limen.evaluation.attack_run import Progress, describe_run, run_attacks
from limen.evaluation.budget_grid import AnyAttack, labels_of
from limen.evaluation.magnification import evaluate_magnification
from limen.evaluation.overlap import attention_overlap, evaluate_overlap, overlap_measures
from limen.evaluation.quality import QualityCurve, RateAt, quality_curve, rate_at
from limen.evaluation.transfer import transfer

__all__ = [
    "AnyAttack",
    "Progress",
    "QualityCurve",
    "RateAt",
    "attention_overlap",
    "describe_run",
    "evaluate_magnification",
    "evaluate_overlap",
    "labels_of",
    "overlap_measures",
    "quality_curve",
    "rate_at",
    "run_attacks",
    "transfer",
]
