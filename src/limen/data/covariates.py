"""A number that is known of each group of images, such as the GDP per capita of a country."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from limen.data.errors import DataError
from limen.data.table import Row, read_table


@dataclass(frozen=True)
class Covariates:
    """A number for each group.

    Attributes:
        name: What the number is, such as `gdp_per_capita_usd`.
        values: The number of each group.
        source: Where it comes from, for people.
        synthetic: Whether it was made up by a program, so that it says nothing of the world.
    """

    name: str
    values: Mapping[str, float] = field(repr=False)
    source: str = ""
    synthetic: bool = False

    def notes(self, groups: Iterable[str]) -> list[str]:
        """Sentences on the groups that cannot be used: with images and no number, and the other way round.

        Args:
            groups: The groups that images are in.

        Example:
            >>> for note in Covariates("gdp", {"Chad": 700.0, "Peru": 6500.0}).notes(["Peru", "Wales"]):
            ...     print(note)
            Left out, as there is no gdp for it: Wales.
            No image is of: Chad.
        """
        found = dict.fromkeys(groups)
        unknown = [group for group in found if group not in self.values]
        unseen = [group for group in self.values if group not in found]
        notes = []
        if unknown:
            them = "it" if len(unknown) == 1 else "them"
            notes.append(f"Left out, as there is no {self.name} for {them}: {', '.join(sorted(unknown))}.")
        if unseen:
            notes.append(f"No image is of: {', '.join(unseen)}.")
        return notes


def read_covariates(path: Path, value: str | None = None, group: str = "group") -> Covariates:
    """Read a number for each group from a table in CSV.

    A group whose cell is empty has no number. One that stands in several rows must have the same number in
    all of them.

    Args:
        path: The file, in UTF-8, with a first line of column names.
        value: The column of the numbers; may be left out if there are two columns.
        group: The column of the groups' names, which are compared as they are written.

    Raises:
        DataError: If the table cannot be read, a column is missing, a cell is no number, or a group has two;
            the message names the line.
    """
    rows = read_table(path, (group,) if value is None else (group, value))
    if not rows:
        raise DataError(f"{path}: lists no group")
    if value is None:
        others = [column for column in rows[0].cells if column != group]
        if len(others) != 1:
            raise DataError(
                f"{path}: name the column of the numbers by value=; there are {', '.join(others)}"
            )
        value = others[0]
    values: dict[str, float] = {}
    for row in rows:
        number = _number(row, value)
        name = row.filled(group)
        if number is not None and values.setdefault(name, number) != number:
            raise DataError(f"{row.where}: {value} of {name!r} is {number:g}, but {values[name]:g} before")
    return Covariates(value, values, str(path))


def _number(row: Row, column: str) -> float | None:
    text = row.cells[column]
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise DataError(
            f"{row.where}: {column} {text!r} is no finite number; leave the cell empty if unknown"
        )
    return number
