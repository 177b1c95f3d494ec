"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def option(metavar: str, about: str, *names: str, **limits: Any) -> Any:
    """An option that takes a value, for a parameter's annotation."""
    return typer.Option(*names, metavar=metavar, help=about, **limits)


Out = Annotated[Path, option("DIR", "Folder of the run; made if missing, resumed if it holds this run.")]
Device = Annotated[str, option("NAME", "Where to compute: cpu, cuda, cuda:1, mps.")]
BatchSize = Annotated[int, option("N", "Images side by side; bounds the memory.", min=1)]
Limit = Annotated[int | None, option("N", "Only the first so many images.", min=1)]
Seed = Annotated[int, option("N", "Seed of everything that is drawn.", min=0)]
