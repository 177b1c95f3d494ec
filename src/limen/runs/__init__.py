"""The run store: results on disk that survive a kill, resume, and open without Limen."""

from __future__ import annotations

from limen.runs.characteristic import Characteristic, characteristic, operating_characteristic
from limen.runs.columns import MetricColumn, record_schema
from limen.runs.entries import AttackEntry, DataEntry, ModelEntry, Settings, SkippedImage
from limen.runs.files import RunError
from limen.runs.magnification import Magnification, magnified_path, read_magnification, write_magnification
from limen.runs.manifest import Manifest
from limen.runs.outcomes import Outcomes, outcomes, outcomes_by_name
from limen.runs.overlap import Estimate, Overlap
from limen.runs.overlap_store import OverlapEvaluation, attention_path, read_overlap, write_overlap
from limen.runs.protocol import Comparison, Figures, Measured, compare, figures, pairs
from limen.runs.reader import Run, open_run
from limen.runs.summary import AttackSummary, summarize, summary_of
from limen.runs.writer import RunWriter, create_or_resume

__all__ = [
    "AttackEntry",
    "AttackSummary",
    "Characteristic",
    "Comparison",
    "DataEntry",
    "Estimate",
    "Figures",
    "Magnification",
    "Manifest",
    "Measured",
    "MetricColumn",
    "ModelEntry",
    "Outcomes",
    "Overlap",
    "OverlapEvaluation",
    "Run",
    "RunError",
    "RunWriter",
    "Settings",
    "SkippedImage",
    "attention_path",
    "characteristic",
    "compare",
    "create_or_resume",
    "figures",
    "magnified_path",
    "open_run",
    "operating_characteristic",
    "outcomes",
    "outcomes_by_name",
    "pairs",
    "read_magnification",
    "read_overlap",
    "record_schema",
    "summarize",
    "summary_of",
    "write_magnification",
    "write_overlap",
]
