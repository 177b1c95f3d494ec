"""Pages: of a run, what was attacked, how well, at what distortion, and how it looks; and of a document."""

from __future__ import annotations

from limen.report.page import write_page
from limen.report.sheet import write_sheet

__all__ = ["write_page", "write_sheet"]
