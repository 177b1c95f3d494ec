"""`limen evaluate`: measure more of a run than its attacks did, and keep it in the run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from limen.cli import machine
from limen.cli.options import Device
from limen.errors import UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from limen.classifier import Classifier
    from limen.runs import OverlapEvaluation, Run

_TITLES = {
    "precision": "precision",
    "pixels": "pixels",
    "recall": "recall",
    "iou": "IoU",
    "iou_outside": "IoU outside",
}


def evaluate(
    run: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the run.")],
    overlap: Annotated[
        Literal["cam", "gradcam", "gradcam++"] | None,
        typer.Option(
            help="Measure whether perturbations fall where the model looks, as this method finds it."
        ),
    ] = None,
    layer: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Layer to find attention in; the last feature map if not given."),
    ] = None,
    images: Annotated[
        int, typer.Option(metavar="N", min=0, max=24, help="Of how many images to show the attention.")
    ] = 12,
    limit: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Only the first so many images of the data.")
    ] = None,
    batch_size: Annotated[
        int, typer.Option(metavar="N", min=1, help="Images looked at side by side; bounds the memory.")
    ] = 32,
    device: Device = "cpu",
    report: Annotated[bool, typer.Option(help="Make the page again at the end.")] = True,
) -> None:
    """Measure more of a run, keep it in the run's folder, and make its page again.

    The model is made from the run's spec, and must have the weights that it had then.
    """
    if overlap is None:
        raise UsageError("nothing to evaluate; choose what to measure, such as --overlap gradcam++")
    machine.prepare()
    from limen import evaluation
    from limen.cli.console import output
    from limen.cli.progress import showing
    from limen.report import write_page
    from limen.runs import open_run

    stored = open_run(run)
    classifier = _model(stored, device)
    with showing(stored.manifest.labels) as progress:
        options = {"layer": layer, "batch_size": batch_size, "limit": limit, "pictures": images}
        result = evaluation.evaluate_overlap(stored, classifier, method=overlap, progress=progress, **options)
    output().print(_table(result))
    output().print(f"run  {run}")
    if report:
        output().print(f"page {write_page([run])}")


def _model(run: Run, device: str) -> Classifier:
    from limen import catalog

    entry = run.manifest.model
    classifier = catalog.model(entry.spec, device)
    if classifier.fingerprint() != entry.weights:
        raise UsageError(
            f"{run.directory}: {entry.spec} has other weights now than when the run was made; "
            "restore them, or attack again into another folder"
        )
    return classifier


def _table(evaluation: OverlapEvaluation) -> Table:
    from rich.table import Table

    from limen.runs.overlap import TABLE_THRESHOLD

    table = Table("attack", caption=f"means over the fooled images, at 1 − SSIM > {TABLE_THRESHOLD}")
    for name in ("images", *_TITLES.values(), "not perturbed"):
        table.add_column(name, justify="right")
    for overlap in evaluation.overlaps:
        place = overlap.thresholds.tolist().index(TABLE_THRESHOLD)
        means = overlap.means()
        values = [means[name].mean[place] for name in _TITLES]
        texts = ["–" if value != value else f"{value:.4f}" for value in values]
        table.add_row(overlap.label, str(len(overlap.ids)), *texts, str(overlap.empty[place]))
    return table
