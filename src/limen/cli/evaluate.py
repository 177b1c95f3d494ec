"""`limen evaluate`: measure more of runs than their attacks did, and make their pages again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from limen.cli import machine
from limen.cli.options import Device
from limen.errors import UsageError

_OVERLAP = "Where perturbations fall (with --overlap)"


def evaluate(
    context: typer.Context,
    runs: Annotated[list[Path], typer.Argument(metavar="DIR", help="Folders of runs.")],
    overlap: Annotated[
        Literal["cam", "gradcam", "gradcam++"] | None,
        typer.Option(
            help="Measure whether perturbations fall where the model looks, as this method finds it.",
            rich_help_panel=_OVERLAP,
        ),
    ] = None,
    layer: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Layer to find attention in; the last feature map if not given.",
            rich_help_panel=_OVERLAP,
        ),
    ] = None,
    images: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=0,
            max=24,
            help="Of how many images to show the attention.",
            rich_help_panel=_OVERLAP,
        ),
    ] = 12,
    limit: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Only the first so many images of the data.",
            rich_help_panel=_OVERLAP,
        ),
    ] = None,
    batch_size: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=1,
            help="Images looked at side by side; bounds the memory.",
            rich_help_panel=_OVERLAP,
        ),
    ] = 32,
    device: Device = "cpu",
    report: Annotated[bool, typer.Option(help="Make the page again at the end.")] = True,
) -> None:
    """Measure more of runs, keep it in their folders, and make their pages again.

    With --overlap the model is made from the run's spec, and must have the weights that it had then.
    """
    if overlap is None:
        _refuse(context, "--overlap", "layer", "images", "limit", "batch_size", "device")
        raise UsageError("nothing to evaluate; choose what to measure, such as --overlap gradcam++")
    machine.prepare()
    from limen.cli.console import output
    from limen.cli.overlap import measure_overlap
    from limen.report import write_page
    from limen.runs import open_run

    stored = [open_run(directory) for directory in runs]
    for run in stored:
        options = {"layer": layer, "batch_size": batch_size, "limit": limit, "pictures": images}
        measure_overlap(run, overlap, device, **options)
    for directory in runs:
        output().print(f"run  {directory}")
        if report:
            output().print(f"page {write_page([directory])}")


def _refuse(context: typer.Context, part: str, *names: str) -> None:
    """Refuse options of a part that was not asked for: passed over, they would seem obeyed."""
    for name in names:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise UsageError(f"--{name.replace('_', '-')} belongs to {part}, which is not given")
