"""Foreground masks: what makes them, and their checks."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor

from limen.errors import UsageError
from limen.images import oddity


class Foreground(Protocol):
    """Any function that separates an image's foreground from its background.

    It is called with images (N, C, H, W) in [0, 1], and by name with options of its own. One that also names
    a parameter `classifier` is given the classifier under test, and one that names `masks` those that the
    data gives, bool (N, 1, H, W), or None.
    """

    def __call__(self, *arguments: Any, **options: Any) -> Tensor:
        """Masks, bool (N, 1, H, W), true in the foreground."""
        ...


def check_masks(masks: Tensor, images: Tensor, name: str = "masks") -> None:
    """Refuse anything but one bool mask (1, H, W) for each image.

    Raises:
        UsageError: With what was wrong.

    Example:
        >>> check_masks(torch.zeros(2, 1, 8, 8, dtype=torch.bool), torch.rand(2, 3, 8, 8))
    """
    shape = (len(images), 1, *images.shape[2:])
    if isinstance(masks, Tensor) and (kind := oddity(masks)):
        raise UsageError(f"{name} are a {kind} tensor; pass a dense one that holds its values")
    if not isinstance(masks, Tensor) or masks.shape != shape or masks.dtype != torch.bool:
        found = f"{masks.dtype} {tuple(masks.shape)}" if isinstance(masks, Tensor) else type(masks).__name__
        raise UsageError(f"{name} must be bool {shape}, one (1, H, W) for each image, not {found}")


def empty_or_full(masks: Tensor) -> tuple[Tensor, Tensor]:
    """Which masks hold no pixel, and which hold all.

    Args:
        masks: Bool (N, 1, H, W).

    Returns:
        Whether each is empty, and whether each is full, both bool (N,).

    Example:
        >>> empty_or_full(torch.tensor([[[[False, False]]], [[[True, False]]], [[[True, True]]]]))
        (tensor([ True, False, False]), tensor([False, False,  True]))
    """
    pixels = masks.flatten(1)
    return ~pixels.any(1), pixels.all(1)
