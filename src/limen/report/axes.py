"""The axes of charts: from values to places in the picture, and the round numbers beside them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from limen.document import number

WIDTH = 520
"""The width of a chart in its own units, in which its type is 13 high; the page scales it to fit."""

LEFT, RIGHT, TOP, BOTTOM = 58, 16, 40, 54
"""What lies around the axes: the numbers and titles."""

COLOURS = 8
"""How many colours there are; further lines are dotted, in the same ones."""


def colour(position: int) -> str:
    """The class of the colour at a position.

    Example:
        >>> colour(1), colour(9)
        ('s1', 's1 dotted')
    """
    return f"s{position % COLOURS}{' dotted' if position >= COLOURS else ''}"


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
class Axis:
    """From values to places in the picture."""

    start: float
    end: float
    near: float
    far: float
    log: bool

    def place(self, value: float) -> float:
        """Where a value lies in the picture; one that a logarithmic axis cannot show lies at its low end."""
        if self.log and value <= 0:
            value = min(self.start, self.end)
        start, end, value = (math.log(v) if self.log else v for v in (self.start, self.end, value))
        return round(self.near + (value - start) / (end - start) * (self.far - self.near), 1)

    def shows(self, value: float) -> bool:
        """Whether a value has a place."""
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


def axis_over(
    values: Sequence[float], span: tuple[float, float] | None, log: bool, near: float, far: float
) -> Axis:
    """The axis over a span, or over all values with a small margin.

    Args:
        values: What is drawn along it.
        span: Its ends, which may fall; None for those of the values.
        log: Whether it is logarithmic.
        near: The place of its start in the picture.
        far: That of its end.
    """
    if span is not None:
        return Axis(*span, near, far, log)
    shown = [v for v in values if math.isfinite(v) and (v > 0 or not log)] or [1.0]
    low, high = min(shown), max(shown)
    if log:
        return Axis(low / 1.15, high * 1.15, near, far, log)
    margin = 0.04 * (high - low) or 0.5 * abs(high) or 0.5
    return Axis(low - margin, high + margin, near, far, log)


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
