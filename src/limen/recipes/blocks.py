"""From the rows of a recipe to what its page says: cells, tables, lines of charts."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from limen.document import Block, Cell, Document, Group, Line, Notes, Table
from limen.document.numbers import Form, written
from limen.recipes.bench import Row
from limen.recipes.recipe import about


class Rows(tuple[Row, ...]):
    """Rows to choose from, in their order.

    Example:
        >>> rows = Rows([{"attack": "FGSM", "value": 2.0}, {"attack": "PGD", "value": None}])
        >>> [(attack, len(of)) for attack, of in rows.by("attack")], rows.column("value")
        ([('FGSM', 1), ('PGD', 1)], [2.0, nan])
    """

    __slots__ = ()

    def where(self, **equal: object) -> Rows:
        """The rows with these values."""
        return Rows(row for row in self if all(row.get(key) == value for key, value in equal.items()))

    def one(self, **equal: object) -> Row:
        """The first row with these values; an empty one if there is none."""
        return next(iter(self.where(**equal)), {})

    def by(self, key: str) -> Iterator[tuple[Any, Rows]]:
        """The rows of each value of a column, in the order in which the values first appear."""
        for value in dict.fromkeys(row.get(key) for row in self):
            yield value, self.where(**{key: value})

    def column(self, key: str) -> list[float]:
        """The numbers of a column; NaN for none."""
        return [math.nan if row.get(key) is None else row[key] for row in self]

    def band(self) -> tuple[list[float], list[float], list[float]]:
        """The values, and the lower and the upper ends of their intervals."""
        return self.column("value"), self.column("low"), self.column("high")


Find = Callable[[Rows], Cell]
"""From the rows of one attack to the cell of a column."""


def cell(row: Row, form: Form = "number", note: str = "") -> Cell:
    """A figure with its interval and what the paper printed for it; a dash for an empty row."""
    papers = {key: value for key, value in row.items() if key.startswith("paper") and value is not None}
    lines = [f"{key.replace('_', ' ')}: {written(value, form)}" for key, value in papers.items()]
    notes = "\n".join(filter(None, (note, *lines)))
    return Cell(value=row.get("value"), low=row.get("low"), high=row.get("high"), form=form, note=notes)


def one(form: Form = "number", *, count: bool = False, **equal: object) -> Find:
    """The cell of the row with these values; with `count`, over how many images it is stands there, too."""

    def find(rows: Rows) -> Cell:
        row = rows.one(**equal)
        # A dash without a word would leave open whether anything was measured.
        told = count or row.get("value") is None
        return cell(row, form, f"images: {row['images']}" if told and "images" in row else "")

    return find


def table(
    title: str, caption: str, rows: Rows, columns: Mapping[str, Find], heading: str = "Attack"
) -> Table:
    """The attacks of each group in lines of their own, under columns that find their cells.

    Args:
        title: What the table shows.
        caption: What its figures are.
        rows: The rows; `group`, `spec`, `pixels` and `eps` are shown where they have them.
        columns: From the rows of an attack to its cell, by the column's title.
        heading: What stands above the attacks; of parts of one, for example, another word.
    """
    groups = [
        Group(
            group or "",
            [[_named(of), *(find(of) for find in columns.values())] for _, of in of_group.by("attack")],
        )
        for group, of_group in rows.by("group")
    ]
    return Table(title, caption, (heading, *columns), groups)


def lines(
    rows: Rows,
    titles: Sequence[str] | None = None,
    plotted: Callable[[np.ndarray], np.ndarray] = np.asarray,
) -> list[Line]:
    """A line for each of these attacks, or of all: values over `at` as axes have it, with their intervals."""
    found = dict(rows.by("attack")) if titles is None else {each: rows.where(attack=each) for each in titles}
    return [
        Line(title, plotted(np.array(of.column("at"))).tolist(), *of.band()) for title, of in found.items()
    ]


def page(
    records: pa.Table, title: str, source: str, blocks: Sequence[Block], notes: Sequence[str]
) -> Document:
    """A page that begins with how its records were made, and ends with what differs from the paper."""
    facts: Mapping[str, str] = about(records)["facts"]
    differs = Notes("What differs from the paper", notes)
    return Document(title, source, tuple(facts.items()), [*blocks, differs])


def _named(rows: Rows) -> Cell:
    """What the paper calls an attack, its spec, and the ends of its budgets, by setting where they differ."""
    ends: dict[str, str] = {}
    for pixels, of in rows.by("pixels"):
        if eps := of[0].get("eps"):
            budgets = eps.split(",")
            ends[pixels] = f"eps {budgets[0]} to {budgets[-1]}"
    told = [*ends.values()][:1]
    if len(set(ends.values())) > 1:
        told = [f"{pixels}: {end}" for pixels, end in ends.items()]
    # With spaces after its commas, a long spec finds places to be broken at, and is still the same spec;
    # not after doubled ones, which stand for a comma inside a value.
    spec = re.sub("(?<!,),(?!,)", ", ", rows[0].get("spec") or "")
    return Cell(rows[0]["attack"], "\n".join(filter(None, (spec, *told))))
