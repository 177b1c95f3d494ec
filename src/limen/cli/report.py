"""`limen report`: make the page of one or several runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs; several are shown side by side.")],
    out: Annotated[
        Path | None, typer.Option(help="File to write; report.html in the first folder if not given.")
    ] = None,
    gallery: Annotated[
        int, typer.Option(min=0, help="How many images to show, each under every attack.")
    ] = 24,
) -> None:
    """Make the page of one or several runs: one file, which needs no network."""
    from limen.cli.console import output
    from limen.report import write_page

    output().print(f"page {write_page(runs, out, gallery=gallery)}")
