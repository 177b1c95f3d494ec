"""`limen reproduce`: a table or figure of a paper, on the user's model and images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from limen.cli import machine
from limen.cli.options import BatchSize, Device, Figures, Formats, Limit, Seed, Trust, checked_formats, option


def reproduce(
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE",
            help="What to reproduce, with its options, such as pgap-table-2:quality=0.99; "
            "`limen list recipes` names everything.",
        ),
    ],
    model: Annotated[str, option("SPEC", "Model, such as torchvision:mobilenet_v2.")],
    data: Annotated[str, option("SPEC", "Images, such as nips2017:FOLDER,size=224.")],
    out: Annotated[Path, option("DIR", "Folder of runs and pages; recipes share their runs there.")],
    limit: Limit = None,
    batch_size: BatchSize = 32,
    device: Device = "cpu",
    seed: Seed = 0,
    trust: Trust = None,
    figures: Figures = None,
    formats: Formats = None,
) -> None:
    """Reproduce a table or figure of a paper, beside the figures that it printed.

    The same command again resumes; another recipe in the same folder takes what is there. With --figures its
    charts and pictures become figures for a paper, and its tables CSV and LaTeX.
    Code in files that only what a recipe reads names is run only if you name the file by --trust.
    """
    wanted = checked_formats(figures, formats)
    machine.prepare()
    from limen.cli.console import output, show
    from limen.cli.progress import showing
    from limen.recipes import Bench
    from limen.recipes import reproduce as made_of

    bench = Bench(model, data, out, limit, batch_size, device, seed, showing, trust or ())
    document, files = made_of(recipe, bench)
    show(*document.blocks)
    for what, path in files.items():
        output().print(f"{what:8}{path}")
    if figures is not None:
        from limen.report.figures import write_figures

        written = write_figures(document, figures, wanted)
        output().print(f"figures {figures} ({len(written)} files)")
