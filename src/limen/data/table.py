"""Tables in CSV that nobody vouches for."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from limen.data.errors import DataError
from limen.errors import reason
from limen.safety import read_text


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Attributes:
        where: The file and the line, as an error begins.
        cells: The text of each column, without spaces around it.
    """

    where: str
    cells: dict[str, str]

    def filled(self, column: str) -> str:
        """The text of a column, which must not be empty.

        Raises:
            DataError: If it is.
        """
        if not self.cells[column]:
            raise DataError(f"{self.where}: {column} is empty; every row needs one")
        return self.cells[column]


def read_table(path: Path, columns: Sequence[str], what: str = "", root: Path | None = None) -> list[Row]:
    """Read the rows of a table with a first line of column names.

    Args:
        path: The file, in UTF-8.
        columns: Columns that must be there.
        what: What more to say of the columns, for an error.
        root: The resolved folder that it must lie in when all links are followed; None for anywhere.

    Raises:
        DataError: If the file cannot be read, a column is missing or there twice, or a row has another number
            of cells; the message names the line.
    """
    try:
        reader = csv.reader(io.StringIO(read_text(path, root), newline=""))
        names = [name.strip() for name in next(reader, [])]
        missing = [column for column in columns if names.count(column) != 1]
        if missing:
            raise DataError(f"{path}: expected once each the columns {', '.join(columns)}{what}")
        rows = []
        for cells in filter(None, reader):
            where = f"{path}, line {reader.line_num}"
            if len(cells) != len(names):
                raise DataError(f"{where}: {len(cells)} cells where {len(names)} belong")
            texts = (cell.strip() for cell in cells)
            rows.append(Row(where, dict(zip(names, texts, strict=True))))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read ({reason(error)})") from error
    return rows
