"""Line charts as data: what stands on the axes, and the lines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from limen.decoding import Gap
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
            ends = getattr(self, name)
            if ends is not None:
                object.__setattr__(self, name, self._checked(name, ends, log))
        if not all(
            math.isfinite(_drawable(mark.x)) and (mark.x > 0 or not self.log_x) for mark in self.marks
        ):
            raise UsageError(f"chart {self.title!r}: a mark is outside the axis")

    def _checked(self, name: str, ends: Sequence[float], log: bool) -> tuple[float, float]:
        low, high = map(_drawable, ends)
        if not math.isfinite(high - low) or low == high or (log and min(low, high) <= 0):
            raise UsageError(f"chart {self.title!r}: {name} ({low}, {high}) is no range")
        return low, high


def _drawable(value: float) -> float:
    value = float(value)
    if abs(value) < _LEAST:
        return 0.0
    return value if abs(value) < _GREATEST else math.nan
