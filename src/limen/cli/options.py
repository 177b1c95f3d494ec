"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Out = Annotated[
    Path,
    typer.Option(metavar="DIR", help="Folder of the run; made if missing, resumed if it holds this run."),
]
Device = Annotated[str, typer.Option(metavar="NAME", help="Where to compute: cpu, cuda, cuda:1, mps.")]
BatchSize = Annotated[
    int, typer.Option(metavar="N", min=1, help="Images attacked side by side; bounds the memory.")
]
Limit = Annotated[int | None, typer.Option(metavar="N", min=1, help="Only the first so many images.")]
Seed = Annotated[int, typer.Option(metavar="N", min=0, help="Seed of everything that is drawn.")]
