"""Figures through matplotlib: charts drawn into any axes, and files for papers of documents and of runs."""

from __future__ import annotations

from limen.report.figures.drawing import draw
from limen.report.figures.of_runs import write_run_figures
from limen.report.figures.paper import COLUMN, Format, encoded, figure
from limen.report.figures.strips import strip
from limen.report.figures.writing import FORMATS, write_figures

__all__ = [
    "COLUMN",
    "FORMATS",
    "Format",
    "draw",
    "encoded",
    "figure",
    "strip",
    "write_figures",
    "write_run_figures",
]
