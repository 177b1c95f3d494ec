"""From the rows of a recipe to what its page says: cells, tables, lines of charts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pyarrow as pa

from limen.document import Block, Cell, Document, Group, Line, Notes, Table
from limen.document.numbers import Form, written
from limen.recipes.entries import shown
from limen.recipes.records import Row, Rows, about

Find = Callable[[Rows], Cell]
"""From the rows of one attack to the cell of a column."""

Plotted = Callable[[np.ndarray], np.ndarray]


def cell(row: Row, form: Form = "number", note: str = "") -> Cell:
    """A figure with its interval and what the paper printed for it; a dash for an empty row."""
    papers = {key: value for key, value in row.items() if key.startswith("paper") and value is not None}
    lines = [f"{key.replace('_', ' ')}: {written(value, form)}" for key, value in papers.items()]
    notes = "\n".join(filter(None, (note, *lines)))
    return Cell(value=row.get("value"), low=row.get("low"), high=row.get("high"), form=form, note=notes)


def one(form: Form = "number", *, counts: Sequence[str] = (), **equal: object) -> Find:
    """The cell of the row with these values, with what its columns of these names count."""

    def find(rows: Rows) -> Cell:
        row = rows.one(**equal)
        return cell(row, form, ", ".join(f"{row[name]} {name}" for name in counts if row))

    return find


def table(title: str, caption: str, rows: Rows, columns: Mapping[str, Find]) -> Table:
    """The attacks of each group in lines of their own, under columns that find their cells."""
    groups = [
        Group(group, [[_named(of), *(find(of) for find in columns.values())] for _, of in rows.by("attack")])
        for group, rows in rows.by("group")
    ]
    return Table(title, caption, ("Attack", *columns), groups)


def lines(rows: Rows, titles: Sequence[str], plotted: Plotted = np.asarray) -> list[Line]:
    """A line for each of these attacks: values over `at` as axes have it, with their intervals."""
    found = {title: rows.where(attack=title) for title in titles}
    return [
        Line(title, plotted(np.array(of.column("at"))).tolist(), *of.band()) for title, of in found.items()
    ]


def page(
    records: pa.Table, title: str, source: str, blocks: Sequence[Block], notes: Sequence[str]
) -> Document:
    """A page that begins with how its records were made, and ends with what differs from the paper."""
    facts: Mapping[str, str] = about(records)["facts"]
    return Document(
        title, source, tuple(facts.items()), [*blocks, Notes("What differs from the paper", notes)]
    )


def _named(rows: Rows) -> Cell:
    """What the paper calls an attack, its spec, and the ends of its budgets, by setting where they differ."""
    specs = {pixels: shown(of[0]["spec"]) for pixels, of in rows.by("pixels")}
    ends = {end: f"{pixels}: {end}" for pixels, (_, end) in specs.items() if end}
    return Cell(
        rows[0]["attack"], "\n".join((shown(rows[0]["spec"])[0], *(ends.values() if len(ends) > 1 else ends)))
    )
