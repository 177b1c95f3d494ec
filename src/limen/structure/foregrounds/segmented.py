"""The foreground as what a network for semantic segmentation takes for objects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from limen.compat import declare_torchvision_operators
from limen.errors import UnknownNameError, UsageError
from limen.images import check_images
from limen.user_code import find
from limen.weight_files import load_weights

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, for torchvision's networks


def segmentation(
    images: Tensor,
    *,
    network: Callable[[Tensor], Any] | str,
    weights: Path | None = None,
    classes: tuple[int, ...] = (),
    background: int = 0,
    size: int | None = None,
) -> Tensor:
    """Where a segmentation network finds one of the classes, or anything but background.

    Args:
        images: (N, C, H, W) in [0, 1]; grey ones are given to the network as colour.
        network: A name in `torchvision.models.segmentation`, `python:FILE.py:NAME`, which is a function that
            returns a module, or the module itself. It takes RGB images in [0, 1], or normalised ones if it is
            torchvision's, and gives logits (N, K, h, w), or a dictionary with them under `out`.
        weights: A file with the network's weights; torchvision's networks need one.
        classes: Those that count as foreground; none for all but the background.
        background: The class that is no object.
        size: Side that the network wants images of, to which they are resized without keeping their shape;
            None for their own.

    Returns:
        Masks, bool (N, 1, H, W), by the logits enlarged to the images.

    Raises:
        UsageError: If there is no such network, its weights are missing, its output is none of a segmentation
            network, or a class is not among its own.
        WeightsError: If the weights do not fit.

    Source:
        Tong et al. 2020, Section 3.3.

    Example:
        >>> red = nn.Conv2d(3, 2, 1, bias=False)  # red against all else
        >>> _ = red.weight.data.copy_(torch.tensor([[0.0, 1, 1], [1, 0, 0]])[:, :, None, None])
        >>> images = torch.zeros(1, 3, 1, 4)
        >>> images[:, 0, :, :2] = 1
        >>> segmentation(images, network=red)
        tensor([[[[ True,  True, False, False]]]])
    """
    check_images(images)
    if not len(images):
        return images.new_zeros(0, 1, *images.shape[2:], dtype=torch.bool)
    if isinstance(network, str):
        network = _loaded(network, weights, _changed(weights), images.dtype, images.device)
    elif weights is not None:
        raise UsageError("weights are for a network that is named; load them into the module that is given")
    with torch.no_grad():
        given = images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images
        if size is not None:
            given = interpolate(given, (size, size), mode="bilinear", antialias=True)
        logits = _logits(network(given), images)
        found = interpolate(logits, images.shape[2:], mode="bilinear").argmax(1, keepdim=True)
    known = range(logits.shape[1])
    if wrong := [each for each in (*classes, background) if each not in known]:
        raise UsageError(f"the network has the classes 0 to {known[-1]}, and not {wrong[0]}")
    wanted = classes or [each for each in known if each != background]
    return torch.isin(found, torch.tensor(wanted, device=found.device))


def _logits(made: Any, images: Tensor) -> Tensor:
    logits = made.get("out") if isinstance(made, Mapping) else made
    if not isinstance(logits, Tensor) or logits.ndim != 4 or len(logits) != len(images):
        found = tuple(logits.shape) if isinstance(logits, Tensor) else type(made).__name__
        raise UsageError(
            f"the network gives {found}; a segmentation network gives logits (N, K, h, w), or a dictionary "
            "with them under 'out'"
        )
    return logits


def _changed(weights: Path | None) -> float:
    """When a file was written last, so that another one under its name is read anew."""
    return weights.stat().st_mtime if weights is not None and weights.is_file() else 0.0


@lru_cache(maxsize=2)
def _loaded(
    name: str, weights: Path | None, changed: float, dtype: torch.dtype, device: torch.device
) -> nn.Module:
    """The network of this name, kept for the calls that follow."""
    module = _own(name.removeprefix("python:")) if name.startswith("python:") else _torchvision(name, weights)
    if weights is not None:
        load_weights(module[-1] if isinstance(module, _Normalized) else module, weights)
    return module.to(device, dtype).eval().requires_grad_(False)


def _own(reference: str) -> nn.Module:
    module = find(reference).value()
    if not isinstance(module, nn.Module):
        raise UsageError(f"python:{reference} gives {type(module).__name__}; expected a torch.nn.Module")
    return module


class _Normalized(nn.Sequential):
    """torchvision's network, behind the normalisation that it was trained with."""


def _torchvision(name: str, weights: Path | None) -> nn.Module:
    declare_torchvision_operators()
    from torchvision import models
    from torchvision.transforms import Normalize

    known = models.list_models(module=models.segmentation)
    if name not in known:
        raise UnknownNameError("segmentation network", name, [*known, "python:FILE.py:NAME"])
    if weights is None:
        raise UsageError(f"{name} needs its weights: give weights=PATH, of a file from torchvision")
    module = models.get_model(name, weights=None, weights_backbone=None, aux_loss=None)
    return _Normalized(Normalize(_MEAN, _STD), module)
