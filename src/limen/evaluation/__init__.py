"""Protocols over data sets: run attacks into a run directory, and measure what they did there."""

from __future__ import annotations

from limen.evaluation.attack_run import describe_run, run_attacks
from limen.evaluation.budget_grid import AnyAttack, labels_of
from limen.evaluation.context import Batch, Context
from limen.evaluation.full_size import FullSize, write_full_size
from limen.evaluation.ledger import Progress
from limen.evaluation.protocol import Evaluation, evaluate, evaluation
from limen.evaluation.registry import EVALUATIONS
from limen.evaluation.run_features import detector_of
from limen.runs import Part, Stored

__all__ = [
    "EVALUATIONS",
    "AnyAttack",
    "Batch",
    "Context",
    "Evaluation",
    "FullSize",
    "Part",
    "Progress",
    "Stored",
    "describe_run",
    "detector_of",
    "evaluate",
    "evaluation",
    "labels_of",
    "run_attacks",
    "write_full_size",
]
