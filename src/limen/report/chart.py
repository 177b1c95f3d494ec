"""Line charts that need no script: from numbers to SVG that scales with its container."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from limen.document import Chart, Line, number
from limen.report.templating import environment

WIDTH, HEIGHT = 520, 340
"""The chart's own size, in which its type is 13 high; the page scales it to fit."""

_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 16, 40, 54
_COLOURS = 8
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
    x = _axis(places, chart.x_range, chart.log_x, _LEFT, WIDTH - _RIGHT)
    heights = [v for line in chart.lines for v in line.heights]
    y = _axis(heights, chart.y_range, chart.log_y, HEIGHT - _BOTTOM, _TOP)
    return Markup(  # noqa: S704 - the template escapes
        environment()
        .get_template("chart.html.j2")
        .render(
            chart=chart,
            width=WIDTH,
            height=HEIGHT,
            box={"left": _LEFT, "right": WIDTH - _RIGHT, "top": _TOP, "bottom": HEIGHT - _BOTTOM},
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


def linear_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """At most so many round numbers in [low, high]: multiples of 1, 2 or 5 times a power of ten.

    Example:
        >>> linear_ticks(0, 1), linear_ticks(3, 48)
        ([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [10.0, 20.0, 30.0, 40.0])
    """
    step = _step(low, high, most)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    # The step's digits, so that 3 · 0.1 is 0.3.
    digits = 1 - math.floor(math.log10(step))
    return [round(k * step, digits) + 0.0 for k in range(first, last + 1)]


def log_ticks(low: float, high: float, most: int = 8) -> list[float]:
    """At most so many round numbers in [low, high] > 0: 1, 2 and 5 times powers of ten, or the powers alone.

    Example:
        >>> log_ticks(0.8, 12), log_ticks(1e-6, 1, most=4)
        ([1.0, 2.0, 5.0, 10.0], [1e-06, 0.0001, 0.01, 1.0])
    """
    powers = range(math.floor(math.log10(low)), math.floor(math.log10(high)) + 1)
    ticks = [float(f"{factor}e{power}") for power in powers for factor in (1, 2, 5)]
    inside = [tick for tick in ticks if low * (1 - 1e-9) <= tick <= high * (1 + 1e-9)]
    if len(inside) < 3:
        return [tick for tick in linear_ticks(low, high, most) if tick > 0]
    if len(inside) <= most:
        return inside
    decades = [float(f"1e{power}") for power in powers if float(f"1e{power}") in inside]
    return decades[:: math.ceil(len(decades) / most)]


def _step(low: float, high: float, most: int) -> float:
    rough = (high - low) / (most - 1)
    decade = 10.0 ** math.floor(math.log10(rough))
    return next(k * decade for k in (1, 2, 5, 10) if k * decade >= rough * (1 - 1e-9))


@dataclass(frozen=True)
class _Axis:
    """From values to places in the picture."""

    start: float
    end: float
    near: float
    far: float
    log: bool

    def place(self, value: float) -> float:
        start, end, value = (math.log(v) if self.log else v for v in (self.start, self.end, value))
        return round(self.near + (value - start) / (end - start) * (self.far - self.near), 1)

    def shows(self, value: float) -> bool:
        return math.isfinite(value) and (value > 0 or not self.log)

    def ticks(self, most: int, percent: bool = False, whole: bool = False) -> list[dict[str, object]]:
        """Where round values lie; of `whole` numbers, such as bits, none between."""
        low, high = sorted((self.start, self.end))
        values = log_ticks(low, high, most) if self.log else linear_ticks(low, high, most)
        values = [v for v in values if v == v // 1] if whole else values
        return [
            {"place": self.place(v), "text": text}
            for v, text in zip(values, _texts(values, percent), strict=True)
        ]


def _axis(
    values: Sequence[float], span: tuple[float, float] | None, log: bool, near: float, far: float
) -> _Axis:
    if span is not None:
        return _Axis(*span, near, far, log)
    shown = [v for v in values if math.isfinite(v) and (v > 0 or not log)] or [1.0]
    low, high = min(shown), max(shown)
    if log:
        return _Axis(low / 1.15, high * 1.15, near, far, log)
    margin = 0.04 * (high - low) or 0.5 * abs(high) or 0.5
    return _Axis(low - margin, high + margin, near, far, log)


def _texts(values: Sequence[float], percent: bool) -> list[str]:
    """Ticks with as many digits as tell neighbours apart, and no more."""
    if percent:
        return [f"{100 * value:.3g}\N{NO-BREAK SPACE}%" for value in values]
    texts = [number(value) for value in values]
    for digits in range(3, 9):
        if len(set(texts)) == len(texts) and all(_same(t, v) for t, v in zip(texts, values, strict=True)):
            return texts
        texts = [f"{value:.{digits}f}" for value in values]
    return texts


def _same(text: str, value: float) -> bool:
    return math.isclose(float(text.replace("−", "-").replace(",", "")), value, rel_tol=1e-9)


def _drawn(line: Line, position: int, x: _Axis, y: _Axis) -> dict[str, object]:
    points = list(_places(line.x, line.y, x, y))
    nowhere = [math.nan] * len(line.x)
    ends = (nowhere if end is None else end for end in (line.low, line.high))
    low, high = (list(_places(line.x, end, x, y)) for end in ends)
    bands = _unbroken([a and b and (a, b) for a, b in zip(low, high, strict=True)])
    dotted = " dotted" if position >= _COLOURS else ""
    known = [point for point in points if point]
    return {
        "name": line.name,
        "colour": f"s{position % _COLOURS}{dotted}{' dashed' if line.dashed else ''}",
        "paths": [_path(part) for part in _unbroken(points) if len(part) > 1 and line.joined],
        "bands": [_path([a for a, _ in part] + [b for _, b in reversed(part)]) + "Z" for part in bands],
        # Many points would hide their own line; a single one would leave none.
        "points": known if len(known) <= _POINTS or not line.joined else (),
        "joined": line.joined,
    }


def _places(
    across: Sequence[float], up: Sequence[float], x: _Axis, y: _Axis
) -> Iterator[tuple[float, float] | None]:
    for a, b in zip(across, up, strict=True):
        yield (x.place(a), y.place(b)) if x.shows(a) and y.shows(b) else None


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
