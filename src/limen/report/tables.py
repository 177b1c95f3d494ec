"""Tables of attacks: success, cost and distortion, and which of two takes less."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from limen.analysis import caveats, notes
from limen.analysis.table import Row, rows_of
from limen.document import Cell, Group, Table
from limen.runs import MetricColumn

_OVERALL = {"clean accuracy": "clean", "success": "fooled"}
_COSTS = {"passes": "passes", "seconds": "s/image"}


def success_table(
    figures: pa.Table,
    metrics: Sequence[MetricColumn],
    statistics: Sequence[str] | None = None,
    title: str = "",
) -> Table:
    """Success, cost and these statistics of distortion, or its centre, of each attack of one run."""
    measured = [(metric, statistic) for metric in metrics for statistic in statistics or (metric.centre,)]
    shown = [f"{statistic} {metric.heading}" for metric, statistic in measured]
    columns = ("attack", "images", *_OVERALL.values(), *shown, *_COSTS.values())
    groups = []
    for attack in dict.fromkeys(figures["attack"].to_pylist()):
        of = {(row["metric"], row["statistic"]): row for row in rows_of(figures, attack=attack, against=None)}
        groups.append(
            [
                _name(of[None, "success"]),
                Cell(value=of[None, "clean accuracy"]["images"], form="count"),
                Cell(value=of[None, "clean accuracy"]["value"], form="share"),
                _cell(of[None, "success"], note=f"of {of[None, 'success']['images']}"),
                *(_distortion(of.get((metric.key, each)), metric) for metric, each in measured),
                *(Cell(value=of[None, each]["value"]) for each in _COSTS),
            ]
        )
    caption = [
        "clean: classified correctly without an attack; fooled and distortion: of these images alone, with "
        "95 % intervals",
        *notes(figures),
        *caveats(metrics),
    ]
    return Table(title, "\n".join(caption), columns, [Group("", groups)])


def comparison_table(
    figures: pa.Table, metrics: Sequence[MetricColumn], against: str, title: str = ""
) -> Table:
    """On what share of the images each attack takes less distortion than another."""
    less, theirs = f"less distorted than {against}", f"median of {against}"
    columns = ("attack", "metric", "both fooled", less, "ties", "median", theirs)
    rows = []
    for metric in metrics:
        compared = rows_of(figures, metric=metric.key, against=against)
        for attack in dict.fromkeys(row["attack"] for row in compared):
            of = {row["statistic"]: row for row in compared if row["attack"] == attack}
            rows.append(
                [
                    _name(of["ties"]),
                    Cell(metric.heading),
                    Cell(value=of["ties"]["images"], form="count"),
                    _cell(of["less distorted"]),
                    Cell(value=of["ties"]["value"], form="count"),
                    *(_distortion(of[each], metric) for each in ("median", "median against")),
                ]
            )
    caption = "over the images that both fool, with 95 % Wilson intervals"
    return Table(title, caption, columns, [Group("", rows)])


def _name(row: Row) -> Cell:
    return Cell(row["attack"], note=f"best of {', '.join(row['budgets'])}" if row["budgets"] else "")


def _cell(row: Row, note: str = "") -> Cell:
    # Where no image differs from the others, resamples do not either: that is no certainty to state.
    ends = (row["low"], row["high"]) if row["low"] != row["high"] else (None, None)
    return Cell(note=note, value=row["value"], low=ends[0], high=ends[1], form="share")


def _distortion(row: Row | None, metric: MetricColumn) -> Cell:
    if row is None:
        return Cell()
    value, low, high = (
        None if row[end] is None else row[end] * metric.scale for end in ("value", "low", "high")
    )
    return Cell(value=value, low=low, high=high, form="near_one" if metric.complement else "number")
