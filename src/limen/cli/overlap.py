"""The part of `limen evaluate` that asks whether perturbations fall where the model looks."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from limen import catalog
from limen.classifier import Classifier
from limen.cli.console import output
from limen.cli.progress import showing
from limen.errors import UsageError
from limen.evaluation import evaluate_overlap
from limen.runs import OverlapEvaluation, Run
from limen.runs.overlap import TABLE_THRESHOLD

_TITLES = {
    "precision": "precision",
    "pixels": "pixels",
    "recall": "recall",
    "iou": "IoU",
    "iou_outside": "IoU outside",
}


def measure_overlap(run: Run, method: str, device: str, **options: Any) -> None:
    """Measure the overlap of a run, keep it in the run's folder, and print its table.

    Args:
        run: The run; its model is made from the spec in it.
        method: How to find where the model looks.
        device: Where to compute.
        **options: Those of `limen.evaluation.evaluate_overlap`.

    Raises:
        UsageError: If the model has other weights than the run's, or an option is wrong.
        RunError: If the run cannot be read or written.
    """
    classifier = _model(run, device)
    with showing(run.manifest.labels) as progress:
        result = evaluate_overlap(run, classifier, method=method, progress=progress, **options)
    output().print(_table(result))


def _model(run: Run, device: str) -> Classifier:
    entry = run.manifest.model
    classifier = catalog.model(entry.spec, device)
    if classifier.fingerprint() != entry.weights:
        raise UsageError(
            f"{run.directory}: {entry.spec} has other weights now than when the run was made; "
            "restore them, or attack again into another folder"
        )
    return classifier


def _table(evaluation: OverlapEvaluation) -> Table:
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
