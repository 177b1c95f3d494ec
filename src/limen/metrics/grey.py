"""Colour images as grey ones, for the metrics that were made for these."""

from __future__ import annotations

from torch import Tensor

from limen.errors import UsageError

_LUMA = (0.299, 0.587, 0.114)


def grey(images: Tensor) -> Tensor:
    """The luma (N, H, W) of images of 1 or 3 channels, by the weights of ITU-R BT.601.

    Raises:
        UsageError: If there is another number of channels.

    Example:
        >>> import torch
        >>> grey(torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1))
        tensor([[[0.2990]]])
    """
    if images.shape[1] == 1:
        return images[:, 0]
    if images.shape[1] != 3:
        raise UsageError(f"the luma is that of 1 or 3 channels; the images have {images.shape[1]}")
    red, green, blue = images.unbind(1)
    return _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue
