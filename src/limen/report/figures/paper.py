"""Figures as papers print them: one column wide, with a legend below, in a few formats."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Literal

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from limen.document import AnyChart, BoxPlot, wrapped
from limen.report.figures.drawing import draw
from limen.report.figures.fonts import families, glyphs_told

Format = Literal["pdf", "svg", "png"]
"""What figures are written as."""

COLUMN = 3.35
"""The width of a column of a paper, in inches."""

_HEIGHT, _ROW = 2.1, 0.3
_DENSITY = 14.5  # characters of a legend in an inch
_MOST = 30  # entries of a legend: more are no help, and leave no room for the chart
_SIZE = 8.0
_SETTINGS: Mapping[Any, Any] = {
    "axes.labelsize": _SIZE,
    "axes.linewidth": 0.6,
    "axes.unicode_minus": True,
    "figure.dpi": 100,
    "figure.constrained_layout.h_pad": 0.04,
    "figure.constrained_layout.w_pad": 0.04,
    "font.size": _SIZE,
    "grid.linewidth": 0.4,
    "legend.fontsize": 7.0,
    "legend.frameon": False,
    "legend.handlelength": 2.6,
    "legend.labelspacing": 0.3,
    "legend.columnspacing": 1.2,
    "legend.borderpad": 0.1,
    "pdf.fonttype": 42,  # journals take no others
    "savefig.dpi": 300,
    "svg.fonttype": "none",
    "svg.hashsalt": "limen",
    "text.parse_math": False,
    "xtick.labelsize": 7.0,
    "xtick.major.width": 0.6,
    "ytick.labelsize": 7.0,
    "ytick.major.width": 0.6,
}


@contextmanager
def settings(text: str = "", further: Mapping[Any, Any] = MappingProxyType({})) -> Iterator[None]:
    """Our settings of matplotlib, and none of the user's, while the block runs.

    Args:
        text: All that will be written, so that there is a font for it.
        further: Settings that differ from those for papers.
    """
    with matplotlib.rc_context(), glyphs_told(text):
        matplotlib.rcdefaults()
        for name, value in {**_SETTINGS, "font.family": families(text), **further}.items():
            matplotlib.rcParams[name] = value
        yield


def figure(chart: AnyChart, colours: Mapping[str, int] | None = None, width: float = COLUMN) -> Figure:
    """A chart as a figure of its own, with a legend below and without its title, which is the caption's.

    Args:
        chart: What to draw.
        colours: As for `draw`.
        width: In inches; a legend that needs more than a column makes the figure higher.

    Example:
        >>> from limen.document import Chart, Line
        >>> made = figure(Chart("Growth", "day", "height", [Line("oak", [1, 9], [0.5, 2.0])]))
        >>> [text.get_text() for text in made.legends[0].get_texts()], float(made.get_figwidth())
        (['oak'], 3.35)
    """
    with settings(texts_of(chart)):
        made = Figure(figsize=(width, _HEIGHT), layout="constrained")
        FigureCanvasAgg(made)
        draw(chart, made.add_subplot(), colours)
        high = _ROW * len(chart.boxes) + 0.6 if isinstance(chart, BoxPlot) else _HEIGHT
        made.set_figheight(high + _legend_height(made))
    return made


def encoded(made: Figure, form: Format, text: str = "") -> bytes:
    """A figure as a file, the same bytes every time.

    Args:
        made: The figure.
        form: What to write.
        text: What is written in it, so that there is a font for it.
    """
    nameless = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {}}[form]
    author = "Software" if form == "png" else "Creator"
    buffer = io.BytesIO()
    with settings(text):
        made.savefig(buffer, format=form, metadata={author: "Limen", **nameless})
    return buffer.getvalue()


def _legend_height(made: Figure) -> float:
    """Add the legend, in as many columns as fit; how high it is, in inches."""
    (axes,) = made.axes
    found, labels = axes.get_legend_handles_labels()
    if not found:
        return 0.0
    if len(found) > _MOST:
        left = len(found) - _MOST + 1
        found, labels = found[: _MOST - 1], labels[: _MOST - 1]
        # A name without a line: what is left out is told.
        found.append(Patch(visible=False))
        labels.append(f"and {left} more")
    room = max(8, int(_DENSITY * (made.get_figwidth() - 0.5)))
    labels = ["\n".join(wrapped(label, room)) for label in labels]
    for columns in (3, 2, 1):
        legend = made.legend(found, labels, loc="outside lower center", ncols=min(columns, len(found)))
        extent = legend.get_window_extent()
        if extent.width <= made.bbox.width or columns == 1:
            break
        legend.remove()
    for text in legend.get_texts():
        text.set_parse_math(False)
    return extent.height / made.dpi + 0.1


def texts_of(chart: AnyChart) -> str:
    """All that is written on the figure of a chart."""
    up = "" if isinstance(chart, BoxPlot) else chart.y_label + "".join(mark.text for mark in chart.marks)
    return "".join((chart.x_label, up, *(name for name, _ in chart.names)))
