"""`limen weights`: which files of weights there are, where they lie, and how they get here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from limen.cli.console import complain, output, show
from limen.errors import LimenError

if TYPE_CHECKING:
    from limen.weights import WeightsFile
    from limen.weights.download import Progress

weights = typer.Typer(no_args_is_help=True, help="List, fetch and check the weights that networks need.")

_Named = Annotated[
    list[str] | None,
    typer.Argument(help="A file, or what needs it, such as lpips or lpips:network=vgg; all if left out."),
]


@weights.command("list")
def list_() -> None:
    """List every file: its size, licence, what needs it, and where it lies, if it is here."""
    from limen.document import Cell, Group, Table
    from limen.weights import FILES, located

    rows = []
    for file in FILES.values():
        place = located(file)
        about = (file.holds, file.megabytes, file.licence, ", ".join(file.needed_by))
        here = "no" if place is None else str(place)
        rows.append([*map(Cell, (file.name, *about, here))])
    columns = ("file", "what it holds", "size", "licence", "needed by", "here")
    show(Table("weights", "", columns, [Group("", rows)]))


@weights.command()
def fetch(
    names: Annotated[
        list[str], typer.Argument(help="Files, or what needs them, such as lpips or lpips:network=vgg.")
    ],
    to: Annotated[
        Path | None, typer.Option(help="Folder to put them in; else LIMEN_WEIGHTS, or torch's.")
    ] = None,
) -> None:
    """Download files that are not here, and check them."""
    from limen.weights import fetch as download
    from limen.weights import folders, located, verify

    for file in _chosen(names):
        place = located(file) if to is None else _inside(to, file)
        if place is not None:
            verify(file, place)
        else:
            with _progress() as progress:
                place = download(file, folders()[0] if to is None else to, progress)
        output().print(str(place))


@weights.command()
def verify(names: _Named = None) -> None:
    """Compare files that are here with their published hashes; those that are named must be here."""
    from limen.weights import located
    from limen.weights import verify as compare

    faults = 0
    for file in _chosen(names):
        place = located(file)
        try:
            if place is None:
                if names:
                    raise LimenError(f"{file.name} is not here; limen weights fetch {file.name} downloads it")
                continue
            compare(file, place)
        except LimenError as error:
            faults += 1
            complain(f"error: {error}")
            continue
        output().print(f"{place}: as published")
    if faults:
        raise typer.Exit(1)


@weights.command()
def where(names: _Named = None) -> None:
    """Print the path of each file that is named, or the folders that are searched, in their order."""
    from limen.weights import folders, located

    if not names:
        for folder in folders():
            output().print(str(folder))
        return
    places = {file.name: located(file) for file in _chosen(names)}
    for place in filter(None, places.values()):
        output().print(str(place))
    if missing := [name for name, place in places.items() if place is None]:
        raise LimenError(f"not here: {', '.join(missing)}")


def _chosen(names: list[str] | None) -> list[WeightsFile]:
    from limen.weights import FILES, files_of

    found = [file for name in names for file in files_of(name)] if names else list(FILES.values())
    return list(dict.fromkeys(found))


def _inside(folder: Path, file: WeightsFile) -> Path | None:
    path = folder / file.name
    return path if path.is_file() else None


@contextmanager
def _progress() -> Iterator[Progress]:
    """A bar on standard error where that is a terminal, else a line now and then."""
    from rich.console import Console
    from rich.progress import DownloadColumn, TransferSpeedColumn

    from limen.cli.progress import bars, described
    from limen.weights.download import in_lines

    console = Console(stderr=True)
    if not console.is_terminal:
        yield in_lines()
        return
    with bars(console, DownloadColumn, TransferSpeedColumn) as shown:
        bar = shown.add_task("", total=None)
        yield lambda name, done, total: shown.update(
            bar, description=described(name, console), completed=done, total=total
        )
