"""What a caller hands to an attack, as the model and the tensors that attacks work on."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from limen.classifier import Classifier
from limen.errors import UsageError
from limen.images import from_uint8
from limen.safety import is_tame

Model = Classifier | nn.Module
"""A classifier, or a network on images in [0, 1] that one is made of."""

Array = Tensor | np.ndarray
"""A tensor, or a NumPy array that is taken to the model's device and precision."""

Labels = Tensor | np.ndarray | Sequence[int] | None
"""Whole numbers (N,); None for what the model says of the images."""


def as_classifier(model: Model) -> Classifier:
    """The classifier itself, or one of a network that takes images in [0, 1] as they are.

    Raises:
        UsageError: If it is neither.
    """
    if isinstance(model, nn.Module):
        return Classifier(model)
    if not isinstance(model, Classifier):
        raise UsageError(
            f"the model is {_kind(model)}; expected a limen.Classifier, or a torch.nn.Module on images in "
            "[0, 1]. A function can be called in the forward of a module"
        )
    return model


def as_images(images: Array, classifier: Classifier) -> Tensor:
    """Images (N, C, H, W), as a tensor where they are an array: floats, or bytes (N, H, W, C).

    Raises:
        UsageError: If they are something else.
    """
    if isinstance(images, np.ndarray):
        dtype = classifier.dtype or torch.float32
        if images.dtype == np.uint8 and images.ndim == 4 and images.shape[3] in (1, 3):
            return from_uint8(images, dtype).to(classifier.device)
        if images.dtype.kind == "f":
            return torch.from_numpy(np.ascontiguousarray(images)).to(classifier.device, dtype)
        raise UsageError(
            f"images are a NumPy array of {images.dtype} and shape {images.shape}; expected floats in [0, 1] "
            "of shape (N, C, H, W), or uint8 of shape (N, H, W, C)"
        )
    if isinstance(images, list | tuple):
        raise UsageError(f"images are a {_kind(images)}; make one batch of them with torch.stack(images)")
    if not isinstance(images, Tensor):
        raise UsageError(
            f"images are {_kind(images)}; expected a tensor (N, C, H, W) in [0, 1]. "
            "limen.images.read_image(path)[None] makes one of a file"
        )
    if images.ndim == 3:
        raise UsageError(f"images have shape {tuple(images.shape)}; one image is a batch as images[None]")
    return images


def as_labels(labels: Labels, images: Tensor, classifier: Classifier, targeted: bool) -> Tensor:
    """Labels (N,) as int64; where none are given, what the model says of the images.

    Raises:
        UsageError: If they are no whole numbers, or there are none although they say what to reach.
    """
    name = "targets" if targeted else "labels"
    if labels is None:
        if targeted:
            raise UsageError("a targeted attack needs the classes to reach; give them as labels")
        with torch.no_grad():
            return classifier(images).argmax(1)
    if not isinstance(labels, Tensor):
        try:
            found = np.asarray(labels)
        except ValueError:  # lists of several lengths
            found = np.asarray(None)
        if found.dtype.kind not in "iufb":
            raise UsageError(f"{name} are {_kind(labels)}; expected whole numbers of shape (N,), or None")
        empty = found.size == 0 and not isinstance(labels, np.ndarray)
        labels = torch.from_numpy(found.astype(np.int64 if empty else found.dtype)).to(images.device)
    if labels.dtype == torch.bool or labels.is_floating_point() or labels.is_complex():
        raise UsageError(f"{name} are {labels.dtype}; make them whole numbers with {name}.long()")
    if labels.ndim == 2:
        cure = (
            f"{name}.squeeze(1)" if labels.shape[1] == 1 else f"{name}.argmax(1), if these are one-hot rows"
        )
        raise UsageError(f"{name} have shape {tuple(labels.shape)}; expected (N,): call {cure}")
    return labels.long()


def as_setting(value: Any) -> Any:
    """A value of a factory: lists and arrays of numbers become tensors, NumPy's numbers Python's own.

    Raises:
        UsageError: If it is a number that no tensor holds.

    Example:
        >>> as_setting([0.1, 0.2]), as_setting(np.float32(0.5)), as_setting("margin")
        (tensor([0.1000, 0.2000], dtype=torch.float64), 0.5, 'margin')
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, int | float) and not is_tame(value):
        raise UsageError(f"{value:.4g} is too large a number")
    numbers = isinstance(value, list | tuple) and value and all(isinstance(each, Real) for each in value)
    if numbers or (isinstance(value, np.ndarray) and value.dtype.kind in "iuf"):
        # Double precision, as Python's own numbers are.
        return torch.as_tensor(np.asarray(value, np.float64))
    return value


def _kind(value: object) -> str:
    return "None" if value is None else type(value).__name__
