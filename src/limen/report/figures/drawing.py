"""Charts drawn into axes of matplotlib: the one place where they become marks on paper or on a page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from limen.document import AnyChart, Box, BoxPlot, Chart, Line, Mark, harmless
from limen.report.figures.scales import ends, has_place, scale
from limen.report.palette import PAPER, Look, dashes

_POINTS = 16  # more would hide their own line
_BAND, _BOX = 0.14, 0.16  # how much of their colour areas have
_HEIGHT = 0.52  # of a box, where boxes are 1 apart


def draw(chart: AnyChart, axes: Axes, colours: Mapping[str, int] | None = None, look: Look = PAPER) -> Axes:
    """Draw a chart into axes: what it shows, its scales and the labels of its axes.

    The title and the legend are left to the caller: each line or box is labelled, so `axes.legend()` has
    them all. No text is taken for mathematics, and no global setting of matplotlib is touched.

    Args:
        chart: What to draw.
        axes: Axes that nothing was drawn into yet.
        colours: The number of the colour of each attack; what is of none of them has that of its position.
        look: Colours, shapes and widths.

    Returns:
        The axes.

    Example:
        >>> from matplotlib.figure import Figure
        >>> chart = Chart("Growth", "day", "height", [Line("oak", [1, 9], [0.5, 2.0])], x_range=(0, 10))
        >>> axes = draw(chart, Figure().add_subplot())
        >>> axes.get_xlabel(), axes.get_xlim(), axes.lines[0].get_ydata().tolist()
        ('day', (np.float64(0.0), np.float64(10.0)), [0.5, 2.0])
    """
    numbers = [(colours or {}).get(series, position) for position, (_, series) in enumerate(chart.names)]
    _furnish(axes, look)
    if isinstance(chart, BoxPlot):
        _draw_boxes(chart, axes, numbers, look)
    else:
        _draw_lines(chart, axes, numbers, look)
    return axes


def _furnish(axes: Axes, look: Look) -> None:
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(look.strong)
    axes.patch.set_visible(False)
    axes.set_axisbelow(True)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_tick_params(color=look.strong, labelcolor=look.quiet)


def _draw_lines(chart: Chart, axes: Axes, numbers: Sequence[int], look: Look) -> None:
    places = [value for line in chart.lines for value in line.x]
    heights = [value for line in chart.lines for value in line.heights]
    whole = all(value == value // 1 for value in places if math.isfinite(value))
    shown = [*places, *(mark.x for mark in chart.marks)]
    scale(axes, "x", ends(shown, chart.x_range, chart.log_x), log=chart.log_x, whole=whole)
    scale(axes, "y", ends(heights, chart.y_range, chart.log_y), log=chart.log_y, percent=chart.percent)
    _label(axes, chart.x_label, chart.y_label, look)
    axes.grid(axis="y", color=look.rule)
    axes.yaxis.set_tick_params(length=0)
    for line, number in zip(chart.lines, numbers, strict=True):
        _draw_line(line, axes, number, look, (chart.log_x, chart.log_y))
    for mark in chart.marks:
        _draw_mark(mark, axes, look)


def _draw_line(line: Line, axes: Axes, number: int, look: Look, logs: tuple[bool, bool]) -> None:
    """A line, broken where the axes have no place for a value, and the band around it below all lines."""
    colour = look.colour(number)
    x, y = (_placed(values, log) for values, log in zip((line.x, line.y), logs, strict=True))
    if line.low is not None and line.high is not None:
        low, high = (_placed(each, logs[1]) for each in (line.low, line.high))
        shown = np.isfinite(x) & np.isfinite(low) & np.isfinite(high)
        step = "post" if line.steps else None
        axes.fill_between(x, low, high, shown, step=step, color=colour, alpha=_BAND, lw=0, zorder=1.5)
        # An area needs two places that follow each other.
        before, after = np.r_[False, shown[:-1]], np.r_[shown[1:], False]
        alone = shown & ~(before & line.joined) & ~(after & line.joined)
        if alone.any():
            axes.vlines(x[alone], low[alone], high[alone], colors=colour, linewidths=look.width, alpha=0.6)
    known = int((np.isfinite(x) & np.isfinite(y)).sum())
    few = known <= _POINTS and not line.steps
    marked = few or not line.joined or look.sparse
    axes.plot(
        x,
        y,
        color=colour,
        linewidth=look.width,
        linestyle=_pattern(number, line.dashed, look) if line.joined else "none",
        drawstyle="steps-post" if line.steps else "default",
        marker=look.marker(number) if marked else "none",
        # Those of one line lie between those of the next.
        markevery=None if few or not line.joined else (0.04 + 0.037 * (number % 5), 0.185),
        markersize=2.7 * look.width if look.sparse else 6,
        markerfacecolor=look.paper,
        markeredgecolor=colour,
        markeredgewidth=0.78 * look.width,
        # A point at the very end of an axis is whole.
        clip_on=not (_within(x, axes.get_xlim()) and _within(y, axes.get_ylim())),
        label=label_of(line.name),
        in_layout=False,  # else what is not clipped, be it without a point, would take room from the axes
    )


def _draw_mark(mark: Mark, axes: Axes, look: Look) -> None:
    if not _within(np.array([mark.x]), axes.get_xlim()):
        return
    axes.axvline(mark.x, color=look.ink, linewidth=0.45 * look.width, linestyle=(0, (2, 3)))
    start, end = axes.transAxes.inverted().transform(axes.transData.transform([(mark.x, 1)] * 2))[:, 0]
    left = (start + end) / 2 > 0.7
    axes.annotate(
        harmless(mark.text),
        (mark.x, 1),  # above the axes, and above a point on their upper edge
        (3 if left else -3, 5),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        horizontalalignment="right" if left else "left",
        color=look.quiet,
        parse_math=False,
    )


def _draw_boxes(chart: BoxPlot, axes: Axes, numbers: Sequence[int], look: Look) -> None:
    """Boxes below each other; values that a logarithmic axis cannot show lie at its low end."""
    span = ends([value for box in chart.boxes for value in box.values], chart.x_range, chart.log_x)
    scale(axes, "x", span, log=chart.log_x)
    _label(axes, chart.x_label, "", look)
    axes.set_ylim(max(len(chart.boxes), 1) - 0.5, -0.5)
    axes.set_yticks([])
    axes.grid(axis="x", color=look.rule)
    for row, (box, number) in enumerate(zip(chart.boxes, numbers, strict=True)):
        _draw_box(box, row, axes, number, look, min(span) if chart.log_x else -math.inf)


def _draw_box(box: Box, row: int, axes: Axes, number: int, look: Look, least: float) -> None:
    colour = look.colour(number)
    quartiles, whiskers = ([max(value, least) for value in each] for each in (box.quartiles, box.whiskers))
    outliers = [value for value in box.outliers if has_place(value, math.isfinite(least))]
    thin = {"color": colour, "linewidth": 0.67 * look.width}
    known = dict(zip(("q1", "med", "q3"), quartiles, strict=True)) | dict(
        zip(("whislo", "whishi"), whiskers, strict=True)
    )
    drawn = axes.bxp(
        [known | {"fliers": outliers}],
        positions=[row],
        widths=_HEIGHT,
        capwidths=0.55 * _HEIGHT,
        orientation="horizontal",
        patch_artist=True,
        manage_ticks=False,
        whiskerprops=thin,
        capprops=thin,
        medianprops={"color": colour, "linewidth": look.width},
        boxprops={"facecolor": (colour, _BOX), "edgecolor": colour, "linewidth": 0.67 * look.width},
        flierprops={
            "marker": "o",
            "markersize": 2.2 * look.width,
            "markerfacecolor": look.paper,
            "markeredgecolor": colour,
            "markeredgewidth": 0.6 * look.width,
        },
    )
    drawn["boxes"][0].set_label(label_of(box.name))


def label_of(name: str) -> str:
    """The name of a series as matplotlib's label, which takes one that begins with a line for none.

    Example:
        >>> label_of("ddn"), label_of("_mine")
        ('ddn', ' _mine')
    """
    shown = harmless(name)
    return f" {shown}" if not shown or shown.startswith("_") else shown


def _placed(values: Sequence[float], log: bool) -> np.ndarray:
    return np.array([value if has_place(value, log) else math.nan for value in values], float)


def _within(values: np.ndarray, span: tuple[float, float]) -> bool:
    known = values[np.isfinite(values)]
    return bool(np.all((known >= min(span)) & (known <= max(span))))


def _pattern(number: int, asked: bool, look: Look) -> str | tuple[float, tuple[float, ...]]:
    """The dashes as matplotlib has them: in widths of the line."""
    pattern = dashes(number, asked)
    # The page's are in its own units, in which its lines are 2.25 wide.
    return (0, tuple(length / 2.25 for length in pattern)) if pattern else "solid"


def _label(axes: Axes, across: str, up: str, look: Look) -> None:
    for axis, text in ((axes.xaxis, across), (axes.yaxis, up)):
        axis.set_label_text(harmless(text), color=look.ink, parse_math=False)
