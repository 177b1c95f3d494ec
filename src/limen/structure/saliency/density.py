"""Densities of fixations: nonnegative maps that sum to 1, and what people look at whatever is shown."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor

from limen.errors import UsageError

CENTRE = 0.25
"""Standard deviation of the centre prior, as a share of each side."""


class Saliency(Protocol):
    """Any function that predicts where people look.

    It is called with images (N, C, H, W) in [0, 1], and by name with options of its own. One that also names
    a parameter `classifier` is given the classifier under test.
    """

    def __call__(self, *arguments: Any, **options: Any) -> Tensor:
        """Densities of fixations (N, H, W), differentiable in the images."""
        ...


def as_density(maps: Tensor) -> Tensor:
    """Nonnegative maps, divided by their sums; a map that is 0 everywhere becomes uniform.

    Args:
        maps: (N, H, W), of 0 or more.

    Returns:
        (N, H, W), each summing to 1.

    Example:
        >>> as_density(torch.tensor([[[3.0, 1.0]], [[0.0, 0.0]]]))
        tensor([[[0.7500, 0.2500]],
                [[0.5000, 0.5000]]])
    """
    total = maps.sum((1, 2), keepdim=True)
    empty = total == 0
    return torch.where(empty, 1 / maps[0:1].numel() if len(maps) else 0.0, maps / total.where(~empty, 1))


def centre_prior(
    height: int,
    width: int,
    deviation: float = CENTRE,
    dtype: torch.dtype = torch.float32,
    device: torch.device | None = None,
) -> Tensor:
    """The Gaussian about an image's centre by which people look there, whatever is shown.

    Args:
        height: H, in pixels.
        width: W, in pixels.
        deviation: Its standard deviation as a share of each side, above 0.
        dtype: Of the result.
        device: Of the result.

    Returns:
        (H, W), at most 1, which it is in the centre.

    Raises:
        UsageError: If the deviation is not above 0.

    Source:
        Tatler, Journal of Vision 7(14), 2007, shows the bias; a quarter of each side is measured on
        photographs in `docs/saliency.md`.

    Example:
        >>> centre_prior(1, 3, deviation=1 / 3)
        tensor([[0.6065, 1.0000, 0.6065]])
    """
    if not deviation > 0:
        raise UsageError(f"the prior's deviation must be above 0, not {deviation}")

    def axis(size: int) -> Tensor:
        offsets = torch.arange(size, dtype=torch.float64, device=device) - (size - 1) / 2
        return torch.exp(-((offsets / (deviation * size)) ** 2) / 2)

    return (axis(height)[:, None] * axis(width)).to(dtype)


def with_prior(maps: Tensor, deviation: float | None) -> Tensor:
    """The density of maps (N, H, W) of 0 or more, times the centre prior unless its deviation is None.

    Example:
        >>> with_prior(torch.zeros(1, 1, 2), 0.25), with_prior(torch.tensor([[[0.0, 2.0]]]), None)
        (tensor([[[0.5000, 0.5000]]]), tensor([[[0., 1.]]]))
    """
    density = as_density(maps)
    if deviation is None:
        return density
    height, width = maps.shape[1:]
    return as_density(density * centre_prior(height, width, deviation, maps.dtype, maps.device))
