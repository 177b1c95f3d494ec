"""Figures with their intervals, as tables and charts of evaluations hold them."""

from __future__ import annotations

from collections.abc import Iterable

from limen.analysis import Measured
from limen.document import Cell, Form


def measured_cell(
    figure: Measured | None, form: Form = "number", *, scale: float = 1.0, note: str = ""
) -> Cell:
    """A figure with its interval; empty for None.

    Args:
        figure: The figure.
        form: How numbers are written.
        scale: Factor from the figure to the number shown.
        note: Lines below it.

    Example:
        >>> measured_cell(Measured(0.5, 0.25, 0.75), scale=100).shown
        '50'
    """
    if figure is None:
        return Cell()
    value, low, high = (end * scale for end in (figure.value, figure.low, figure.high))
    return Cell(value=value, low=low, high=high, form=form, note=note)


def share_cell(share: Measured | None, note: str = "") -> Cell:
    """A share with its interval, in per cent; empty for None."""
    return measured_cell(share, "share", note=note)


def bands(figures: Iterable[Measured]) -> tuple[list[float], list[float], list[float]]:
    """Figures as a line of a chart takes them: the values, the lower ends, the upper ends.

    Example:
        >>> bands([Measured(0.5, 0.4, 0.6), Measured(0.7, 0.6, 0.8)])
        ([0.5, 0.7], [0.4, 0.6], [0.6, 0.8])
    """
    known = list(figures)
    return [each.value for each in known], [each.low for each in known], [each.high for each in known]
