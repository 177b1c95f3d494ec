"""`limen evaluate`: compare the attacks of runs, measure more of them, and make their pages again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from limen.cli import machine
from limen.cli.options import Device
from limen.errors import UsageError

if TYPE_CHECKING:
    from limen.runs import Run

_OVERLAP = "Where perturbations fall (with --overlap)"
_PICTURES = "Pictures (with --overlap or --magnify)"


def evaluate(
    context: typer.Context,
    runs: Annotated[list[Path], typer.Argument(metavar="DIR", help="Folders of runs.")],
    distance: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Distance to measure distortion by, such as ssim; repeatable. l2 if not given.",
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="ATTACK",
            help="Compare all others with this attack: on how many images they take less distortion.",
        ),
    ] = None,
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the figures of all runs to this file, too.")
    ] = None,
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
    magnify: Annotated[
        bool, typer.Option("--magnify", help="Magnify what is faint in original and adversarial images.")
    ] = False,
    images: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=0,
            max=24,
            help="Of how many images to show the attention, or the magnified pictures.",
            rich_help_panel=_PICTURES,
        ),
    ] = 12,
    limit: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Only the first so many images of the data.",
            rich_help_panel=_PICTURES,
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
    """Compare the attacks of runs by success and distortion, and make the runs' pages again.

    Only images that the model classified correctly count. Attacks that differ in their eps alone are one: an
    image is fooled if it is at any eps, and its distortion is the least of these.

    With --overlap the model is made from the run's spec, and must have the weights that it had then.
    """
    if overlap is None:
        _refuse(context, "--overlap", "layer", "batch_size")
    if overlap is None and not magnify:
        _refuse(context, "--overlap or --magnify", "images", "limit")
    machine.prepare()
    from limen.cli.console import output
    from limen.cli.protocol import comparison_table, measure_protocol, protocol_table, write_csv
    from limen.report import write_page
    from limen.runs import open_run

    stored = {str(directory): open_run(directory) for directory in runs}
    measured = {name: measure_protocol(run, distance or ["l2"], against) for name, run in stored.items()}
    if csv is not None:
        write_csv(csv, measured)
    for name, run in stored.items():
        title = name if len(stored) > 1 else None
        output().print(protocol_table(measured[name], title))
        if against is not None:
            output().print(comparison_table(measured[name], against, title))
        if overlap is not None:
            from limen.cli.overlap import measure_overlap

            options = {"layer": layer, "batch_size": batch_size, "limit": limit, "pictures": images}
            measure_overlap(run, overlap, device, **options)
        if magnify:
            _magnify(run, device, pictures=images, limit=limit)
        output().print(f"run  {name}")
        if report:
            output().print(f"page {write_page([name])}")
    if csv is not None:
        output().print(f"csv  {csv}")


def _magnify(run: Run, device: str, *, pictures: int, limit: int | None) -> None:
    from limen.cli.console import output
    from limen.cli.progress import showing
    from limen.evaluation import evaluate_magnification

    with showing(run.manifest.labels) as progress:
        result = evaluate_magnification(run, pictures=pictures, limit=limit, device=device, progress=progress)
    output().print(f"{len(result.pictured)} images magnified")


def _refuse(context: typer.Context, part: str, *names: str) -> None:
    """Refuse options of a part that was not asked for: passed over, they would seem obeyed."""
    for name in names:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise UsageError(f"--{name.replace('_', '-')} belongs to {part}, which is not given")
