"""What a caller hands to an attack, as the model and the tensors that attacks work on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import BoundArguments, Parameter, Signature
from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from limen.classifier import Classifier
from limen.errors import UnknownNameError, UsageError, shown
from limen.images import from_uint8, oddity
from limen.safety import is_tame
from limen.structure import check_masks

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


def as_masks(masks: Array, images: Tensor) -> Tensor:
    """Masks of foregrounds, bool (N, 1, H, W), as a tensor where they are an array, also one (N, H, W).

    Raises:
        UsageError: If they are something else.
    """
    if isinstance(masks, np.ndarray) and masks.dtype == np.bool_:
        flat = masks.ndim == images.ndim - 1
        masks = torch.from_numpy(np.ascontiguousarray(masks[:, None] if flat else masks)).to(images.device)
    found: Any = masks
    check_masks(found, images)
    return found


def check_call(targeted: object, lattice: object, ids: object, count: int) -> None:
    """Refuse what an attack cannot be called with besides images and labels.

    Raises:
        UsageError: Naming the argument.
    """
    if not isinstance(targeted, bool):
        raise UsageError(f"targeted is {shown(targeted)}; expected True or False, and the targets as labels")
    if lattice is not None and (isinstance(lattice, bool) or not isinstance(lattice, int) or lattice < 1):
        raise UsageError(
            f"lattice is {shown(lattice)}; expected None, or an integer of 1 or more such as 255"
        )
    if ids is not None and (not isinstance(ids, Sequence | np.ndarray) or isinstance(ids, str)):
        raise UsageError(f"ids are {_kind(ids)}; expected a list of one name per image")
    if isinstance(ids, Sequence | np.ndarray) and len(ids) != count:
        raise UsageError(f"{len(ids)} ids for {count} images")


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
    if kind := oddity(labels):
        raise UsageError(f"{name} are a {kind} tensor; pass a dense one that holds its values")
    if labels.dtype == torch.bool or labels.is_floating_point() or labels.is_complex():
        raise UsageError(f"{name} are {labels.dtype}; make them whole numbers with {name}.long()")
    if labels.ndim == 2:
        cure = (
            f"{name}.squeeze(1)" if labels.shape[1] == 1 else f"{name}.argmax(1), if these are one-hot rows"
        )
        raise UsageError(f"{name} have shape {tuple(labels.shape)}; expected (N,): call {cure}")
    return labels.long()


def bind_settings(
    make: Callable[..., Any], signature: Signature, args: Sequence[Any], keywords: Mapping[str, Any]
) -> BoundArguments:
    """What a factory is called with, by name, each as attacks take it.

    Raises:
        UsageError: If it is given a model, as attacks of other libraries are, or a setting that it does not
            have, or that is no setting.
    """
    name = make.__name__
    given = [*args, *(value for key, value in keywords.items() if key not in signature.parameters)]
    if any(isinstance(value, Model) for value in given):
        raise UsageError(
            f"{name} makes an attack of its settings, and the attack is given the model: "
            f"{name}(…)(model, images, labels)"
        )
    for key in keywords:
        if key not in signature.parameters:
            raise UnknownNameError(f"setting of {name}", key, signature.parameters)
    try:
        bound = signature.bind(*args, **keywords)
    except TypeError as error:
        raise UsageError(f"{name}: {error}; it takes {', '.join(signature.parameters)}") from None
    for key, value in bound.arguments.items():
        bound.arguments[key] = _checked(signature.parameters[key], as_setting(value))
    return bound


def _checked(parameter: Parameter, value: Any) -> Any:
    """The value of a setting, if it can be one: a number, or one per sample where the annotation says so."""
    name, kind = parameter.name, str(parameter.annotation)
    if isinstance(value, int | float) and not is_tame(value):
        raise UsageError(f"{name} is {value:.4g}, too large a number")
    if isinstance(parameter.default, bool) and not isinstance(value, bool):
        raise UsageError(f"{name} is {shown(value)}; expected True or False")
    if isinstance(value, list | tuple | set | dict | bytes | np.ndarray) and "tuple" not in kind:
        raise UsageError(f"{name} is {shown(value)}; expected a number, or a list of one per sample")
    if not isinstance(value, Tensor) or parameter.annotation is parameter.empty:
        return value
    if kind_of := oddity(value):
        raise UsageError(f"{name} is a {kind_of} tensor; expected a number, or one per sample (N,)")
    if value.ndim > 1:
        raise UsageError(f"{name} has shape {tuple(value.shape)}; expected a number or shape (N,)")
    if value.is_complex() or value.dtype == torch.bool:
        raise UsageError(f"{name} is {value.dtype}; expected a number, or one per sample (N,)")
    if "Tensor" in kind:
        return value
    if value.ndim:
        raise UsageError(f"{name} takes one number for all images, not {len(value)}")
    return value.item()


def as_setting(value: Any) -> Any:
    """A value of a factory: lists and arrays of numbers become tensors, NumPy's numbers Python's own.

    Example:
        >>> as_setting([0.1, 0.2]), as_setting(np.float32(0.5)), as_setting("margin")
        (tensor([0.1000, 0.2000], dtype=torch.float64), 0.5, 'margin')
    """
    if isinstance(value, np.generic):
        value = value.item()
    numbers = isinstance(value, list | tuple) and value and all(isinstance(each, Real) for each in value)
    if numbers or (isinstance(value, np.ndarray) and value.dtype.kind in "iuf"):
        # Double precision, as Python's own numbers are.
        return torch.from_numpy(np.asarray(value, np.float64))
    return value


def _kind(value: object) -> str:
    return "None" if value is None else type(value).__name__
