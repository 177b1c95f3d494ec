"""Figures of charts through matplotlib: into any axes, as files for papers, and inside pages."""

from __future__ import annotations

from limen.report.figures.drawing import draw
from limen.report.figures.paper import COLUMN, Format, encoded, figure

__all__ = ["COLUMN", "Format", "draw", "encoded", "figure"]
