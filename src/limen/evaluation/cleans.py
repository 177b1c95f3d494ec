"""Images before any attack, as their files hold them, and what the model says of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from limen.classifier import Classifier
from limen.data import Batch
from limen.errors import UsageError
from limen.images import from_uint8, to_uint8


@dataclass(frozen=True)
class Cleans:
    """A batch before any attack, as its PNGs hold it, and what the model says of it.

    `sources` has the `source_of` each image.
    """

    ids: tuple[str, ...]
    indices: tuple[int, ...]
    pixels: np.ndarray
    images: Tensor
    labels: Tensor
    targets: Tensor | None
    predictions: Tensor
    confidences: Tensor
    sources: tuple[str, ...]

    def at(self, places: Sequence[int]) -> Cleans:
        """The images at these places, in this order, each as often as it is named."""
        if list(places) == list(range(len(self.ids))):
            return self
        rows = list(places)
        return Cleans(
            ids=tuple(self.ids[place] for place in rows),
            indices=tuple(self.indices[place] for place in rows),
            pixels=self.pixels[rows],
            images=self.images[rows],
            labels=self.labels[rows],
            targets=None if self.targets is None else self.targets[rows],
            predictions=self.predictions[rows],
            confidences=self.confidences[rows],
            sources=tuple(self.sources[place] for place in rows),
        )


def classify(classifier: Classifier, spec: str, batch: Batch, targeted: bool) -> Cleans:
    """What the model says of a batch as its PNGs hold it.

    Args:
        classifier: The model under test.
        spec: How errors call the data set.
        batch: The images as they were read.
        targeted: Whether attacks will aim at the batch's targets.

    Raises:
        UsageError: If a label or target is none of the model's classes, or targets are missing.
    """
    pixels = to_uint8(batch.images)
    images = load(pixels, classifier)
    logits = logits_of(classifier, images)
    _check_classes(spec, "label", batch.ids, batch.labels, logits.shape[1])
    if targeted:
        if batch.targets is None:
            raise UsageError(
                f"{spec}: names no target classes, which targeted attacks need; choose other data"
            )
        _check_classes(spec, "target", batch.ids, batch.targets, logits.shape[1])
    confidences, predictions = logits.softmax(1).max(1)
    labels = batch.labels.to(classifier.device)
    targets = batch.targets.to(classifier.device) if targeted and batch.targets is not None else None
    goals = [None] * len(pixels) if targets is None else targets.tolist()
    sources = tuple(map(source_of, pixels, batch.labels.tolist(), goals))
    return Cleans(
        batch.ids, batch.indices, pixels, images, labels, targets, predictions, confidences, sources
    )


def source_of(pixels: np.ndarray, label: int, target: int | None) -> str:
    """The SHA-256 of all that a run takes from its data for an image, by which a changed one is noticed.

    Args:
        pixels: The image as it was read, (H, W, C) uint8.
        label: The true class.
        target: The class to reach; None in an untargeted run.
    """
    digest = hashlib.sha256(repr((pixels.shape, label, target)).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def _check_classes(spec: str, what: str, ids: Sequence[str], classes: Tensor, count: int) -> None:
    for image_id, value in zip(ids, classes.tolist(), strict=True):
        if not 0 <= value < count:
            raise UsageError(
                f"{spec}: image {image_id!r} has {what} {value}, but the model has {count} classes "
                f"(0 to {count - 1}); choose data whose classes are the model's"
            )


def load(pixels: np.ndarray, classifier: Classifier) -> Tensor:
    """The images (N, C, H, W) that PNGs of these pixels (N, H, W, C) hold, where the model is."""
    return from_uint8(pixels).to(classifier.device, classifier.dtype)


def logits_of(classifier: Classifier, images: Tensor) -> Tensor:
    """The model's answer (N, K) without a gradient."""
    # float64, so that a confidence near 1 is not rounded to it.
    with torch.no_grad():
        return classifier(images).double()
