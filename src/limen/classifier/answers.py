"""What a network returned: where its logits are, and whether they are any."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from limen.errors import LimenError, is_interrupt, reason
from limen.images import oddity

_NAMES = ("logits", "output", "out")  # what networks that return several things call their logits


class ModelError(LimenError):
    """The model under test raised, or returned something that is no batch of finite logits."""


@contextmanager
def raising(what: str) -> Iterator[None]:
    """Whatever a network raises meanwhile, its exits too, as one error.

    Args:
        what: When it raised, such as "in its backward pass".

    Raises:
        ModelError: With what the network said, in one line.

    Example:
        >>> with raising("on one image"):
        ...     1 / 0
        Traceback (most recent call last):
        limen.classifier.answers.ModelError: the model raised ZeroDivisionError on one image: division by zero
    """
    try:
        yield
    except LimenError:
        raise
    except BaseException as error:
        if is_interrupt(error):
            raise
        said = f": {reason(error)}" if str(error) else ""
        raise ModelError(f"the model raised {type(error).__name__} {what}{said}") from error


def logits_of(output: Any, count: int, classes: int | None = None) -> Any:
    """The logits in what a network returned for some images, where there is one sensible reading.

    What is a tensor is returned as it is. Of a dict, a dataclass or an object, it is what they call
    `logits`; else, as of a tuple or a list, the one floating tensor (N, K) with K >= 2, or of several the one
    with as many columns as there are classes.

    Args:
        output: What the network returned.
        count: How many images it was given.
        classes: How many classes there are, where that is known.

    Returns:
        The logits, or, where nothing in the output could be logits, the output itself.

    Raises:
        ModelError: If several tensors could be the logits.

    Example:
        >>> logits, features = torch.zeros(2, 10), torch.zeros(2, 3, 8, 8)
        >>> logits_of((features, logits), 2) is logits, logits_of({"y": [logits]}, 2) is logits
        (True, True)
        >>> logits_of((logits, torch.zeros(2, 64)), 2)
        Traceback (most recent call last):
        limen.classifier.answers.ModelError: the model returned a tuple, in which (2, 10) and (2, 64) could \
each be the logits; write a torch.nn.Module around it that returns the logits alone
        >>> logits_of((logits, torch.zeros(2, 64)), 2, classes=10) is logits
        True
    """
    if isinstance(output, Tensor):
        return output
    if isinstance(getattr(output, "logits", None), Tensor):
        return output.logits
    found = [
        (name, value)
        for name, value in _leaves(output)
        if value.is_floating_point() and value.ndim == 2 and len(value) == count and value.shape[1] > 1
    ]
    readings = [[value for name, value in found if name == known] for known in _NAMES]
    readings += [[value for _, value in found if value.shape[1] == classes], [value for _, value in found]]
    for reading in readings:
        if len(reading) == 1:
            return reading[0]
    if not found:
        return output
    shapes = " and ".join(str(tuple(value.shape)) for _, value in found)
    raise ModelError(
        f"the model returned a {type(output).__name__}, in which {shapes} could each be the logits; write a "
        "torch.nn.Module around it that returns the logits alone"
    )


def _leaves(output: Any, name: object = None) -> Iterator[tuple[object, Tensor]]:
    """The tensors in nested containers, each with the key or field that it lies under."""
    if isinstance(output, Tensor):
        yield name, output
    elif isinstance(output, Mapping):
        for key, value in output.items():
            yield from _leaves(value, key)
    elif dataclasses.is_dataclass(output) and not isinstance(output, type):
        for each in dataclasses.fields(output):
            yield from _leaves(getattr(output, each.name), each.name)
    elif isinstance(output, tuple | list):
        for key, value in zip(getattr(output, "_fields", (name,) * len(output)), output, strict=True):
            yield from _leaves(value, key)


def checked_logits(logits: Any, images: Tensor, class_names: Sequence[str] | None) -> Tensor:
    """Refuse anything but finite logits (N, K) of images (N, …), with a gradient where the images need one.

    Raises:
        ModelError: If they are not.
    """
    if not isinstance(logits, Tensor):
        raise ModelError(f"the model returned {type(logits).__name__}; expected a tensor of logits")
    if kind := oddity(logits):
        raise ModelError(
            f"the model returned a {kind} tensor; return dense logits, as .to_dense() makes them"
        )
    if logits.ndim != 2 or logits.shape[0] != images.shape[0] or logits.shape[1] < 2:
        raise ModelError(
            f"the model returned shape {tuple(logits.shape)} for {images.shape[0]} images; "
            "expected (N, K) logits of K >= 2 classes"
        )
    if not logits.is_floating_point():
        raise ModelError(f"the model returned {logits.dtype}; expected floating-point logits")
    if class_names is not None and len(class_names) != logits.shape[1]:
        raise ModelError(f"{len(class_names)} class names for {logits.shape[1]} logits")
    if torch.is_grad_enabled() and images.requires_grad and not logits.requires_grad:
        raise ModelError(
            "no gradient flows through the model: it detaches the images, or uses no_grad, NumPy or "
            "layers of integers. Let the gradient pass straight through these; or attack the model "
            "without them, and see which of those images fool this one"
        )
    # The largest value is infinite or NaN where one of them is.
    if len(logits) and not math.isfinite(float(logits.detach().abs().amax())):
        bad = int((~torch.isfinite(logits).all(1)).sum())
        raise ModelError(f"the model returned NaN or infinite logits for {bad} of {len(logits)} images")
    return logits.to(images.dtype)  # a network may work in half precision inside
