"""Salient-object networks: their maps in [0, 1], enlarged to the images."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from limen.errors import UsageError
from limen.images import check_images


def as_colour(images: Tensor) -> Tensor:
    """Images (N, 3, H, W) of 1 or 3 channels.

    Raises:
        UsageError: If they are no images, or of another number of channels.

    Example:
        >>> as_colour(torch.rand(1, 1, 4, 4)).shape
        torch.Size([1, 3, 4, 4])
    """
    check_images(images)
    if images.shape[1] not in (1, 3):
        raise UsageError(f"the network takes 1 or 3 channels; the images have {images.shape[1]}")
    return images.expand(-1, 3, -1, -1)


def resized(images: Tensor, size: int | None, antialias: bool) -> Tensor:
    """Images at the side that a network wants, without keeping their shape; None for their own sides.

    Raises:
        UsageError: If the size is not above 0.

    Example:
        >>> resized(torch.rand(1, 3, 4, 6), 2, antialias=True).shape
        torch.Size([1, 3, 2, 2])
    """
    if size is None:
        return images
    if size < 1:
        raise UsageError(f"size must be 1 or more, not {size}")
    return interpolate(images, (size, size), mode="bilinear", antialias=antialias)


def object_maps(
    network: Callable[[Tensor], Tensor], images: Tensor, size: int | None, antialias: bool = False
) -> Tensor:
    """A network's maps of how surely a pixel is of the salient object.

    Args:
        network: Of images (N, 3, h, w) to logits (N, 1, h', w').
        images: (N, 3, H, W) in [0, 1].
        size: Side to which the network wants images resized, without keeping their shape; None for their own.
        antialias: Whether resizing blurs first.

    Returns:
        Maps (N, H, W) in [0, 1].

    Raises:
        UsageError: If the size is not above 0.

    Example:
        >>> object_maps(lambda x: x[:, :1], torch.zeros(1, 3, 2, 2), size=8)
        tensor([[[0.5000, 0.5000],
                 [0.5000, 0.5000]]])
    """
    if not len(images):
        return images[:, 0]
    maps = torch.sigmoid(network(resized(images, size, antialias)))
    return interpolate(maps, images.shape[2:], mode="bilinear")[:, 0]
