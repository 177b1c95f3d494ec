"""Tables of figures in the terminal, and the file of them."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from limen.analysis import to_csv
from limen.analysis.table import rows_of
from limen.document import Table
from limen.errors import LimenError, reason
from limen.report.tables import comparison_table, success_table
from limen.runs import Run, RunError


def compared(figures: pa.Table, run: Run, name: str, against: str | None) -> list[Table]:
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
    if against is not None:
        tables.append(comparison_table(best, metrics, against, title))
    return tables


def write_csv(path: Path, figures: pa.Table) -> None:
    """Write figures as they are, a row each.

    Raises:
        LimenError: If the file cannot be written.
    """
    place = figures.column_names.index("budgets")
    budgets = [" ".join(each or ()) for each in figures["budgets"].to_pylist()]
    write_table(path, figures.set_column(place, "budgets", pa.array(budgets)))


def write_table(path: Path, table: pa.Table, option: str = "--csv") -> None:
    """Write a table of plain values as CSV, which a spreadsheet opens without harm.

    Args:
        path: The file.
        table: The table.
        option: What named the file, for the error.

    Raises:
        LimenError: If the file cannot be written.
    """
    try:
        path.write_bytes(to_csv(table))
    except OSError as error:
        raise LimenError(f"{path}: cannot be written ({reason(error)}); choose another {option}") from error
