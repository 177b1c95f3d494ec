"""Foreground masks: their checks, and what an empty or a full one means."""

from __future__ import annotations

import warnings
from typing import Any, Protocol

import torch
from torch import Tensor

from limen.errors import LimenWarning, UsageError


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


def warn_of_empty_or_full(masks: Tensor) -> None:
    """Say how many masks leave an image undivided, for whoever treats the two regions differently.

    Such a mask is taken as it is: all of the image is background where it is empty, and foreground where it
    is full.

    Args:
        masks: Bool (N, 1, H, W).

    Warns:
        LimenWarning: If there is one.

    Example:
        >>> warn_of_empty_or_full(torch.tensor([[[[True, False]]]]))
    """
    counts = [int(each.sum()) for each in empty_or_full(masks)]
    if any(counts):
        warnings.warn(
            f"The foreground of {counts[0]} of {len(masks)} images is empty, so that all of them is "
            f"background; of {counts[1]} it is the whole image. Ask another method of foregrounds if that is "
            "not meant.",
            LimenWarning,
            stacklevel=3,
        )
