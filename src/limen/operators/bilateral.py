"""The bilateral filter (Tomasi & Manduchi 1998), and its guided form, the joint bilateral filter.

Kornia's, as fast and small on a CPU, unfolds all windows on a GPU or for a gradient (seven times the
memory): it serves the tests as an oracle.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from limen.errors import UsageError
from limen.safety import is_tame

_LEAST_DEVIATION = 1e-6  # nothing in [0, 1] or between pixels is closer, and its square is still a float32


def bilateral_filter(
    images: Tensor,
    guide: Tensor | None = None,
    *,
    domain: float,
    range: float,  # noqa: A002 - the kernel's name since Tomasi and Manduchi
    radius: int,
) -> Tensor:
    """Each pixel's mean over the pixels that are near it and look like it.

    Pixel q weighs exp(−‖p − q‖²/2·domain²) · exp(−‖g(p) − g(q)‖²/2·range²) in the mean at p, with the
    Euclidean distance of the guide g over all channels jointly, so that all channels share their weights
    and no colour is mixed across an edge. Beyond the border the image is reflected. Time grows with
    the window's area, memory does not, unless gradients flow: they can, through images and guide.

    Args:
        images: (N, C, H, W).
        guide: What the range kernel looks at, (N, any channels, H, W); None for the images themselves.
        domain: Standard deviation of the domain kernel, in pixels.
        range: Standard deviation of the range kernel, in units of the guide.
        radius: Half the window: it covers 2·radius + 1 pixels on a side.

    Returns:
        Images of the same shape, each value between the least and the greatest of its
            window, and of images in [0, 1] in [0, 1], to the last digit.

    Raises:
        UsageError: If a standard deviation is under 1e-6, the radius under 0 or not less than the
            images' sides, or the guide does not fit.

    Example:
        >>> step = torch.tensor([0.0, 0.1, 0.9, 1.0]).expand(1, 1, 4, 4)
        >>> bilateral_filter(step, domain=2.0, range=0.1, radius=2)[0, 0, 0]
        tensor([0.0517, 0.0750, 0.9250, 0.9483])
    """
    guide = images if guide is None else guide
    _check(images, guide, domain, range, radius)
    height, width = images.shape[2:]
    padded, padded_guide = (functional.pad(each, [radius] * 4, mode="reflect") for each in (images, guide))
    total, weight_total = images.clone(), torch.ones_like(images[:, :1])
    for down, right, nearness in _half_window(radius, domain):
        # The weight of a pair is the same seen from either end: it is worked out once, for all pairs of
        # which at least the upper or the lower end lies in the images.
        top, left = radius - down, radius - max(right, 0)
        rows, columns = height + down, width + abs(right)
        here = padded_guide[..., top : top + rows, left : left + columns]
        there = padded_guide[..., top + down : top + down + rows, left + right : left + right + columns]
        distance = (here - there).square().sum(1, keepdim=True)
        weight = torch.exp(distance * (-0.5 / range**2)) * nearness
        upper, lower = radius - down, radius + down
        begin, end = radius - right, radius + right
        to_lower = weight[..., down:, max(right, 0) :][..., :width]
        to_upper = weight[..., :height, max(-right, 0) :][..., :width]
        total.addcmul_(to_lower, padded[..., lower : lower + height, end : end + width])
        total.addcmul_(to_upper, padded[..., upper : upper + height, begin : begin + width])
        weight_total.add_(to_lower).add_(to_upper)
    return total / weight_total


def _half_window(radius: int, domain: float) -> Iterator[tuple[int, int, float]]:
    """One of each two opposite offsets (down, right), with its domain kernel, without the centre.

    What is too far to change the last digit beside the centre's weight of 1 is left out.
    """
    for down in range(radius + 1):
        for right in range(-radius if down else 1, radius + 1):
            nearness = math.exp(-(down**2 + right**2) / (2 * domain**2))
            if nearness > sys.float_info.epsilon:
                yield down, right, nearness


def _check(images: Tensor, guide: Tensor, domain: float, deviation: float, radius: int) -> None:
    for name, value in {"domain": domain, "range": deviation}.items():
        if not (value >= _LEAST_DEVIATION and is_tame(value)):
            raise UsageError(f"{name} must be at least {_LEAST_DEVIATION:g}, not {value}")
    if images.ndim != 4 or guide.ndim != 4 or images[:, :1].shape != guide[:, :1].shape:
        shapes = f"{tuple(images.shape)} and {tuple(guide.shape)}"
        raise UsageError(f"images and guide are {shapes}; expected (N, C, H, W), alike but for the channels")
    if not 0 <= radius < min(images.shape[2:]):
        size = f"{images.shape[2]}×{images.shape[3]}"
        raise UsageError(f"radius must be at least 0 and less than the images' sides ({size}), not {radius}")
