"""What a run says about each attack: success, distances, cost; and success against distortion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from limen.errors import UsageError
from limen.runs.reader import Run
from limen.runs.records import DISTANCES


@dataclass(frozen=True)
class AttackSummary:
    """One attack over all images that it is done with.

    Attributes:
        label: The attack's label.
        images: How many images were attacked.
        correct: How many of them the model classified correctly before.
        success_all: Successes as a share of all images, in [0, 1]; None without images. An image that
            was misclassified anyway is an untargeted success here.
        success_correct: Successes on correctly classified images as a share of these; None without any.
        medians: Median of each distance over the successes on correctly classified images; None
            where there are none.
        means: Likewise the mean.
        forwards: Mean forward passes an image.
        backwards: Mean backward passes an image.
        seconds: Mean seconds an image.
    """

    label: str
    images: int
    correct: int
    success_all: float | None
    success_correct: float | None
    medians: dict[str, float | None]
    means: dict[str, float | None]
    forwards: float | None
    backwards: float | None
    seconds: float | None


def summarize(run: Run) -> list[AttackSummary]:
    """Summarize each attack of a run, in the manifest's order.

    Raises:
        RunError: If the run's records cannot be read.
    """
    table = run.table()
    return [_summarize(label, table.filter(pc.field("attack") == label)) for label in run.manifest.labels]


def operating_characteristic(
    distances: np.ndarray, success_mask: np.ndarray, total: int
) -> tuple[np.ndarray, np.ndarray]:
    """The share of images that are fooled with at most a given distortion, as a step function.

    Args:
        distances: Distortion of each image, shape (N,), larger means more visible (negate PSNR and
            SSIM). Values of failures are ignored and may be NaN.
        success_mask: Which of them are successes, shape (N,).
        total: The number of images that the share is of.

    Returns:
        The distortions x in strictly rising order, and the share y of images fooled with distortion
        of at most x, both of one shape.

    Raises:
        UsageError: If the shapes differ, a success has no distance, or there are more successes than `total`.

    Example:
        >>> x, y = operating_characteristic(np.array([2.0, 1.0, np.nan]), np.array([True, True, False]), 4)
        >>> x.tolist(), y.tolist()
        ([1.0, 2.0], [0.25, 0.5])
    """
    distances, success_mask = np.asarray(distances, float), np.asarray(success_mask, bool)
    if distances.ndim != 1 or distances.shape != success_mask.shape:
        raise UsageError(
            f"distances {distances.shape} and successes {success_mask.shape} need one shape (N,)"
        )
    reached = distances[success_mask]
    if np.isnan(reached).any():
        raise UsageError("a success has no distance")
    if total < len(reached):
        raise UsageError(f"{len(reached)} successes among only {total} images")
    x, counts = np.unique(reached, return_counts=True)
    return x, np.cumsum(counts) / max(total, 1)


def _summarize(label: str, table: pa.Table) -> AttackSummary:
    columns = {name: table[name].to_numpy() for name in ("success", "forwards", "backwards", "seconds")}
    correct = np.equal(table["clean_prediction"].to_numpy(), table["label"].to_numpy())
    counted = correct & columns["success"]
    distances = {name: _known(table[name].to_numpy()[counted]) for name in DISTANCES}
    return AttackSummary(
        label=label,
        images=table.num_rows,
        correct=int(correct.sum()),
        success_all=_mean(columns["success"]),
        success_correct=_mean(columns["success"][correct]),
        medians={
            name: float(np.median(values)) if values.size else None for name, values in distances.items()
        },
        means={name: _mean(values) for name, values in distances.items()},
        forwards=_mean(columns["forwards"]),
        backwards=_mean(columns["backwards"]),
        seconds=_mean(columns["seconds"]),
    )


def _known(values: np.ndarray) -> np.ndarray:
    # Arrow hands nulls over as NaN.
    return values[~np.isnan(values)]


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if values.size else None
