"""Box plots that need no script: from a few numbers of each distribution to SVG that scales."""

from __future__ import annotations

import math
from collections.abc import Mapping

from markupsafe import Markup

from limen.document import Box, BoxPlot, number
from limen.report.axes import BOTTOM, LEFT, RIGHT, WIDTH, Axis, axis_over, colour
from limen.report.templating import environment

_ROW, _BOX, _END = 34, 18, 10
_TOP = 8
_LEFT = LEFT - 40  # there are no numbers beside the boxes


def boxes_markup(chart: BoxPlot, colours: Mapping[str, int] | None = None) -> Markup:
    """The box plot as a figure: caption, picture with a description for those who cannot see it, legend.

    Args:
        chart: What to draw.
        colours: The number of the colour of each attack; a box of none of them has that of its position.

    Example:
        >>> chart = BoxPlot("Change", "L₂", [Box("one", (1, 2, 4), (0, 5), [9])])
        >>> "Change: L₂. one: 2, half from 1 to 4." in boxes_markup(chart)
        True
    """
    x = axis_over(
        [value for box in chart.boxes for value in box.values],
        chart.x_range,
        chart.log_x,
        _LEFT,
        WIDTH - RIGHT,
    )
    bottom = _TOP + _ROW * max(len(chart.boxes), 1)
    return Markup(  # noqa: S704 - the template escapes
        environment()
        .get_template("box_plot.html.j2")
        .render(
            chart=chart,
            width=WIDTH,
            height=bottom + BOTTOM,
            box={"left": _LEFT, "right": WIDTH - RIGHT, "top": _TOP, "bottom": bottom},
            description=describe(chart),
            ticks=x.ticks(most=8),
            boxes=[
                _drawn(box, (colours or {}).get(box.series, place), x, _TOP + _ROW * (place + 0.5))
                for place, box in enumerate(chart.boxes)
            ],
        )
    )


def describe(chart: BoxPlot) -> str:
    """What the box plot shows, in words: its axis, and each box's quartiles.

    Example:
        >>> describe(BoxPlot("Growth.", "height", [Box("oak", (1, 2, 3), (0, 4))]))
        'Growth: height. oak: 2, half from 1 to 3.'
    """
    sentences = [f"{chart.title.rstrip('.')}: {chart.x_label}."]
    for box in chart.boxes:
        low, middle, high = map(number, box.quartiles)
        known = math.isfinite(box.quartiles[1])
        sentences.append(f"{box.name}: {f'{middle}, half from {low} to {high}' if known else 'no values'}.")
    return " ".join(sentences)


def _drawn(box: Box, position: int, x: Axis, middle: float) -> dict[str, object]:
    found = {"name": box.name, "colour": colour(position), "middle": middle, "corners": None}
    found["outliers"] = [x.place(value) for value in box.outliers if x.shows(value)]
    if not all(map(math.isfinite, (*box.quartiles, *box.whiskers))):
        return found
    first, median, third = map(x.place, box.quartiles)
    ends = [*zip(map(x.place, box.whiskers), (first, third), strict=True)]
    left, top = min(first, third), middle - _BOX / 2
    reach = "".join(f"M{end},{middle}H{edge}M{end},{middle - _END / 2}v{_END}" for end, edge in ends)
    return found | {
        "corners": {"left": left, "top": top, "width": round(abs(third - first), 1), "height": _BOX},
        "whiskers": reach,
        "median": f"M{median},{top}v{_BOX}",
    }
