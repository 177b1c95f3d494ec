"""One call of an attack, measured on the pixels that its files store."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from limen.attacks import Outcome
from limen.attacks.mask import known_masks
from limen.classifier import Classifier
from limen.evaluation.cleans import Cleans, as_stored, logits_of
from limen.images import to_uint8
from limen.metrics import Metric
from limen.metrics.metric import measured
from limen.runs import Settings

_TOLD = ("steps", "forwards", "backwards", "zero_gradients", "nonfinite_gradients")


@dataclass(frozen=True)
class Called:
    """A call of an attack, and what the model says of the pixels that its files store; not measured yet.

    Attributes:
        cleans: The images before it.
        outcome: What the attack returned.
        pixels: What to store, (N, H, W, C) uint8.
        stored: The images that files of these hold.
        success: Whether the model is fooled (N,) by these.
        columns: What records say of each image, by column, without what metrics say.
    """

    cleans: Cleans
    outcome: Outcome
    pixels: np.ndarray
    stored: Tensor
    success: Tensor
    columns: Mapping[str, Sequence[Any]]

    def records(self, metrics: Sequence[Metric]) -> list[dict[str, Any]]:
        """One record per image: measured is what a file stores, and beside it the attack's own image."""
        found = _stored_and_own(metrics, self.cleans.images, self.stored, self.success, self.outcome)
        columns = {**self.columns, **found}
        return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def call(
    classifier: Classifier, attack: Callable[..., Outcome], cleans: Cleans, settings: Settings
) -> Called:
    """Attack the images, and ask the model about what a file would store."""
    begin = time.perf_counter()
    outcome = attack(
        classifier,
        cleans.images,
        cleans.goals,
        targeted=settings.targeted,
        ids=cleans.ids,
        seed=settings.seed,
        lattice=settings.lattice,
        **known_masks(attack, cleans.masks),
    )
    claimed = outcome.success.tolist()  # also waits for a GPU, so the time below is the attack's
    seconds = (time.perf_counter() - begin) / len(cleans.ids)
    pixels = to_uint8(outcome.images)
    stored = as_stored(pixels, classifier)
    confidences, predictions = logits_of(classifier, stored).softmax(1).max(1)
    success = (predictions == cleans.goals) == settings.targeted
    columns = {
        **cleans.columns,
        "prediction": predictions.tolist(),
        "confidence": confidences.tolist(),
        "success": success.tolist(),
        "success_in_memory": claimed,
        **{name: getattr(outcome, name).tolist() for name in _TOLD},
        "unmasked": outcome.unmasked.bool().tolist(),
        "still": _still(outcome),
        "unconfirmed": _unconfirmed(classifier, outcome, success),
        "seconds": [seconds] * len(cleans.ids),
    }
    return Called(cleans, outcome, pixels, stored, success, columns)


def _still(outcome: Outcome) -> Sequence[bool | None]:
    """Which images no step changed; None where an attack of a user's own does not tell."""
    told = getattr(outcome, "still", None)
    return [None] * len(outcome.success) if told is None else told.bool().tolist()


def _unconfirmed(classifier: Classifier, outcome: Outcome, success: Tensor) -> Sequence[bool | None]:
    """Which successes did not hold when the model was asked again; None where its answers are repeatable.

    It has been asked twice: by the attack about its own images, and about those that files store.
    """
    if classifier.repeatable:
        return [None] * len(success)
    return (outcome.success & (outcome.unconfirmed.bool() | ~success)).tolist()


def _stored_and_own(
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
    """By its key, what each metric says of N images; None where they are not chosen or too small for it."""
    rows = chosen.nonzero().flatten().tolist()
    columns: dict[str, list[float | None]] = {each.column.key: [None] * len(images) for each in metrics}
    if rows:
        pair = originals[rows], images[rows]
        fitting = [each for each in metrics if min(images.shape[2:]) >= each.least_side]
        with torch.no_grad():
            found = measured(fitting, *pair)
        for key, values in found.items():
            for row, value in zip(rows, values.tolist(), strict=True):
                columns[key][row] = value
    return columns
