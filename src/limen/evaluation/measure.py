"""One call of an attack, measured on the pixels that its files store."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from torch import Tensor

from limen.attacks import Attack, Outcome
from limen.classifier import Classifier
from limen.evaluation.cleans import Cleans, load, logits_of
from limen.images import to_uint8
from limen.metrics import LEAST_SIDE, METRICS
from limen.runs import DISTANCES, Settings


def measure(
    classifier: Classifier, attack: Attack, cleans: Cleans, settings: Settings
) -> tuple[list[dict[str, Any]], np.ndarray]:
    """Attack the images, and measure what a file would store.

    Returns:
        One record an image, and the pixels (N, H, W, C) uint8 to store.
    """
    aims = cleans.labels if cleans.targets is None else cleans.targets
    begin = time.perf_counter()
    outcome = attack(
        classifier,
        cleans.images,
        aims,
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
    success = (predictions == aims) if settings.targeted else (predictions != aims)
    columns: dict[str, list[Any]] = {
        "index": list(cleans.indices),
        "id": list(cleans.ids),
        "label": cleans.labels.tolist(),
        "target": [None] * len(cleans.ids) if cleans.targets is None else cleans.targets.tolist(),
        "clean_prediction": cleans.predictions.tolist(),
        "clean_confidence": cleans.confidences.tolist(),
        "prediction": predictions.tolist(),
        "confidence": confidences.tolist(),
        "success": success.tolist(),
        "success_in_memory": claimed,
        **_passes(outcome),
        "seconds": [seconds] * len(cleans.ids),
        **_distances(cleans.images, stored, success),
    }
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return rows, pixels


def _passes(outcome: Outcome) -> dict[str, list[int]]:
    return {
        "steps": outcome.steps.tolist(),
        "forwards": outcome.forwards.tolist(),
        "backwards": outcome.backwards.tolist(),
    }


def _distances(originals: Tensor, stored: Tensor, success: Tensor) -> dict[str, list[float | None]]:
    reached = success.nonzero().flatten().tolist()
    columns: dict[str, list[float | None]] = {name: [None] * len(stored) for name in DISTANCES}
    if not reached:
        return columns
    pair, side = (originals[reached], stored[reached]), min(stored.shape[2:])
    for name in (each for each in DISTANCES if side >= LEAST_SIDE.get(each, 1)):
        with torch.no_grad():
            values = METRICS[name](*pair).tolist()
        for i, value in zip(reached, values, strict=True):
            columns[name][i] = value
    return columns
