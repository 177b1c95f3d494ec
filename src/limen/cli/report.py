"""`limen report`: make the page of one or several runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from limen.cli.options import Figures, Formats, checked_formats


def report(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs; several are shown side by side.")],
    out: Annotated[
        Path | None, typer.Option(help="File to write; report.html in the first folder if not given.")
    ] = None,
    gallery: Annotated[
        int, typer.Option(min=0, help="How many images to show, the worst first, each under every attack.")
    ] = 200,
    pictures: Annotated[
        Literal["inside", "beside"] | None,
        typer.Option(
            help="Put the pictures into the page's one file, or into a folder beside it; as before if not "
            "given, or inside."
        ),
    ] = None,
    figures: Figures = None,
    formats: Formats = None,
) -> None:
    """Make the page of one or several runs, which needs no network, and its figures as JSON beside it.

    With --figures each chart becomes a figure for a paper, and each table CSV and LaTeX.
    """
    from limen.cli.console import output
    from limen.report import write_page

    wanted = checked_formats(figures, formats)
    output().print(f"page {write_page(runs, out, gallery=gallery, pictures=pictures)}")
    if figures is not None:
        from limen.report.figures import write_run_figures

        written = write_run_figures(runs, figures, wanted, gallery)
        output().print(f"figures {figures} ({len(written)} files)")
