"""`limen list`: everything that a spec or a command can name."""

from __future__ import annotations

import pkgutil
from typing import TYPE_CHECKING, Annotated

import typer

from limen.errors import LimenError, UnknownNameError

if TYPE_CHECKING:
    from limen.catalog import Catalog, Entry
    from limen.document import Table

_TABLES = {
    "models": "limen.catalog:MODELS",
    "data": "limen.catalog:DATA",
    "attacks": "limen.catalog:ATTACKS",
    "defenses": "limen.catalog:DEFENSES",
    "metrics": "limen.catalog:METRICS",
    "evaluations": "limen.evaluation:EVALUATIONS",
    "indicators": "limen.evaluation.indicators:SPECS",
    "attention": "limen.catalog:ATTENTION",
    "features": "limen.catalog:FEATURES",
    "saliency": "limen.catalog:SALIENCY",
    "foregrounds": "limen.catalog:FOREGROUNDS",
    "objectives": "limen.training:OBJECTIVES",
    "augmentations": "limen.training:AUGMENTATIONS",
    "optimizers": "limen.training:OPTIMIZERS",
    "schedules": "limen.training:SCHEDULES",
    "samplings": "limen.training:SAMPLINGS",
    "recipes": "limen.recipes:RECIPES",
}
"""Where each table is; imported when it is listed, as torch takes its time."""


def _completed(begun: str) -> list[str]:
    return [kind for kind in _TABLES if kind.startswith(begun)]


def list_(
    kind: Annotated[
        str | None,
        typer.Argument(
            metavar="[KIND]",
            help=f"What to list, everything if left out: {', '.join(_TABLES)}.",
            autocompletion=_completed,
        ),
    ] = None,
) -> None:
    """List all that a spec or a command can name, with parameters and defaults."""
    from limen.cli.console import show

    for name in _TABLES if kind is None else (_kind(kind),):
        show(_listed(name, pkgutil.resolve_name(_TABLES[name])))


def _kind(name: str) -> str:
    """The kind of this name, which may be singular, in British English, or in capitals."""
    wanted = name.lower().replace("defence", "defense").rstrip("s")
    for kind in _TABLES:
        if kind.rstrip("s") == wanted:
            return kind
    raise UnknownNameError("kind", name, _TABLES)


def _listed(title: str, table: Catalog) -> Table:
    from limen.document import Cell, Group, Table

    rows = []
    for name in table.names():
        try:
            entry = table.entry(name)
        except LimenError as error:  # of an installed package, which must not hide all others
            rows.append([Cell(name), Cell(" "), Cell(str(error))])
            continue
        argument = "" if entry.argument is None else f":{entry.argument.name.upper()}"
        origin = "" if entry.origin == "limen" else f" (from {entry.origin})"
        first, *others = [*map(str, entry.parameters), ""]
        about = Cell(_about(entry) + origin)
        rows.append([Cell(entry.name + argument), Cell(first or " ", "\n".join(filter(None, others))), about])
    for prefix, library in getattr(table, "libraries", {}).items():
        rows.append([Cell(f"{prefix}:NAME"), Cell("those of NAME"), Cell(library.about)])
    about = Cell(f"One of your own {title}; see docs/specs.md.")
    rows.append([Cell("python:FILE.py:NAME"), Cell("those of NAME"), about])
    return Table(title, "", ("name", "parameters", "what it is"), [Group("", rows)])


def _about(entry: Entry) -> str:
    column = getattr(entry.thing, "column", None)
    return entry.summary if column is None else f"{column.heading}: {column.about}"
