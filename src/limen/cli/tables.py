"""Tables of documents on a terminal."""

from __future__ import annotations

from rich.table import Table as Printed

from limen.document import Table


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
