"""Success against distortion, as the points that the page draws."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from limen.analysis import Outcomes, characteristic, share_interval
from limen.runs import MetricColumn

POINTS = 400
"""Most points of a line: more would not be seen, and a page of many images would grow."""


@dataclass(frozen=True)
class Curve:
    """One line: the share of images fooled with at most a given distortion.

    Attributes:
        images: Of how many images the shares are.
        unmeasured: How many were fooled without such a distance, and so are not on the line.
        start: The share fooled with no distortion that an axis can show (such as an infinite PSNR).
        x: Distortion, as the metric is plotted, ascending in distortion.
        y: Share in [0, 1] fooled with at most that distortion.
    """

    images: int
    unmeasured: int
    start: float
    x: tuple[float, ...]
    y: tuple[float, ...]


@dataclass(frozen=True)
class Band:
    """How sure any share of so many images is: the ends of its interval at evenly spaced shares from 0 to 1.

    An interval depends on nothing but the share and the number of images, so all lines have this in common.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]


def curve(outcomes: Outcomes, metric: MetricColumn, of_correct: bool) -> Curve:
    """The line of one attack over one metric.

    Args:
        outcomes: What the attack did to each image.
        metric: What to measure distortion by.
        of_correct: Count only images that were classified correctly, else all.
    """
    if metric.key not in outcomes.metrics:
        counted, reached = outcomes.correct | (not of_correct), outcomes.success
        return Curve(int(counted.sum()), int((counted & reached).sum()), 0.0, (), ())
    found = characteristic(outcomes, metric.key, of_correct=of_correct)
    x, y = metric.plotted(found.distances), found.shares
    start = float(y[np.isneginf(metric.distortion(found.distances))].max(initial=0.0))
    x, y = x[np.isfinite(x)], y[np.isfinite(x)]
    if len(x) > POINTS:
        kept = np.linspace(0, len(x) - 1, POINTS).round().astype(int)
        x, y = x[kept], y[kept]
    return Curve(found.images, found.unmeasured, start, _short(x), _short(y))


def curves(
    outcomes: Sequence[Outcomes], metrics: Sequence[MetricColumn]
) -> dict[str, dict[str, list[Curve]]]:
    """All lines, by metric and then by denominator ("correct" or "all"), in the order of `outcomes`."""
    return {
        metric.key: {
            name: [curve(one, metric, of_correct) for one in outcomes]
            for name, of_correct in (("correct", True), ("all", False))
        }
        for metric in metrics
    }


def bands(lines: Iterable[Curve]) -> dict[int, Band]:
    """The band of each number of images among these lines, at up to `POINTS` steps of the share."""
    return {
        images: Band(*map(_short, share_interval(np.linspace(0, 1, min(images, POINTS) + 1), images)))
        for images in sorted({line.images for line in lines} - {0})
    }


def _short(values: np.ndarray) -> tuple[float, ...]:
    return tuple(float(f"{value:.5g}") for value in values)
