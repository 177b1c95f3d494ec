"""What a recipe measured, as tidy rows: a figure with its interval, and beside it what the paper printed."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa

_KEY = b"limen.recipe"

Row = Mapping[str, Any]


def records(rows: Iterable[Row], **said: object) -> pa.Table:
    """Rows as a table, and what else its page needs; what a row lacks is null, and so is NaN.

    Args:
        rows: The rows.
        **said: Anything that JSON has, such as `facts` of how the rows were made.

    Example:
        >>> table = records([{"attack": "FGSM", "value": 0.5}, {"attack": "PGD", "paper": 0.9}], kind="mnist")
        >>> table.to_pylist()[1], about(table)
        ({'attack': 'PGD', 'value': None, 'paper': 0.9}, {'kind': 'mnist'})
    """
    listed = list(rows)
    columns = dict.fromkeys(key for row in listed for key in row)
    table = pa.table({key: pa.array([row.get(key) for row in listed], from_pandas=True) for key in columns})
    return saying(table, **said)


def saying(table: pa.Table, **more: object) -> pa.Table:
    """The table with more that its page needs."""
    return table.replace_schema_metadata({_KEY: json.dumps({**about(table), **more})})


def about(table: pa.Table) -> dict[str, Any]:
    """What a table says beside its rows; nothing if no recipe made it."""
    return json.loads((table.schema.metadata or {}).get(_KEY, b"{}"))


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
