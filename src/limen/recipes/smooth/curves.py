"""Success against distortion, on the attacked model and before others: Figures 5, 6 and 7."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from limen import metrics
from limen.analysis import characteristic
from limen.document import Block, Chart, Charts, Document, Line
from limen.errors import UsageError
from limen.recipes.bench import DATA_SETS, Bench, Kind, Like, Ran, Row
from limen.recipes.blocks import Rows, one, table
from limen.recipes.recipe import about, recipe
from limen.recipes.smooth import rivals
from limen.recipes.smooth.common import FOLDER, METRICS, TRANSFER, made_of, page, seen_by
from limen.recipes.smooth.rivals import CLIMBS, FILTER, LENGTH, STEPS, Setup

_FIGURES: dict[Kind, str] = {"mnist": "Figure 5", "imagenet": "Figure 6"}


def _curve(ran: Ran, records: pa.Table, classifier: str | None = None) -> Iterator[Row]:
    """Where the share that an attack fools rises, by each distance, from 0 at none; and in L2 at `LENGTH`."""
    for metric in METRICS:
        curve = characteristic(ran.outcomes(records), metric)
        common = {"classifier": classifier, "metric": metric, "images": curve.images}
        yield ran.row(statistic="rise", at=None, value=0.0, low=0.0, high=0.0, **common)
        for at, value, low, high in zip(curve.distances, curve.shares, *curve.band(), strict=True):
            yield ran.row(statistic="rise", at=at, value=value, low=low, high=high, **common)
        if metric == "l2":
            share = float(curve.at(np.array(LENGTH)))
            low, high = map(float, curve.band(np.array(share)))
            yield ran.row(statistic="within", at=LENGTH, value=share, low=low, high=high, **common)


def _figure(records: pa.Table) -> Document:
    rows = Rows(records.to_pylist())
    notes = ["The paper shows L2 alone, over a linear axis."]
    number = _FIGURES[about(records)["kind"]]
    return page(records, "Success against distortion, ", number, _curves(rows), notes)


def _figure_7(records: pa.Table) -> Document:
    rows = Rows(records.to_pylist())
    within = table(
        f"Success within an L2 of {LENGTH:g} behind the bilateral filter",
        "The height of each line there, with its 95 % interval.",
        rows,
        {"Success": one("share", statistic="within", classifier=FILTER)},
    )
    title = "Success against distortion under transfer, "
    return page(records, title, "Figure 7", [*_curves(rows), within], TRANSFER)


def _curves(rows: Rows) -> list[Block]:
    """Charts of each group of attacks, before each classifier."""
    return [
        charts(f"{name}: {group.lower()}" if name else group, seen)
        for group, of in rows.by("group")
        for name, seen in of.by("classifier")
    ]


def charts(title: str, rows: Rows) -> Charts:
    """A chart per distance, but for those by which no image is changed at all."""
    drawn = {metric: _chart(metric, rows.where(statistic="rise", metric=metric)) for metric in METRICS}
    absent = [metrics.METRICS[metric].column.title for metric, chart in drawn.items() if chart is None]
    caption = (
        "Each line is the share of correctly classified images that the attack fools with at most a given "
        "distortion; further left is less distortion for the same success. Bands: 95 % intervals."
    )
    if absent:
        caption += f" By {' and '.join(absent)} no fooled image is changed, so no chart shows it."
    return Charts(title, caption, [chart for chart in drawn.values() if chart is not None])


def _chart(metric: str, rows: Rows) -> Chart | None:
    """Lines that rise in steps over one axis, from the least distortion of any of them to the greatest."""
    known = [across for row in rows if 0 < (across := _across(row)) < math.inf]
    if not known:
        return None
    ends, name = (min(known) / 1.1, max(known) * 1.1), metrics.METRICS[metric].column.axis
    drawn = [_line(title, of, ends) for title, of in rows.by("attack")]
    axes = {"x_range": ends, "y_range": (0, 1), "log_x": True, "percent": True}
    return Chart(f"Success within {name}", name, "fooled", drawn, **axes)


def _line(title: str, rows: Rows, ends: tuple[float, float]) -> Line:
    start = [row for row in rows if _across(row) <= 0][-1]
    rises = [row for row in rows if 0 < _across(row) < math.inf]
    shares = [start, *rises]
    heights = Rows((*shares, shares[-1])).band()
    return Line(title, [ends[0], *map(_across, rises), ends[1]], *heights, steps=True)


def _across(row: Row) -> float:
    """Where a share stands on its axis; 0 for what a logarithmic one does not have."""
    return 0.0 if row["at"] is None else float(metrics.METRICS[row["metric"]].column.plotted(row["at"]))


@recipe(describe=_figure)
def smooth_figure_5(
    bench: Bench, *, budgets: int = 8, steps: int = STEPS, search_steps: int = CLIMBS, like: Like = None
) -> pa.Table:
    """Success against distortion on MNIST (Zhang et al., Figure 5)."""
    return _characteristics(bench, budgets, Setup("mnist", steps, search_steps), like)


@recipe(describe=_figure)
def smooth_figure_6(
    bench: Bench, *, budgets: int = 8, steps: int = STEPS, search_steps: int = CLIMBS, like: Like = None
) -> pa.Table:
    """Success against distortion on ImageNet (Zhang et al., Figure 6)."""
    return _characteristics(bench, budgets, Setup("imagenet", steps, search_steps), like)


def _characteristics(bench: Bench, budgets: int, setup: Setup, like: Like) -> pa.Table:
    kind, found = setup.kind, like or bench.kind
    if found != kind:
        raise UsageError(
            f"{_FIGURES[kind]} is of {DATA_SETS[kind]}, but {bench.data} looks like {DATA_SETS[found]}; "
            f"choose other data, or give like={kind} to measure it all the same"
        )
    ran = bench.attacked(FOLDER, rivals.entries(setup), budgets)
    rows = (row for each in ran for row in _curve(each, each.records))
    return made_of(ran, rows, setup, budgets)


@recipe(describe=_figure_7)
def smooth_figure_7(
    bench: Bench,
    *,
    robust: str | None = None,
    steps: int = STEPS,
    search_steps: int = CLIMBS,
    like: Like = None,
) -> pa.Table:
    """C&W and smooth C&W behind a bilateral filter (Zhang et al., Figure 7)."""
    setup = Setup(like or bench.kind, steps, search_steps)
    ran = bench.attacked(FOLDER, rivals.without_budgets(setup))
    seen = seen_by(bench, ran, robust)
    rows = (row for each in ran for name, found in seen.items() for row in _curve(each, found, name))
    return made_of(ran, rows, setup)
