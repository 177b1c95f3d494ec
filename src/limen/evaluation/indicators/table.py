"""Every indicator that a spec can name, and what those of a run have found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from limen.catalog import Catalog, Request
from limen.errors import UsageError
from limen.evaluation.indicators import of_gradient, of_model, of_path, of_rivals
from limen.evaluation.indicators.indicator import Finding, Indicator, of_function
from limen.identity import Named
from limen.runs import Stored
from limen.spec import write_spec
from limen.user_code import named_by


def _of(*modules: ModuleType) -> dict[str, Callable[..., Any]]:
    """By their keys, the functions of these modules that are indicators, in their order."""
    made = [each for module in modules for each in vars(module).values() if hasattr(each, "indicator")]
    return {of_function(each).key: each for each in made if callable(each)}


def _indicator(measure: Named, request: Request) -> Indicator:
    """The indicator, with its options in its key."""
    known = of_function(request.entry.thing)
    stated = request.identity.stated
    options = write_spec("", [(key, request.identity.parameters[key]) for key in stated]) if stated else ""
    title = f"{known.title} ({options[1:]})" if options else known.title
    return replace(known, key=known.key + options, title=title, measure=measure)


SPECS = Catalog(
    "indicator",
    _of(of_gradient, of_model, of_path, of_rivals),
    "limen.indicators",
    argument=False,
    takes=1,
    finish=_indicator,
)
"""The indicators that a spec can name; a user's own is a function made one by `indicator`."""

INDICATORS: dict[str, Indicator] = {key: of_function(each) for key, each in SPECS.factories.items()}
"""Every indicator of Limen by its key, in the order in which they are shown."""


def chosen(only: Sequence[str], also: Sequence[str] = ()) -> list[Indicator]:
    """The indicators that specs name, and others beside them.

    Args:
        only: Specs; all of Limen's own if there are none.
        also: Specs of others.

    Raises:
        UsageError: If a spec cannot be followed, or two indicators have one key.
    """
    found = [*map(SPECS.make, only)] if only else [*INDICATORS.values()]
    found += map(SPECS.make, also)
    keys = [each.key for each in found]
    if twice := sorted({key for key in keys if keys.count(key) > 1}):
        raise UsageError(f"two indicators are called {twice[0]}; leave one out, or give it another key")
    return found


def findings(stored: Stored, trust: Iterable[str | Path] = ()) -> list[Finding]:
    """What each indicator says of each attack of a run: attack by attack, found or not.

    Args:
        stored: The evaluation `indicators` of the run.
        trust: The files of `python:FILE.py:NAME` that it may name; those that this process has run already
            need not be told.

    Raises:
        LimenError: If code would run that only the run names.
    """
    records = stored.records()
    if "indicator" not in records.column_names:
        return []
    options = stored.identity.parameters
    with named_by(str(stored.run.directory), trust):
        wanted = chosen(*(tuple(options.get(name) or ()) for name in ("only", "also")))  # type: ignore[arg-type]
    found = []
    for attack in stored.attacks:
        rows = records.filter((pc.field("attack") == attack) & pc.field("indicator").is_valid())
        keys, values = np.array(rows["indicator"].to_pylist(), str), rows["value"].to_numpy()
        found += [each.judge(attack, values[keys == each.key]) for each in wanted if each.key in keys]
    return found


def summary(stored: Stored, trust: Iterable[str | Path] = ()) -> pa.Table:
    """The findings as a table, a row for each attack and indicator, and a column for each field."""
    schema = pa.schema(
        [
            ("attack", pa.string()),
            ("indicator", pa.string()),
            ("found", pa.bool_()),
            ("images", pa.int64()),
            ("count", pa.int64()),
            ("value", pa.float64()),
        ]
    )
    rows = [{name: getattr(each, name) for name in schema.names} for each in findings(stored, trust)]
    return pa.Table.from_pylist(rows, schema)
