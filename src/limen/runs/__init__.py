"""The run store: results on disk that survive a kill, resume, and open without Limen."""

from __future__ import annotations

from limen.runs.files import RunError
from limen.runs.manifest import AttackEntry, DataEntry, Manifest, ModelEntry, Settings, SkippedImage
from limen.runs.overlap import Estimate, Overlap
from limen.runs.overlap_store import OverlapEvaluation, attention_path, read_overlap, write_overlap
from limen.runs.reader import Run, open_run
from limen.runs.records import DISTANCES
from limen.runs.summary import AttackSummary, operating_characteristic, summarize
from limen.runs.writer import RunWriter, create_or_resume

__all__ = [
    "DISTANCES",
    "AttackEntry",
    "AttackSummary",
    "DataEntry",
    "Estimate",
    "Manifest",
    "ModelEntry",
    "Overlap",
    "OverlapEvaluation",
    "Run",
    "RunError",
    "RunWriter",
    "Settings",
    "SkippedImage",
    "attention_path",
    "create_or_resume",
    "open_run",
    "operating_characteristic",
    "read_overlap",
    "summarize",
    "write_overlap",
]
