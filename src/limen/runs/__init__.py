"""The run store: results on disk that survive a kill, resume, and open without Limen."""

from __future__ import annotations

from limen.runs.calibration import Calibration
from limen.runs.columns import MetricColumn, metrics_of, record_schema
from limen.runs.entries import AttackEntry, DataEntry, ModelEntry, Settings, SkippedImage
from limen.runs.evaluations import Stored, read_evaluations
from limen.runs.files import RunError
from limen.runs.manifest import Manifest
from limen.runs.measuring import Measurement, Part, measuring
from limen.runs.reader import Run, open_run
from limen.runs.writer import RunWriter, create_or_resume

__all__ = [
    "AttackEntry",
    "Calibration",
    "DataEntry",
    "Manifest",
    "Measurement",
    "MetricColumn",
    "ModelEntry",
    "Part",
    "Run",
    "RunError",
    "RunWriter",
    "Settings",
    "SkippedImage",
    "Stored",
    "create_or_resume",
    "measuring",
    "metrics_of",
    "open_run",
    "read_evaluations",
    "record_schema",
]
