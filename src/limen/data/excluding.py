"""Lists of samples that are to be left out, such as those whose labels turned out to be wrong."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from limen.data.errors import DataError
from limen.data.table import read_table

MARK = "exclude"
"""The column that marks a sample as one to leave out, by any text."""


def read_excluded(path: Path, known: Collection[str]) -> frozenset[str]:
    """The samples that a table says to leave out.

    Args:
        path: A CSV file with the column `id`. If there is a column `exclude`, only rows count in which it is
            not empty, so that a list for rechecking can be filled in and given back.
        known: The names of all samples.

    Raises:
        DataError: If the table cannot be read, names a sample that is none of the data, or leaves none.
    """
    rows = read_table(path, ("id",))
    marked = [row for row in rows if row.cells.get(MARK, "x")]
    for row in marked:
        if row.cells["id"] not in known:
            raise DataError(f"{row.where}: id {row.cells['id']!r} is no sample of this data; remove the line")
    found = frozenset(row.cells["id"] for row in marked)
    if found.issuperset(known):
        raise DataError(f"{path}: leaves out every sample")
    return found
