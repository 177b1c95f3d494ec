"""Line charts that need no script: from numbers to SVG that scales with its container."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from markupsafe import Markup

from limen.document import Chart, Line, number
from limen.report.axes import BOTTOM, LEFT, RIGHT, TOP, WIDTH, Axis, axis_over, colour
from limen.report.templating import environment

HEIGHT = 340
"""The chart's height in its own units."""

_POINTS = 16


def markup(chart: Chart, colours: Mapping[str, int] | None = None) -> Markup:
    """The chart as a figure: caption, picture with a description for those who cannot see it, legend.

    The page holds `style.css` and, after it, `chart.css`.

    Args:
        chart: What to draw.
        colours: The number of the colour of each attack; a line of none of them has that of its position.

    Example:
        >>> chart = Chart("A & B", "x", "y", [Line("one", [1, 2], [3, 4])])
        >>> "A &amp; B" in markup(chart), "one: 3 at 1 to 4 at 2" in markup(chart)
        (True, True)
    """
    places = [v for line in chart.lines for v in line.x]
    x = axis_over(places, chart.x_range, chart.log_x, LEFT, WIDTH - RIGHT)
    heights = [v for line in chart.lines for v in line.heights]
    y = axis_over(heights, chart.y_range, chart.log_y, HEIGHT - BOTTOM, TOP)
    return Markup(  # noqa: S704 - the template escapes
        environment()
        .get_template("chart.html.j2")
        .render(
            chart=chart,
            width=WIDTH,
            height=HEIGHT,
            box={"left": LEFT, "right": WIDTH - RIGHT, "top": TOP, "bottom": HEIGHT - BOTTOM},
            description=describe(chart),
            x={"ticks": x.ticks(most=8, whole=all(v == v // 1 for v in places if math.isfinite(v)))},
            y={"ticks": y.ticks(most=8, percent=chart.percent)},
            marks=[
                {"place": x.place(mark.x), "text": mark.text, "left": x.place(mark.x) > 0.75 * WIDTH}
                for mark in chart.marks
            ],
            lines=[
                _drawn(line, (colours or {}).get(line.series, i), x, y) for i, line in enumerate(chart.lines)
            ],
        )
    )


def describe(chart: Chart) -> str:
    """What the chart shows, in words: its axes, and each line's ends or number of points.

    Example:
        >>> describe(Chart("Growth", "day", "height", [Line("oak", [1, 9], [0.5, 2.0])]))
        'Growth: height over day. oak: 0.5 at 1 to 2 at 9.'
    """
    sentences = [f"{chart.title.rstrip('.')}: {chart.y_label} over {chart.x_label}."]
    for line in chart.lines:
        known = [(a, b) for a, b in zip(line.x, line.y, strict=True) if math.isfinite(a) and math.isfinite(b)]
        if not line.joined:
            sentences.append(f"{line.name}: {len(known)} points.")
            continue
        ends = [f"{number(b)} at {number(a)}" for a, b in (known[:1] + known[-1:] if known else [])]
        sentences.append(f"{line.name}: {' to '.join(dict.fromkeys(ends)) or 'no values'}.")
    return " ".join(sentences)


def _drawn(line: Line, position: int, x: Axis, y: Axis) -> dict[str, object]:
    points = list(_places(line, line.y, x, y))
    nowhere = [math.nan] * len(line.x)
    ends = (nowhere if end is None else end for end in (line.low, line.high))
    low, high = (list(_places(line, end, x, y)) for end in ends)
    bands = _unbroken([a and b and (a, b) for a, b in zip(low, high, strict=True)])
    known = [] if line.steps else [point for point in points if point]
    return {
        "name": line.name,
        "colour": f"{colour(position)}{' dashed' if line.dashed else ''}",
        "paths": [_path(part) for part in _unbroken(points) if len(part) > 1 and line.joined],
        "bands": [_path([a for a, _ in part] + [b for _, b in reversed(part)]) + "Z" for part in bands],
        # Many points would hide their own line; a single one would leave none.
        "points": known if len(known) <= _POINTS or not line.joined else (),
        "joined": line.joined,
    }


def _places(line: Line, heights: Sequence[float], x: Axis, y: Axis) -> Iterator[tuple[float, float] | None]:
    """Where these heights of a line lie; of one in steps, also the corners before each rise."""
    before: tuple[float, float] | None = None
    for across, up in zip(line.x, heights, strict=True):
        here = (x.place(across), y.place(up)) if x.shows(across) and y.shows(up) else None
        if line.steps and before and here:
            yield here[0], before[1]
        yield here
        before = here


def _unbroken(points: Sequence) -> Iterator[list]:
    """The stretches between gaps."""
    part: list = []
    for point in [*points, None]:
        if point:
            part.append(point)
        elif part:
            yield part
            part = []


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{a},{b}" for a, b in points)
