"""Success against distortion: the points and axes that the page draws, and the same as charts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from limen.analysis import Outcomes, characteristic, outcomes_by_name, share_interval
from limen.document import Chart, Charts, Line, of_run
from limen.runs import MetricColumn, Run

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


Span = tuple[float, float]
"""Where an axis begins and ends, from the left to the right; distortion grows to the right."""


@dataclass(frozen=True)
class Spans:
    """The ends of an axis in its linear and its logarithmic form, None where that can show no value."""

    linear: Span
    log: Span | None


@dataclass(frozen=True)
class Band:
    """How sure any share of so many images is: the ends of its interval at evenly spaced shares from 0 to 1.

    An interval depends on nothing but the share and the number of images, so all lines have this in common.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]


def metrics_of(runs: Mapping[str, Run]) -> tuple[MetricColumn, ...]:
    """The metrics of all runs, which may differ."""
    return tuple({each.key: each for run in runs.values() for each in run.manifest.metrics}.values())


def outcomes_of(runs: Mapping[str, Run]) -> dict[tuple[str, str], Outcomes]:
    """What the attacks of all runs did, by run and by what attacks that differ in their budget are called."""
    return {
        (name, family): found
        for name, run in runs.items()
        for family, found in outcomes_by_name(run.table(), run.manifest.families()).items()
    }


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


def spans(
    lines: Mapping[str, Mapping[str, Sequence[Curve]]], metrics: Sequence[MetricColumn]
) -> dict[str, dict[str, Spans]]:
    """The ends of the axes of all lines, by metric and then by denominator.

    They hold all lines, hidden ones too, so that hiding one does not move the others.
    """
    return {
        metric.key: {
            name: Spans(_linear(of, metric.reverse), None if metric.reverse else _log(of))
            for name, of in lines[metric.key].items()
        }
        for metric in metrics
    }


def _linear(lines: Sequence[Curve], reverse: bool) -> Span:
    values = [value for line in lines for value in line.x] or [0.0, 1.0]
    if reverse:
        return max(values) + 1, min(values) - 1
    return 0.0, 1.04 * max(values) if max(values) > 0 else 1.0


def _log(lines: Sequence[Curve]) -> Span | None:
    values = [value for line in lines for value in line.x if value > 0]
    # Below five decades lies the rounding of the metric, not distortion; it starts at the left edge.
    return (max(min(values) / 1.2, max(values) / 1e5), 1.2 * max(values)) if values else None


def charts(runs: Mapping[str, Run]) -> Charts:
    """The curves of the page, of correctly classified images, as a chart for each metric.

    Args:
        runs: Each run under its name on the page.
    """
    found, metrics = outcomes_of(runs), metrics_of(runs)
    names = [of_run(family, name) if len(runs) > 1 else family for name, family in found]
    lines = curves([*found.values()], metrics)
    return Charts(
        "Success against distortion",
        "The share of the correctly classified images that an attack fools with at most the distortion on "
        "the horizontal axis, which grows to the right. Of an attack that ran under several budgets, each "
        "image counts with the least distortion under any. Bands: 95 % intervals over the images.",
        [
            _chart(metric, lines[metric.key]["correct"], spans(lines, metrics)[metric.key]["correct"], names)
            for metric in metrics
        ],
    )


def _chart(metric: MetricColumn, lines: Sequence[Curve], ends: Spans, names: Sequence[str]) -> Chart:
    span, log = ends.log or ends.linear, ends.log is not None
    drawn = [_line(name, each, span) for name, each in zip(names, lines, strict=True)]
    return Chart(metric.title, metric.axis, "fooled", drawn, span, (0, 1), log_x=log, percent=True)


def _line(name: str, curve: Curve, span: Span) -> Line:
    """The steps of a curve from one end of its axis to the other, those before it at its beginning."""
    if curve.unmeasured and not curve.x and not curve.start:
        return Line(f"{name}: not measured", [], [], series=name)
    start, end = span
    inside = [(x, y) for x, y in zip(curve.x, curve.y, strict=True) if (x - start) * (end - start) > 0]
    before = [y for x, y in zip(curve.x, curve.y, strict=True) if (x - start) * (end - start) <= 0]
    first = max([curve.start, *before])
    # A line begins where its attack first fools an image: along zero all lines would hide each other.
    steps = [*([] if inside and not first else [(start, first)]), *inside]
    steps.append((end, steps[-1][1]))
    x, y = zip(*steps, strict=True)
    band = [ends.tolist() for ends in share_interval(np.array(y), curve.images)] if curve.images else []
    return Line(name, x, y, *band, series=name, steps=True)


def _short(values: np.ndarray) -> tuple[float, ...]:
    return tuple(float(f"{value:.5g}") for value in values)
