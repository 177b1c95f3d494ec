"""Success against distortion, as the points that the page draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from limen.report.metrics import Metric
from limen.report.series import Series
from limen.runs import operating_characteristic

POINTS = 400
"""Most points of a line: more would not be seen, and a page of many images would grow."""


@dataclass(frozen=True)
class Curve:
    """One line: the share of images fooled with at most a given distortion.

    Attributes:
        start: The share fooled with no distortion that an axis can show (such as an infinite PSNR).
        x: Distortion, as the metric is plotted, ascending in distortion.
        y: Share in [0, 1] fooled with at most that distortion.
    """

    start: float
    x: tuple[float, ...]
    y: tuple[float, ...]


def curve(series: Series, metric: Metric, of_correct: bool) -> Curve:
    """The line of one attack over one metric.

    Args:
        series: The attack's records.
        metric: What to measure distortion by.
        of_correct: Count only images that were classified correctly, else all.
    """
    counted = series.correct if of_correct else np.ones(len(series), bool)
    distortion = metric.distortion(series.columns[metric.key])
    # A success without a measured distance cannot be placed on the axis.
    mask = counted & series.success & ~np.isnan(distortion)
    x, y = operating_characteristic(distortion, mask, int(counted.sum()))
    start = float(y[np.isneginf(x)].max(initial=0.0))
    x, y = x[np.isfinite(x)], y[np.isfinite(x)]
    if len(x) > POINTS:
        kept = np.linspace(0, len(x) - 1, POINTS).round().astype(int)
        x, y = x[kept], y[kept]
    x = -x if metric.reverse else x
    return Curve(start, tuple(float(f"{v:.5g}") for v in x), tuple(float(f"{v:.5g}") for v in y))


def curves(series: Sequence[Series], metrics: Sequence[Metric]) -> dict[str, dict[str, list[Curve]]]:
    """All lines, by metric and then by denominator ("correct" or "all"), in the order of `series`."""
    return {
        metric.key: {
            name: [curve(one, metric, of_correct) for one in series]
            for name, of_correct in (("correct", True), ("all", False))
        }
        for metric in metrics
    }
