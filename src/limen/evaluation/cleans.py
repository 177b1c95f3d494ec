"""Images before any attack, as their files hold them, and what the model says of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from limen.classifier import Classifier
from limen.data import UNLABELLED, Batch
from limen.errors import UsageError
from limen.evaluation.aims import aimed
from limen.evaluation.recorded import source_of
from limen.images import from_uint8, to_uint8
from limen.runs import Settings


@dataclass(frozen=True)
class Cleans:
    """A batch before any attack, as its PNGs hold it.

    Attributes:
        images: The images, where the model is.
        goals: What attacks are given: the targets in a targeted run, else the labels.
        columns: What records say of each image before any attack, by column.
        masks: Which pixels are foreground, if the data says it: bool (N, 1, H, W).
    """

    images: Tensor
    goals: Tensor
    columns: Mapping[str, Sequence[Any]]
    masks: Tensor | None = None

    @property
    def ids(self) -> Sequence[str]:
        """The names of the images."""
        return self.columns["id"]

    def reached(self) -> list[int]:
        """The places of images that are of the class to reach already."""
        pairs = zip(self.columns["label"], self.columns["target"], strict=True)
        return [place for place, (label, target) in enumerate(pairs) if label == target]

    def at(self, places: Sequence[int]) -> Cleans:
        """The images at these places, in this order, each as often as it is named."""
        rows = list(places)
        if rows == list(range(len(self.ids))):
            return self
        columns = {name: tuple(values[row] for row in rows) for name, values in self.columns.items()}
        masks = None if self.masks is None else self.masks[rows]
        return Cleans(self.images[rows], self.goals[rows], columns, masks)


def classify(classifier: Classifier, spec: str, batch: Batch, settings: Settings) -> Cleans:
    """What the model says of a batch as its PNGs hold it; errors call the data set by its spec.

    Raises:
        UsageError: If a label or target is none of the model's classes, or targets are missing.
    """
    pixels = to_uint8(batch.images)
    images = as_stored(pixels, classifier)
    logits = logits_of(classifier, images)
    confidences, predictions = logits.softmax(1).max(1)
    labels = torch.tensor(right_labels(batch, predictions.tolist()))
    _check_classes(spec, "label", batch.ids, labels, logits.shape[1])
    targets = _targets(spec, batch, settings, labels, logits.cpu()) if settings.targeted else None
    nothing = [None] * len(batch.ids)
    # What the data says, by which a changed image is noticed; the run's own aim is none of that.
    own_targets = nothing if targets is None or settings.aim is not None else targets.tolist()
    own_masks = nothing if batch.masks is None else batch.masks.numpy()
    columns = {
        "index": batch.indices,
        "id": batch.ids,
        "label": labels.tolist(),
        "group": nothing if batch.groups is None else batch.groups,
        "target": nothing if targets is None else targets.tolist(),
        "source": [*map(source_of, pixels, batch.labels.tolist(), own_targets, own_masks)],
        "clean_prediction": predictions.tolist(),
        "clean_confidence": confidences.tolist(),
    }
    goals = (labels if targets is None else targets).to(classifier.device)
    return Cleans(images, goals, columns, None if batch.masks is None else batch.masks.to(classifier.device))


def _targets(spec: str, batch: Batch, settings: Settings, labels: Tensor, logits: Tensor) -> Tensor:
    """The class (N,) that each image is to be taken for: the run's aim, or what the data says."""
    if settings.aim is not None:
        return aimed(settings.aim, labels, logits, settings.seed, batch.ids)
    if batch.targets is None:
        raise UsageError(
            f"{spec}: names no target classes; say which to aim at with --targeted least_likely, "
            "--targeted random, or --targeted target=N"
        )
    _check_classes(spec, "target", batch.ids, batch.targets, logits.shape[1])
    return batch.targets


def right_labels(batch: Batch, predictions: Sequence[int]) -> list[int]:
    """The label of each image; of one that shows several classes the one that the model names, if any.

    An image without a label has the one that the model gives it.
    """
    also = batch.also or ((),) * len(batch.ids)
    return [
        prediction if prediction in others or label == UNLABELLED else label
        for label, prediction, others in zip(batch.labels.tolist(), predictions, also, strict=True)
    ]


def _check_classes(spec: str, what: str, ids: Sequence[str], classes: Tensor, count: int) -> None:
    for image_id, value in zip(ids, classes.tolist(), strict=True):
        if not 0 <= value < count:
            raise UsageError(
                f"{spec}: image {image_id!r} has {what} {value}, but the model has {count} classes "
                f"(0 to {count - 1}); choose data whose classes are the model's"
            )


def as_stored(pixels: np.ndarray, classifier: Classifier) -> Tensor:
    """The images (N, C, H, W) that PNGs of these pixels (N, H, W, C) hold, where the model is."""
    return from_uint8(pixels).to(classifier.device, classifier.dtype)


def logits_of(classifier: Classifier, images: Tensor) -> Tensor:
    """The model's answer (N, K) without a gradient."""
    # float64, so that a confidence near 1 is not rounded to it.
    with torch.no_grad():
        return classifier(images).double()
