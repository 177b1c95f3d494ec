"""Distributions of metrics as a document: quartiles in a table, box plots, and distribution functions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow.compute as pc

from limen.analysis import Distribution, caveats, cumulative
from limen.analysis import distribution as summed_up
from limen.document import AnyChart, Block, Box, BoxPlot, Cell, Chart, Charts, Group, Line, Notes, Table
from limen.evaluation.cells import measured_cell
from limen.runs import MetricColumn, Stored, metrics_of

READING = (
    "Each box reaches from the first quartile to the third, the line in it is the median, its whiskers reach "
    "as far as values within 1.5 times its length; points lie beyond."
)
"""How a box plot is read."""

BANDS = "Bands: 95 % intervals."

_POINTS = 400

Found = Mapping[str, Distribution]
"""By attack, how a metric is distributed over its images, in the unit that is shown."""


def describe(stored: Stored) -> list[Block]:
    """A table of quartiles, and for each metric a box plot above the distribution functions."""
    records, log = stored.records(), bool(stored.identity.parameters["log"])
    metrics, counts = metrics_of(records), {}
    of_metric: dict[str, dict[str, Distribution]] = {key: {} for key in metrics}
    for label in stored.attacks:
        rows = records.filter(pc.field("attack") == label)
        counts[label] = len(rows)
        for key in metrics:
            of_metric[key][label] = summed_up(rows[key].to_numpy(), metrics[key].calibration)
    groups = [
        Group(metric.heading, [_row(label, of_metric[key][label], metric, counts[label]) for label in counts])
        for key, metric in metrics.items()
    ]
    counted = (
        "all images that the model had right" if stored.identity.parameters["failures"] else "images fooled"
    )
    table = Table(
        "Quartiles",
        f"Of the {counted}, with 95 % intervals over the images.",
        ("Attack", "Images", "First quartile", "Median", "Third quartile"),
        groups,
    )
    blocks: list[Block] = [table]
    caption = f"{READING} Beside it, the share of the {counted} with at most a value. {BANDS}"
    for key, metric in metrics.items():
        blocks.append(Charts(metric.heading, caption, [*charts(of_metric[key], metric, log=log)]))
        caption = ""  # said once
    told = caveats(metrics.values())
    return [*blocks, Notes("What these metrics do not say", told)] if told else blocks


def charts(found: Found, metric: MetricColumn, *, log: bool = False) -> Iterator[AnyChart]:
    """A box plot, and the distribution functions over the same axis.

    Args:
        found: By attack, the distribution of the metric's values, as records have them.
        metric: The metric. Its axis is that of distortion, which grows to the right.
        log: Whether the axis is logarithmic.
    """
    drawn = [value for each in found.values() for value in metric.plotted(each.values)]
    span = _span(drawn, metric, log)
    boxes = [_box(label, each, metric) for label, each in found.items()]
    yield BoxPlot(f"{metric.title}: quartiles", metric.axis, boxes, span, log)
    lines = [_line(label, each, metric, span) for label, each in found.items()]
    title = f"{metric.title}: distribution"
    yield Chart(title, metric.axis, "share", lines, span, (0, 1), log_x=log, percent=True)


def _row(label: str, found: Distribution, metric: MetricColumn, count: int) -> list[Cell]:
    missing = count - len(found.values)
    note = f"{missing} without a value" if missing else ""
    form = "near_one" if metric.complement else "number"
    return [
        Cell(label, series=label),
        Cell(value=count, form="count", note=note),
        *(measured_cell(quartile, form, scale=metric.scale) for quartile in found.quartiles),
    ]


def _span(values: list[float], metric: MetricColumn, log: bool) -> tuple[float, float] | None:
    """The axis that all share; None where there is nothing to lay it over."""
    shown = [value for value in values if value > 0] if log else values
    if not shown:
        return None
    low, high = min(shown), max(shown)
    if log:
        return low / 1.15, high * 1.15
    margin = 0.03 * (high - low) or 0.5 * abs(high) or 0.5
    # A distortion is never less than none.
    low = max(low - margin, 0.0) if low >= 0 and not metric.reverse else low - margin
    return (high + margin, low) if metric.reverse else (low, high + margin)


def _box(label: str, found: Distribution, metric: MetricColumn) -> Box:
    low, high = found.whiskers
    values = np.array([low, *(each.value for each in found.quartiles), high])
    # What is drawn rises also where a metric falls with distortion; NaN stays at the end.
    low, first, median, third, high = np.sort(metric.plotted(values)).tolist()
    outliers = metric.plotted(found.outliers).tolist()
    return Box(label, (first, median, third), (low, high), outliers, series=label)


def _line(label: str, found: Distribution, metric: MetricColumn, span: tuple[float, float] | None) -> Line:
    """The share of images with at most a distortion; of PSNR, say, with at least a value."""
    x, *heights = cumulative(metric.distortion(found.values))
    if not len(x) or span is None:
        return Line(label, [], [], [], [], series=label)
    kept = np.unique(np.linspace(0, len(x) - 1, min(len(x), _POINTS)).round().astype(int))
    places = metric.plotted(metric.distortion(x[kept]))
    # From nothing at the first value, and on to the end of the axis.
    places = np.concatenate([places[:1], places, [span[1]]])
    ends = [np.concatenate([[0.0], each[kept], each[-1:]]).tolist() for each in heights]
    return Line(label, places.tolist(), *ends, series=label, steps=True)
