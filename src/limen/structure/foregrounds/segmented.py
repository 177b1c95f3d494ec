"""The foreground as what a network for semantic segmentation takes for objects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from limen.errors import UnknownNameError, UsageError
from limen.structure.saliency.objects import as_colour, resized
from limen.user_code import UserThing, find
from limen.weights.networks import network_of, normalized


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
        images: (N, C, H, W) in [0, 1], of 1 or 3 channels; grey ones are given to the network as colour.
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
        UsageError: If the images are none of 1 or 3 channels, the size is not above 0, there is no such
            network, its weights are missing, its output is none of a segmentation network, or a class is not
            among its own.
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
    colour = as_colour(images)
    if not len(images):
        return images.new_zeros(0, 1, *images.shape[2:], dtype=torch.bool)
    if not isinstance(network, str):
        if weights is not None:
            raise UsageError(
                "weights are for a network that is named; load them into the module that is given"
            )
    elif network.startswith("python:"):
        network = network_of(_Own(find(network.removeprefix("python:"))), weights, images)
    else:
        colour = normalized(colour)
        network = network_of(_Torchvision(network), _needed(weights, network), images)
    with torch.no_grad():
        logits = _logits(network(resized(colour, size, antialias=True)), images)
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


def _needed(weights: Path | None, name: str) -> Path:
    if weights is None:
        raise UsageError(f"{name} needs its weights: give weights=PATH, of a file from torchvision")
    return weights


@dataclass(frozen=True)
class _Own:
    """The network that a user's file makes."""

    maker: UserThing

    def __call__(self) -> nn.Module:
        module = self.maker.value()
        if not isinstance(module, nn.Module):
            kind, maker = type(module).__name__, self.maker
            raise UsageError(f"python:{maker.file}:{maker.name} gives {kind}; expected a torch.nn.Module")
        return module


@dataclass(frozen=True)
class _Torchvision:
    """A network of torchvision's, without weights."""

    name: str

    def __post_init__(self) -> None:
        known = _library().list_models(module=_library().segmentation)
        if self.name not in known:
            raise UnknownNameError("segmentation network", self.name, [*known, "python:FILE.py:NAME"])

    def __call__(self) -> nn.Module:
        return _library().get_model(self.name, weights=None, weights_backbone=None, aux_loss=None)


def _library() -> Any:
    from torchvision import models

    return models
