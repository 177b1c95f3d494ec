"""The run store: results on disk that survive a kill, resume, and open without Limen."""

from __future__ import annotations

from limen.runs.characteristic import Characteristic, characteristic, operating_characteristic
from limen.runs.columns import MetricColumn, record_schema
from limen.runs.entries import AttackEntry, DataEntry, ModelEntry, Settings, SkippedImage
from limen.runs.evaluations import Stored, read_evaluations
from limen.runs.files import RunError
from limen.runs.manifest import Manifest
from limen.runs.measuring import Measurement, Part, measuring
from limen.runs.outcomes import Outcomes, outcomes, outcomes_by_name
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
    "Figures",
    "Manifest",
    "Measured",
    "Measurement",
    "MetricColumn",
    "ModelEntry",
    "Outcomes",
    "Part",
    "Run",
    "RunError",
    "RunWriter",
    "Settings",
    "SkippedImage",
    "Stored",
    "characteristic",
    "compare",
    "create_or_resume",
    "figures",
    "measuring",
    "open_run",
    "operating_characteristic",
    "outcomes",
    "outcomes_by_name",
    "pairs",
    "read_evaluations",
    "record_schema",
    "summarize",
    "summary_of",
]
