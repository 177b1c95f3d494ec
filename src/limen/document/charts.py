"""Charts as data: lines over common axes, and boxes that sum up distributions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

from limen.decoding import ByKind, Gap
from limen.errors import UsageError

_GREATEST, _LEAST = 1e100, 1e-100  # beyond them the arithmetic of axes overflows


@dataclass(frozen=True)
class Line:
    """One line of a chart. It is broken where a value is not finite, or not positive on a log axis.

    Attributes:
        name: What the legend calls it.
        x: Where, in the order in which the points are joined.
        y: How much, as many values as `x`.
        low: The lower end of a band around `y`; None for no band.
        high: Its upper end.
        dashed: Whether it is drawn with dashes.
        joined: Whether the points are joined; if not, each is drawn by itself, however many there are.
        series: The attack that it is of, whose colour it has; empty for a colour by position.
        steps: Whether each height holds up to the next place, as of a step function, whose points are not
            drawn by themselves.

    Raises:
        UsageError: If the values are not equally many, or a band has one end only.
    """

    name: str
    x: Sequence[Gap]
    y: Sequence[Gap]
    low: Sequence[Gap] | None = None
    high: Sequence[Gap] | None = None
    dashed: bool = False
    joined: bool = True
    series: str = ""
    steps: bool = False

    def __post_init__(self) -> None:
        if (self.low is None) != (self.high is None):
            raise UsageError(f"line {self.name!r}: a band needs both low and high")
        for name in ("x", "y", "low", "high"):
            values = getattr(self, name)
            if values is not None:
                # Arrays and their numbers, too, so that all further is of one kind.
                object.__setattr__(self, name, tuple(map(_drawable, values)))
        if len({len(each) for each in (self.x, self.y, self.low, self.high) if each is not None}) > 1:
            raise UsageError(f"line {self.name!r}: x, y, low and high need equally many values")

    @property
    def heights(self) -> list[float]:
        """All values on the y axis, with those of the band."""
        return [v for ends in (self.y, self.low, self.high) if ends is not None for v in ends]


@dataclass(frozen=True)
class Mark:
    """A vertical line that marks a value of x."""

    x: float
    text: str


@dataclass(frozen=True)
class Chart:
    """Lines over common axes.

    Attributes:
        title: The caption.
        x_label: What the x axis shows.
        y_label: What the y axis shows.
        lines: What is drawn.
        x_range: From left to right, which may fall; None for all values, with a small margin.
        y_range: From bottom to top, likewise.
        log_x: Whether the x axis is logarithmic.
        log_y: Whether the y axis is.
        percent: Whether y is a share, written as a percentage.
        marks: Values of x to mark.

    Raises:
        UsageError: If a range has no length, or a logarithmic one reaches zero.
    """

    title: str
    x_label: str
    y_label: str
    lines: Sequence[Line]
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None
    log_x: bool = False
    log_y: bool = False
    percent: bool = False
    marks: Sequence[Mark] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "lines", tuple(self.lines))
        object.__setattr__(self, "marks", tuple(self.marks))
        for name, log in (("x_range", self.log_x), ("y_range", self.log_y)):
            object.__setattr__(self, name, _range(self.title, name, getattr(self, name), log))
        if not all(
            math.isfinite(_drawable(mark.x)) and (mark.x > 0 or not self.log_x) for mark in self.marks
        ):
            raise UsageError(f"chart {self.title!r}: a mark is outside the axis")

    @property
    def names(self) -> tuple[tuple[str, str], ...]:
        """What the legend names, and the attack that each is of."""
        return tuple((line.name, line.series) for line in self.lines)


@dataclass(frozen=True)
class Box:
    """A distribution in a few numbers, from the least to the greatest.

    Attributes:
        name: What the legend calls it.
        quartiles: The first quartile, the median and the third; NaN where there are no values.
        whiskers: How far values reach below and above that are no outliers.
        outliers: The values beyond.
        series: The attack that it is of, whose colour it has; empty for a colour by position.

    Raises:
        UsageError: If the numbers are not in order.
    """

    name: str
    quartiles: tuple[Gap, Gap, Gap]
    whiskers: tuple[Gap, Gap]
    outliers: Sequence[Gap] = ()
    series: str = ""

    def __post_init__(self) -> None:
        for name in ("quartiles", "whiskers", "outliers"):
            object.__setattr__(self, name, tuple(map(_drawable, getattr(self, name))))
        low, high = self.whiskers
        order = (low, *self.quartiles, high)
        if any(second < first for first, second in pairwise(order)):
            raise UsageError(f"box {self.name!r}: {order} do not rise")

    @property
    def values(self) -> list[float]:
        """All values on the axis."""
        return [*self.quartiles, *self.whiskers, *self.outliers]


@dataclass(frozen=True)
class BoxPlot:
    """Boxes below each other over a common axis.

    Attributes:
        title: The caption.
        x_label: What the axis shows.
        boxes: From top to bottom.
        x_range: From left to right, which may fall; None for all values, with a small margin.
        log_x: Whether the axis is logarithmic; what is not positive then lies at its low end.

    Raises:
        UsageError: If the range has no length, or a logarithmic one reaches zero.
    """

    title: str
    x_label: str
    boxes: Sequence[Box]
    x_range: tuple[float, float] | None = None
    log_x: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "boxes", tuple(self.boxes))
        object.__setattr__(self, "x_range", _range(self.title, "x_range", self.x_range, self.log_x))

    @property
    def names(self) -> tuple[tuple[str, str], ...]:
        """What the legend names, and the attack that each is of."""
        return tuple((box.name, box.series) for box in self.boxes)


AnyChart = Annotated[Chart | BoxPlot, ByKind()]
"""What stands among charts."""


def _range(title: str, name: str, ends: Sequence[float] | None, log: bool) -> tuple[float, float] | None:
    if ends is None:
        return None
    low, high = map(_drawable, ends)
    if not math.isfinite(high - low) or low == high or (log and min(low, high) <= 0):
        raise UsageError(f"chart {title!r}: {name} ({low}, {high}) is no range")
    return low, high


def _drawable(value: float) -> float:
    value = float(value)
    if abs(value) < _LEAST:
        return 0.0
    return value if abs(value) < _GREATEST else math.nan
