"""What the commands print: results on standard output, progress and complaints on standard error."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.table import Table as Printed

if TYPE_CHECKING:
    from limen.document import Table


def output() -> Console:
    """A console on standard output, made anew because tests and pipes exchange the stream.

    Away from a terminal, lines are as long as they need to be, so that `grep` finds whole rows.
    """
    return Console(width=None if sys.stdout.isatty() else 1000, highlight=False, markup=False)


def complain(message: str) -> None:
    """Print one message to standard error."""
    typer.echo(message, err=True)


def complain_of_skipped(image_id: str, reason: str) -> None:
    """Say which image cannot be used, and why."""
    complain(f"skipped {image_id}: {reason}")


def printed(table: Table) -> Printed:
    """A table as the terminal shows it; what is small on a page stands below, in lines of its own."""
    made = Printed(title=table.title, title_justify="left", caption=table.caption or None)
    for place, column in enumerate(table.columns):
        made.add_column(column, justify="right" if place else "left")
    for group in table.groups:
        if group.title:
            made.add_row(group.title, style="italic")
        for row in group.rows:
            made.add_row(*("\n".join([cell.shown, *cell.lines]) for cell in row))
        made.add_section()
    return made
