"""How often attacks fool and how far they move images, Table 3.1, and what people look at, Table 3.2."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from limen.analysis import caveats, estimate_means
from limen.catalog import metric as metric_of
from limen.document import Cell, Document, Notes
from limen.evaluation.saliency import Scale
from limen.evaluation.saliency_distances import DISTANCES
from limen.recipes.bench import Bench, Ran, Row
from limen.recipes.blocks import Find, Rows, cell, one, table
from limen.recipes.hua.common import (
    COST,
    JUDGES,
    LEARNED,
    LENGTHS,
    attacked,
    judged,
    judges,
    made_of,
    optimised,
    page,
    plain,
)
from limen.recipes.recipe import about, recipe
from limen.runs import metrics_of
from limen.spec import write_spec

SUCCESS = (1.0, 1.0, 0.9575, 0.9978, 1.0, 1.0, 1.0)
"""The success that both tables print, in the order of the attacks."""

TABLE_3_1 = {
    "success": SUCCESS,
    "mean l1": (633.12, 592.74, 2544.21, 2157.77, 783.86, 1965.10, 3925.55),
    "mean l2": (2.22, 1.56, 6.60, 5.31, 1.91, 4.45, 8.53),
    "mean linf": (0.085, 0.005, 0.115, 0.049, 0.006, 0.014, 0.029),
    "mean lpips": (0.03396, 0.00782, 0.08157, 0.05164, 0.00730, 0.02224, 0.04489),
    "mean dists": (0.03382, 0.00877, 0.05108, 0.03592, 0.00817, 0.02147, 0.04005),
}
"""Table 3.1 by figure; LPIPS and DISTS without the factor of 1000 that it prints them with."""

TABLE_3_2 = {
    "success": SUCCESS,
    "mean l1": (1129.92, 385.70, 946.39, 522.03, 325.73, 654.57, 1061.57),
    "mean l2": (10.80, 3.88, 9.07, 5.34, 3.34, 6.42, 10.21),
    "mean linf": (0.319, 0.132, 0.276, 0.188, 0.118, 0.205, 0.310),
    "mean dissimilarity": (0.093, 0.020, 0.086, 0.036, 0.016, 0.045, 0.087),
}
"""Table 3.2 by figure, of the attacks in the same order."""

_OPTIMISED = "optimised"
"""The statistic of a row that says that an attack keeps this metric low, so that it is no judge."""


def _judge(metric: str) -> Find:
    """The mean of a metric; where the attack keeps it low, that it does."""

    def find(rows: Rows) -> Cell:
        if rows.where(statistic=_OPTIMISED, metric=metric):
            return Cell("its aim")
        share = "share" if metric == "noticed" else "number"
        return cell(rows.one(statistic="mean", metric=metric), share)

    return find


def _table_3_1(records: pa.Table) -> Document:
    rows = Rows(records.to_pylist())
    titles = about(records)["metrics"]
    columns = {"Success": one("share", count=True, statistic="success")}
    columns |= {title: _judge(key) for key, title in titles.items()}
    caption = (
        "Success on correctly classified images, and the mean of each distance over those fooled, with 95 % "
        "intervals over the images. Its aim: what the attack itself keeps low is no judge of it."
    )
    made = table("Success and distances", caption, rows, columns)
    told = about(records)["caveats"]
    notes = ("The paper prints LPIPS and DISTS times 1000. It has none of the other judges.",)
    said = [Notes("What these metrics do not say", told)] if told else []
    return page(records, "Which attack changes images least?", "Table 3.1", [made, *said], notes)


@recipe(describe=_table_3_1)
def hua_table_3_1(
    bench: Bench,
    *,
    metric: str = COST,
    judge: tuple[str, ...] = (),
    steps: int = 100,
    colour_steps: int = 1000,
    bound_steps: int = 40,
) -> pa.Table:
    """Success, Lp and perceptual distances of seven attacks (Hua et al., Table 3.1)."""
    ran = judged(bench, attacked(bench, metric, steps, colour_steps, bound_steps, TABLE_3_1), judges(judge))
    known = metrics_of(ran[0].records)
    further = (metric_of(spec).column.key for spec in judge)
    shown = [key for key in dict.fromkeys((*LENGTHS, *LEARNED, *JUDGES, *further)) if key in known]
    rows = plain((row for each in ran for row in _of(each, shown, metric)), known)
    # Values stand as records have them, without the factor of a unit.
    titles = {key: f"{'1 − ' if known[key].complement else ''}{known[key].title}" for key in shown}
    told = {"metrics": titles, "caveats": caveats(known[key] for key in shown)}
    return made_of(ran, rows, metric, **told)


def _of(ran: Ran, metrics: Sequence[str], cost: str) -> Iterator[Row]:
    own = optimised(ran, cost)
    for row in ran.figures(metrics):
        if row["statistic"] in ("success", "mean") and row.get("metric") != own:
            yield row
    if own in metrics:
        yield ran.row(statistic=_OPTIMISED, metric=own, value=None)


def _table_3_2(records: pa.Table) -> Document:
    columns = {"Success": one("share", count=True, statistic="success")}
    columns |= {title: one(statistic="mean", metric=key) for key, title in DISTANCES.items()}
    caption = (
        "Success on correctly classified images, and mean distances between saliency maps of original and "
        "attacked image over those fooled, with 95 % intervals over the images."
    )
    made = table("Success and saliency", caption, Rows(records.to_pylist()), columns)
    notes = (
        "The paper predicts saliency by EGNet, whose maps lie in [0, 1], as its figures do: saliency=egnet "
        "with its weights and scale=none. Other maps have other distances, so that only the order compares.",
    )
    return page(records, "Which attack moves eyes least?", "Table 3.2", [made], notes)


@recipe(describe=_table_3_2)
def hua_table_3_2(
    bench: Bench,
    *,
    metric: str = COST,
    saliency: str = "spectral_residual",
    scale: Scale = "peak",
    steps: int = 100,
    colour_steps: int = 1000,
    bound_steps: int = 40,
) -> pa.Table:
    """Success and distances between saliency maps of seven attacks (Hua et al., Table 3.2)."""
    ran = attacked(bench, metric, steps, colour_steps, bound_steps, TABLE_3_2)
    found = bench.evaluated(ran[0].run, looked(saliency, scale, 0), "saliency")
    rows = [row for each in ran for row in (*_success(each), *_distances(each, found))]
    return made_of(ran, rows, metric, {"Saliency": saliency.replace(",", ", "), "Maps": SCALES[scale]})


SCALES = {"peak": "each divided by its greatest value", "none": "as the model gives them"}
"""What the option `scale` does, in words."""


def looked(saliency: str, scale: str, images: int) -> str:
    """The spec of the evaluation that compares saliency maps."""
    return write_spec("saliency", [("model", saliency), ("scale", scale), ("images", images)])


def _success(ran: Ran) -> Iterator[Row]:
    yield from (row for row in ran.figures(()) if row["statistic"] == "success")


def _distances(ran: Ran, found: pa.Table) -> Iterator[Row]:
    of = found.filter(pc.field("attack") == ran.labels[0])
    means = estimate_means(np.stack([of[name].to_numpy() for name in DISTANCES], 1))
    for name, mean in zip(DISTANCES, means, strict=True):
        yield ran.row(statistic="mean", metric=name, images=len(of), **asdict(mean))
