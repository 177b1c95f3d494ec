"""Tables of figures in the terminal, and the file of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from limen.analysis import caveats, notes, to_csv
from limen.analysis.table import Row, rows_of
from limen.cli.console import printed
from limen.cli.tables import Shown
from limen.document import Cell, Group, Table
from limen.errors import LimenError, reason
from limen.runs import MetricColumn, Run, RunError

_OVERALL = {"clean accuracy": "clean", "success": "fooled"}
_COSTS = {"passes": "passes", "seconds": "s/image"}


def success_table(
    figures: pa.Table,
    metrics: Sequence[MetricColumn],
    statistics: Sequence[str] | None = None,
    title: str = "",
) -> Shown:
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
    return printed(Table(title, "\n".join(caption), columns, [Group("", groups)]))


def comparison_table(
    figures: pa.Table, metrics: Sequence[MetricColumn], against: str, title: str = ""
) -> Shown:
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
    return printed(Table(title, caption, columns, [Group("", rows)]))


def compared(figures: pa.Table, run: Run, name: str, against: str | None) -> list[Shown]:
    """The tables of one run among the figures of several: of each attack the best over its budgets.

    Raises:
        RunError: If no image has been attacked yet.
    """
    best = figures.filter((pc.field("run") == name) & (pc.field("attack") == pc.field("family")))
    if not any(row["images"] for row in rows_of(best)):
        raise RunError(f"{name}: no image has been attacked yet; finish the run with limen attack")
    metrics = [each for each in run.manifest.metrics if rows_of(best, metric=each.key)]
    title = name if len(figures["run"].unique()) > 1 else ""
    tables = [success_table(best, metrics, ["mean", "median"], title)]
    return tables if against is None else [*tables, comparison_table(best, metrics, against, title)]


def write_csv(path: Path, figures: pa.Table) -> None:
    """Write figures as they are, a row each.

    Raises:
        LimenError: If the file cannot be written.
    """
    place = figures.column_names.index("budgets")
    budgets = [" ".join(each or ()) for each in figures["budgets"].to_pylist()]
    write_table(path, figures.set_column(place, "budgets", pa.array(budgets)))


def write_table(path: Path, table: pa.Table) -> None:
    """Write a table of plain values as CSV, which a spreadsheet opens without harm.

    Raises:
        LimenError: If the file cannot be written.
    """
    try:
        path.write_bytes(to_csv(table))
    except OSError as error:
        raise LimenError(f"{path}: cannot be written ({reason(error)}); choose another --csv") from error


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
