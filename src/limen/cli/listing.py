"""`limen list`: everything that a spec or a command can name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, get_args

import typer

from limen.errors import LimenError, UnknownNameError

if TYPE_CHECKING:
    from limen.catalog import Catalog, Entry
    from limen.document import Table

Kind = Literal[
    "models",
    "data",
    "attacks",
    "defenses",
    "metrics",
    "evaluations",
    "attention",
    "features",
    "saliency",
    "foregrounds",
    "objectives",
    "augmentations",
    "optimizers",
    "schedules",
    "samplings",
    "recipes",
]


def _completed(begun: str) -> list[str]:
    return [kind for kind in get_args(Kind) if kind.startswith(begun)]


def list_(
    kind: Annotated[
        str | None,
        typer.Argument(
            metavar="[KIND]",
            help=f"What to list, everything if left out: {', '.join(get_args(Kind))}.",
            autocompletion=_completed,
        ),
    ] = None,
) -> None:
    """List all that a spec or a command can name, with parameters and defaults."""
    from limen import catalog, evaluation, training
    from limen.cli.console import output, printed
    from limen.recipes import RECIPES

    tables: dict[Kind, Catalog] = {
        "models": catalog.MODELS,
        "data": catalog.DATA,
        "attacks": catalog.ATTACKS,
        "defenses": catalog.DEFENSES,
        "metrics": catalog.METRICS,
        "evaluations": evaluation.EVALUATIONS,
        "attention": catalog.ATTENTION,
        "features": catalog.FEATURES,
        "saliency": catalog.SALIENCY,
        "foregrounds": catalog.FOREGROUNDS,
        "objectives": training.OBJECTIVES,
        "augmentations": training.AUGMENTATIONS,
        "optimizers": training.OPTIMIZERS,
        "schedules": training.SCHEDULES,
        "samplings": training.SAMPLINGS,
        "recipes": RECIPES,
    }
    for name in tables if kind is None else (_kind(kind),):
        output().print(printed(_listed(name, tables[name])))


def _kind(name: str) -> Kind:
    """The kind of this name, which may be singular, in British English, or in capitals."""
    wanted = name.lower().replace("defence", "defense").rstrip("s")
    for kind in get_args(Kind):
        if kind.rstrip("s") == wanted:
            return kind
    raise UnknownNameError("kind", name, get_args(Kind))


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
    about = Cell(f"One of your own {title}; see docs/specs.md.")
    rows.append([Cell("python:FILE.py:NAME"), Cell("those of NAME"), about])
    return Table(title, "", ("name", "parameters", "what it is"), [Group("", rows)])


def _about(entry: Entry) -> str:
    column = getattr(entry.thing, "column", None)
    return entry.summary if column is None else f"{column.heading}: {column.about}"
