"""The Gaussian window of the SSIM family, and how it is moved over an image."""

from __future__ import annotations

import functools

import torch
from torch import Tensor
from torch.nn import functional

TAPS = 11
RADIUS = TAPS // 2
_SIGMA = 1.5
_SMALL = 64
"""Up to this side products with matrices are faster on a CPU than a convolution: at 12 pixels tenfold."""


def gaussian_window(dtype: torch.dtype = torch.float32, device: torch.device | None = None) -> Tensor:
    """One axis of the window of Wang et al. 2004: 11 taps, σ = 1.5, sum 1.

    The window over an image is this one's outer product with itself.

    Example:
        >>> gaussian_window()
        tensor([0.0010, 0.0076, 0.0360, 0.1094, 0.2130, 0.2660, 0.2130, 0.1094, 0.0360, 0.0076, 0.0010])
    """
    offsets = torch.arange(-RADIUS, RADIUS + 1, dtype=torch.float64, device="cpu")
    weights = torch.exp(-(offsets**2) / (2 * _SIGMA**2))
    return (weights / weights.sum()).to(device, dtype)


def window_mean(images: Tensor) -> Tensor:
    """Weighted mean under the window, wherever it lies whole in the image.

    Args:
        images: (N, C, H, W), both sides at least 11.

    Returns:
        (N, C, H − 10, W − 10).
    """
    rows, columns = images.shape[2:]
    if max(rows, columns) <= _SMALL and images.device.type == "cpu":
        return _bands(rows, images.dtype) @ images @ _bands(columns, images.dtype).mT
    return separable_filter(images, gaussian_window(images.dtype, images.device))


@functools.cache
@torch.inference_mode(False)
def _bands(side: int, dtype: torch.dtype) -> Tensor:
    """The window's mean wherever it lies whole along an axis, as a matrix (side − 10, side)."""
    places = side - 2 * RADIUS
    return functional.pad(gaussian_window(dtype), (0, places)).repeat(places)[:-places].reshape(places, side)


def separable_filter(images: Tensor, taps: Tensor, stride: int = 1) -> Tensor:
    """Weighted sums of each plane under a square window, wherever it lies whole in the image.

    Args:
        images: (N, C, H, W), both sides at least the number of taps.
        taps: The weights (k,) of one axis; the window is their outer product with themselves.
        stride: How many pixels the window is moved by.

    Returns:
        (N, C, h, w), h = (H − k) // stride + 1 and w likewise.
    """
    count, channels, *sides = images.shape
    reach = len(taps) - 1
    if count == 0:
        return images[..., : sides[0] - reach : stride, : sides[1] - reach : stride]
    # All planes as the channels of one depthwise convolution: several times faster on a CPU than as
    # a batch, and never given to cuDNN's TF32, whose 10 bits would drown the variances. One plane
    # alone would not count as depthwise and be given to TF32, so it goes twice.
    planes = images.reshape(1, count * channels, *sides)
    if count * channels == 1:
        planes = planes.expand(1, 2, *sides)
    groups = planes.shape[1]
    weights = taps.expand(groups, 1, len(taps))
    rows = functional.conv2d(planes, weights.unsqueeze(3), stride=(stride, 1), groups=groups)
    sums = functional.conv2d(rows, weights.unsqueeze(2), stride=(1, stride), groups=groups)
    return sums[:, : count * channels].reshape(count, channels, *sums.shape[2:])


def mirror_pad(images: Tensor, radius: int = RADIUS) -> Tensor:
    """Extend each side by a radius, the window's, mirrored with the edge repeated (dcba|abcd|dcba).

    Sides must be no shorter. `window_mean` of the result has the images' size. This is 'reflect' in
    scipy.ndimage and 'symmetric' in numpy; torch's own 'reflect' leaves out the edge.
    """
    for axis in (2, 3):
        head = images.narrow(axis, 0, radius).flip(axis)
        tail = images.narrow(axis, images.shape[axis] - radius, radius).flip(axis)
        images = torch.cat([head, images, tail], axis)
    return images
