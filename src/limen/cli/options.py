"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from limen.errors import UnknownNameError, UsageError
from limen.safety import MOST_COUNT


def option(metavar: str, about: str, *names: str, **limits: Any) -> Any:
    """An option that takes a value, for a parameter's annotation."""
    return typer.Option(*names, metavar=metavar, help=about, **limits)


COUNT: dict[str, Any] = {"min": 1, "max": MOST_COUNT}
"""The limits of an option that says how many."""

PROCESSES: dict[str, Any] = {"max": 256}
"""The limit of an option that says how many processes are started: more would stop any machine."""

_MOST_SEED = 2**63 - 1

Out = Annotated[Path, option("DIR", "Folder of the run; made if missing, resumed if it holds this run.")]
Device = Annotated[str, option("NAME", "Where to compute: cpu, cuda, cuda:1, mps.")]
BatchSize = Annotated[int, option("N", "Images side by side; bounds the memory.", **COUNT)]
Limit = Annotated[int | None, option("N", "Only the first so many images.", min=1)]
Seed = Annotated[int, option("N", "Seed of everything that is drawn.", min=0, max=_MOST_SEED)]
Ray = Annotated[
    str | None,
    option(
        "ADDRESS",
        "Share the work out over Ray: local for this machine alone, or a cluster's address, such as auto.",
    ),
]
WorkerCount = Annotated[
    int,
    option("N", "With --ray: how many workers, each with one core of a CPU.", "--workers", min=1, max=65536),
]
GpusPerWorker = Annotated[
    float,
    option("G", "With --ray: of how many GPUs each worker has the use, such as 1 or 0.5.", min=0, max=16),
]
Trust = Annotated[
    list[Path] | None,
    option("FILE", "A file of code that the runs name, which you have read and let run; repeatable."),
]

Figures = Annotated[
    Path | None,
    option("DIR", "Write all charts, pictures and tables into this folder, too, as a paper needs them."),
]
Formats = Annotated[
    list[str] | None,
    option("NAME", "Format of figures: pdf, svg or png; repeatable. All three if not given.", "--format"),
]

_FORMATS = ("pdf", "svg", "png")

OF_DATA = "data"
"""The value of `--targeted` that stands for the data's own targets."""


def checked_formats(figures: Path | None, formats: list[str] | None) -> list[Any]:
    """The formats to write figures in, before anything takes its time.

    Raises:
        UsageError: If one is not known, or there is no folder for them.
    """
    if formats and figures is None:
        raise UsageError("--format says how figures are written; give their folder, too: --figures DIR")
    unknown = [each for each in formats or () if each not in _FORMATS]
    if unknown:
        raise UnknownNameError("format of figures", unknown[0], _FORMATS)
    return formats or [*_FORMATS]


class Targeting(TyperCommand):
    """A command whose option `--targeted` may stand alone, for the data's own targets."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Give the option its value where it has none."""
        alone = [
            arg == "--targeted" and (following is None or following.startswith("-"))
            for arg, following in zip(args, [*args[1:], None], strict=False)
        ]
        given = [f"{arg}={OF_DATA}" if bare else arg for arg, bare in zip(args, alone, strict=True)]
        return super().parse_args(ctx, given)
