"""One call of an attack, measured on the pixels that its files store."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from limen.attacks import Outcome
from limen.classifier import Classifier
from limen.evaluation.cleans import Cleans, load, logits_of
from limen.images import to_uint8
from limen.metrics import Metric
from limen.runs import Settings


def measure(
    classifier: Classifier,
    attack: Callable[..., Outcome],
    cleans: Cleans,
    settings: Settings,
    metrics: Sequence[Metric],
) -> tuple[list[dict[str, Any]], np.ndarray]:
    """Attack the images, and measure what a file would store, and beside it the attack's own images.

    Returns:
        One record an image, and the pixels (N, H, W, C) uint8 to store.
    """
    goals = cleans.labels if cleans.targets is None else cleans.targets
    begin = time.perf_counter()
    outcome = attack(
        classifier,
        cleans.images,
        goals,
        targeted=settings.targeted,
        ids=cleans.ids,
        seed=settings.seed,
        lattice=settings.lattice,
    )
    claimed = outcome.success.tolist()  # also waits for a GPU, so the time below is the attack's
    seconds = (time.perf_counter() - begin) / len(cleans.ids)
    pixels = to_uint8(outcome.images)
    stored = load(pixels, classifier)
    confidences, predictions = logits_of(classifier, stored).softmax(1).max(1)
    success = (predictions == goals) if settings.targeted else (predictions != goals)
    columns: dict[str, list[Any]] = {
        "index": list(cleans.indices),
        "id": list(cleans.ids),
        "label": cleans.labels.tolist(),
        "target": [None] * len(cleans.ids) if cleans.targets is None else cleans.targets.tolist(),
        "source": list(cleans.sources),
        "clean_prediction": cleans.predictions.tolist(),
        "clean_confidence": cleans.confidences.tolist(),
        "prediction": predictions.tolist(),
        "confidence": confidences.tolist(),
        "success": success.tolist(),
        "success_in_memory": claimed,
        **_passes(outcome),
        "seconds": [seconds] * len(cleans.ids),
        **_both(metrics, cleans.images, stored, success, outcome),
    }
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return rows, pixels


def _passes(outcome: Outcome) -> dict[str, list[int]]:
    return {
        "steps": outcome.steps.tolist(),
        "forwards": outcome.forwards.tolist(),
        "backwards": outcome.backwards.tolist(),
        "zero_gradients": outcome.zero_gradients.tolist(),
        "nonfinite_gradients": outcome.nonfinite_gradients.tolist(),
    }


def _both(
    metrics: Sequence[Metric], originals: Tensor, stored: Tensor, success: Tensor, outcome: Outcome
) -> dict[str, list[float | None]]:
    """What each metric says of the stored images that fool, and of the attack's own."""
    same = torch.equal(outcome.images, stored) and torch.equal(outcome.success, success)
    found = distances(metrics, originals, stored, success)
    own = found if same else distances(metrics, originals, outcome.images, outcome.success)
    return found | {metric.column.in_memory: own[metric.column.key] for metric in metrics}


def distances(
    metrics: Sequence[Metric], originals: Tensor, images: Tensor, chosen: Tensor
) -> dict[str, list[float | None]]:
    """What each metric says of the chosen images; None for the others, and where they are too small for it.

    Args:
        metrics: The metrics.
        originals: Images (N, C, H, W) in [0, 1].
        images: What was made of them.
        chosen: Which of them to measure, (N,) bool.

    Returns:
        N values by the metric's key.
    """
    reached = chosen.nonzero().flatten().tolist()
    columns: dict[str, list[float | None]] = {each.column.key: [None] * len(images) for each in metrics}
    if reached:
        pair = originals[reached], images[reached]
        for metric in (each for each in metrics if min(images.shape[2:]) >= each.least_side):
            with torch.no_grad():
                values = metric(*pair).tolist()
            for i, value in zip(reached, values, strict=True):
                columns[metric.column.key][i] = value
    return columns
