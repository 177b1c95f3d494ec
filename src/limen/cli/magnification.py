"""The part of `limen evaluate` that magnifies perturbations."""

from __future__ import annotations

from limen.cli.console import output
from limen.cli.progress import showing
from limen.evaluation import evaluate_magnification
from limen.runs import Run


def magnify_images(run: Run, device: str, *, pictures: int, limit: int | None) -> None:
    """Magnify images of a run, keep the pictures in the run's folder, and say how many.

    Args:
        run: The run.
        device: Where to compute.
        pictures: Of how many images.
        limit: Only the first so many images of the data set; None for all.

    Raises:
        UsageError: If the images are too small, or an option is wrong.
        RunError: If the run cannot be read or written.
    """
    with showing(run.manifest.labels) as progress:
        result = evaluate_magnification(run, pictures=pictures, limit=limit, device=device, progress=progress)
    output().print(f"{len(result.pictured)} images magnified")
