"""What a recipe is: a function that measures records, and one that makes a page of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import pyarrow as pa

from limen.catalog import Request
from limen.document import Document
from limen.errors import UsageError
from limen.identity import Identity, Named
from limen.recipes.bench import Bench

_KEY = b"limen.recipe"

Describe = Callable[[pa.Table], Document]

F = TypeVar("F", bound=Callable[..., pa.Table])


@dataclass(frozen=True)
class Recipe:
    """One table or figure of a paper.

    Attributes:
        identity: Its name and options.
        measure: Measures its records on a bench.
        describe: Says what the records show, from them alone.
    """

    identity: Identity
    measure: Callable[[Bench], pa.Table]
    describe: Describe


def recipe(describe: Describe) -> Callable[[F], F]:
    """Make a recipe of a function that measures on a bench; its other parameters are the options.

    Args:
        describe: Makes the page of the records, from them alone.

    Example:
        >>> @recipe(describe=lambda table: Document(f"{table.num_rows} images"))
        ... def small_table(bench: Bench, *, images: int = 3) -> pa.Table:
        ...     return records([{"id": place} for place in range(images)])
        >>> small_table.describe(small_table(None, images=2)).title
        '2 images'
    """

    def public(measure: F) -> F:
        vars(measure).update(describe=describe)
        return measure

    return public


def ready(made: Named, request: Request) -> Recipe:
    """The recipe that a spec names, with the options that it gives."""
    describe = getattr(request.entry.thing, "describe", None)
    if describe is None:
        raise UsageError(f"{request.entry.name} is no recipe; write @recipe(describe=…) above it")
    return Recipe(made.identity, made.function, describe)


def records(rows: Iterable[Mapping[str, Any]], **said: object) -> pa.Table:
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
    """What a table says beside its rows; nothing if no recipe made it, or if it cannot be read."""
    try:
        said = json.loads((table.schema.metadata or {}).get(_KEY, b"{}"))
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
