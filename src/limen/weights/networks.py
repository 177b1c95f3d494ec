"""Networks that are loaded from a file of weights, and kept for the calls that follow."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn

from limen.weights.reading import load_weights

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet


def normalized(images: Tensor) -> Tensor:
    """RGB images (N, 3, H, W) in [0, 1], normalised as networks trained on ImageNet expect.

    Example:
        >>> normalized(torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)).flatten()
        tensor([0., 0., 0.])
    """
    mean, std = (images.new_tensor(each).view(3, 1, 1) for each in (_MEAN, _STD))
    return (images - mean) / std


def unfilled(make: Callable[[], nn.Module]) -> nn.Module:
    """A network whose parameters hold nothing, made quickly and without a draw of random numbers.

    Example:
        >>> unfilled(lambda: nn.Linear(2, 3)).weight.shape
        torch.Size([3, 2])
    """
    with torch.device("meta"):
        module = make()
    return module.to_empty(device="cpu")


def network_of(
    make: Callable[[], nn.Module], weights: Path | None, images: Tensor, *, beyond: str | None = None
) -> nn.Module:
    """A network on the images' device and in their precision, in evaluation mode, its parameters frozen.

    Args:
        make: What makes it, equal for equal networks.
        weights: A file with all of its weights; None if it has them when it is made.
        images: Those that it will be given.
        beyond: As for `limen.weights.reading.load_weights`.

    Raises:
        WeightsError: If the file cannot be read, or is of another network; it is read anew when it changes.

    Example:
        >>> network_of(nn.Flatten, None, torch.rand(1)) is network_of(nn.Flatten, None, torch.rand(2))
        True
    """
    changed = weights.stat().st_mtime_ns if weights is not None and weights.is_file() else 0
    return _loaded(make, weights, beyond, changed, images.dtype, images.device)


@lru_cache(maxsize=4)
def _loaded(
    make: Callable[[], nn.Module],
    weights: Path | None,
    beyond: str | None,
    changed: int,
    dtype: torch.dtype,
    device: torch.device,
) -> nn.Module:
    module = make()
    if weights is not None:
        load_weights(module, weights, beyond=beyond)
    return module.to(device, dtype).eval().requires_grad_(False)
