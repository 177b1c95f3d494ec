"""`limen list`: everything that a spec or a command can name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from limen.catalog import Catalog

Kind = Literal["models", "data", "attacks", "defenses", "metrics", "evaluations", "attention", "recipes"]


def list_(
    kind: Annotated[Kind | None, typer.Argument(help="What to list; everything if left out.")] = None,
) -> None:
    """List all that a spec or a command can name, with parameters and defaults."""
    from limen import catalog, evaluation
    from limen.cli.console import output
    from limen.recipes import RECIPES

    tables = {
        "models": lambda: _specs("models", catalog.MODELS),
        "data": lambda: _specs("data", catalog.DATA),
        "attacks": lambda: _specs("attacks", catalog.ATTACKS),
        "defenses": lambda: _specs("defenses", catalog.DEFENSES),
        "metrics": _metrics,
        "evaluations": lambda: _specs("evaluations", evaluation.EVALUATIONS),
        "attention": lambda: _specs("attention", evaluation.ATTENTION),
        "recipes": lambda: _specs("recipes", RECIPES),
    }
    for name in tables if kind is None else (kind,):
        output().print(tables[name]())


def _specs(title: str, table: Catalog) -> Table:
    rows = _table(title, "name", "parameters", "what it is")
    for entry in table.entries():
        argument = "" if entry.argument is None else f":{entry.argument.name.upper()}"
        rows.add_row(entry.name + argument, "\n".join(map(str, entry.parameters)), entry.summary)
    return rows


def _metrics() -> Table:
    from limen.metrics import METRICS

    rows = _table("metrics", "name", "what it is")
    for name, metric in METRICS.items():
        rows.add_row(name, f"{metric.column.heading}: {metric.column.about}")
    return rows


def _table(title: str, *columns: str) -> Table:
    from rich.table import Table

    return Table(*columns, title=title, title_justify="left", show_lines=True)
