"""The axes of charts: their ends, and the round numbers beside them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.ticker import Formatter, LogLocator, MaxNLocator, NullLocator

from limen.document import number

_MOST = 6  # steps between ticks: a column of a paper has no room for more
_STEPS = (1, 2, 5, 10)


def ends(values: Sequence[float], span: tuple[float, float] | None, log: bool) -> tuple[float, float]:
    """The ends of an axis: those of the span, which may fall, or of all values with a small margin.

    Example:
        >>> ends([0, 10, math.nan], None, log=False), ends([0, 1, 100], (60, 20), log=False)
        ((-0.4, 10.4), (60, 20))
    """
    if span is not None:
        return span
    shown = [value for value in values if has_place(value, log)] or [1.0]
    low, high = min(shown), max(shown)
    if log:
        return low / 1.15, high * 1.15
    margin = 0.04 * (high - low) or 0.5 * abs(high) or 0.5
    return low - margin, high + margin


def has_place(value: float, log: bool) -> bool:
    """Whether an axis can show a value."""
    return math.isfinite(value) and (value > 0 or not log)


def scale(
    axes: Axes,
    which: Literal["x", "y"],
    span: tuple[float, float],
    *,
    log: bool,
    percent: bool = False,
    whole: bool = False,
) -> None:
    """Give an axis its scale, its ends and round numbers beside it.

    Args:
        axes: The axes that it is of.
        which: Which of them.
        span: Its ends.
        log: Whether it is logarithmic.
        percent: Whether its values are shares, written as percentages.
        whole: Whether its values are whole numbers, such as bits, between which no tick may lie.
    """
    axes.set(**{f"{which}scale": "log" if log else "linear", f"{which}lim": span})
    low, high = sorted(span)
    decades = math.log10(high / low) if log else 0.0
    axis = axes.xaxis if which == "x" else axes.yaxis
    if decades >= 1:
        # Over many decades their powers alone.
        axis.set_major_locator(LogLocator(subs=(1.0,) if decades > 2 else (1.0, 2.0, 5.0), numticks=_MOST))
    else:
        axis.set_major_locator(MaxNLocator(_MOST, steps=_STEPS, integer=whole))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(Ticks(percent))


class Ticks(Formatter):
    """Numbers as they are written everywhere else, with as many digits as tell neighbours apart.

    Args:
        percent: Whether they are shares, written as percentages.

    Example:
        >>> Ticks().format_ticks([0.0, 1000.0]), Ticks(percent=True)(0.5)
        (['0', '1,000'], '50\N{NO-BREAK SPACE}%')
    """

    def __init__(self, percent: bool = False) -> None:
        self.percent = percent

    def __call__(self, x: float, pos: int | None = None) -> str:
        """The text of one number."""
        return self.format_ticks([x])[0]

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        """The texts of all numbers beside an axis."""
        # The arithmetic of steps leaves crumbs such as 0.30000000000000004, and a negative zero.
        rounded = [float(f"{value:.12g}") + 0.0 for value in values]
        if self.percent:
            return [f"{100 * value:.3g}\N{NO-BREAK SPACE}%" for value in rounded]
        texts = [number(value) for value in rounded]
        for digits in range(3, 9):
            if len(set(texts)) == len(texts) and all(map(_same, texts, rounded)):
                break
            texts = [f"{value:.{digits}f}".replace("-", "−") for value in rounded]
        return texts


def _same(text: str, value: float) -> bool:
    return math.isclose(float(text.replace("−", "-").replace(",", "")), value, rel_tol=1e-9)
