"""Charts on a page, which need no script: a caption, the picture with a description, a legend."""

from __future__ import annotations

import math
from collections.abc import Mapping

from markupsafe import Markup

from limen.document import AnyChart, BoxPlot, Chart, number
from limen.report.palette import css_class
from limen.report.templating import environment


def markup(chart: AnyChart, colours: Mapping[str, int] | None = None) -> Markup:
    """The chart as a figure: caption, picture with a description for those who cannot see it, legend.

    The page holds `style.css` and, after it, `chart.css`.

    Args:
        chart: What to draw.
        colours: The number of the colour of each attack; what is of none of them has that of its position.

    Example:
        >>> from limen.document import Line
        >>> chart = Chart("A & B", "x", "y", [Line("one", [1, 2], [3, 4])])
        >>> "A &amp; B" in markup(chart), "one: 3 at 1 to 4 at 2" in markup(chart)
        (True, True)
    """
    from limen.report.figures.inline import inline

    lines = [None] * len(chart.boxes) if isinstance(chart, BoxPlot) else chart.lines
    numbers = [(colours or {}).get(series, place) for place, (_, series) in enumerate(chart.names)]
    return Markup(  # noqa: S704 - the template escapes
        environment()
        .get_template("chart.html.j2")
        .render(
            title=chart.title,
            picture=inline(chart, colours, describe(chart)),
            legend=[
                {
                    "name": name,
                    "colour": css_class(number, line is not None and line.dashed),
                    "joined": line is None or line.joined,
                }
                for (name, _), line, number in zip(chart.names, lines, numbers, strict=True)
            ],
        )
    )


def describe(chart: AnyChart) -> str:
    """What the chart shows, in words: its axes, and the ends of each line or the quartiles of each box.

    Example:
        >>> from limen.document import Box, Line
        >>> describe(Chart("Growth", "day", "height", [Line("oak", [1, 9], [0.5, 2.0])]))
        'Growth: height over day. oak: 0.5 at 1 to 2 at 9.'
        >>> describe(BoxPlot("Growth.", "height", [Box("oak", (1, 2, 3), (0, 4))]))
        'Growth: height. oak: 2, half from 1 to 3.'
    """
    title = chart.title.rstrip(".")
    sentences = _boxes(chart) if isinstance(chart, BoxPlot) else _lines(chart)
    axes = chart.x_label if isinstance(chart, BoxPlot) else f"{chart.y_label} over {chart.x_label}"
    return " ".join([f"{title}: {axes}.", *sentences])


def _boxes(chart: BoxPlot) -> list[str]:
    sentences = []
    for box in chart.boxes:
        low, middle, high = map(number, box.quartiles)
        known = math.isfinite(box.quartiles[1])
        sentences.append(f"{box.name}: {f'{middle}, half from {low} to {high}' if known else 'no values'}.")
    return sentences


def _lines(chart: Chart) -> list[str]:
    sentences = []
    for line in chart.lines:
        known = [(a, b) for a, b in zip(line.x, line.y, strict=True) if math.isfinite(a) and math.isfinite(b)]
        if not line.joined:
            sentences.append(f"{line.name}: {len(known)} points.")
            continue
        ends = [f"{number(b)} at {number(a)}" for a, b in (known[:1] + known[-1:] if known else [])]
        sentences.append(f"{line.name}: {' to '.join(dict.fromkeys(ends)) or 'no values'}.")
    return sentences
