"""The page of a run: what was attacked, how well, at what distortion, and how it looks."""

from __future__ import annotations

from limen.report.page import write_page

__all__ = ["write_page"]
