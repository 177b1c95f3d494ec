"""Magnification: perturbations made visible without the original (Zhang et al. 2020, Appendix 1)."""

from __future__ import annotations

import torch
from torch import Tensor

from limen.errors import UsageError
from limen.images import check_images
from limen.operators import bilateral_filter

BETA, DOMAIN, RANGE, RADIUS = 0.8, 5.0, 0.2, 15
"""Zhang et al.'s settings; the window reaches to three standard deviations of the domain kernel."""

_LEAST_DEVIATION = 1e-5  # of an 8-bit image under what one step in one pixel makes; what is less is rounding


def magnify(
    images: Tensor,
    beta: float = BETA,
    domain: float = DOMAIN,
    range: float = RANGE,  # noqa: A002 - the kernel's name since Tomasi and Manduchi
    radius: int = RADIUS,
) -> Tensor:
    """Each value less its local mean, over a mixture of the local and the global standard deviation.

    mag(x) = (x − μ) / (β·√v + (1 − β)·σ), channel by channel: μ is the bilateral filter of x, v the
    filter of (x − μ)² guided by x, and σ the standard deviation over the whole channel. Natural images are
    locally smooth, so where little varies a perturbation, however faint, becomes as strong as texture.
    The paper prints the exponent −1/2 for √v, which would make the two deviations' units differ.

    Args:
        images: Images (N, C, H, W) in [0, 1].
        beta: How much of the local deviation to divide by, in [0, 1]: at 1 all is magnified to one strength.
        domain: Standard deviation of the filter's domain kernel, in pixels.
        range: Standard deviation of its range kernel, a distance of colours in [0, 1].
        radius: Half the filter's window, in pixels; less than the images' sides.

    Returns:
        Values around 0, (N, C, H, W); exactly 0 where nothing varies. `common_scale` makes them images.

    Raises:
        UsageError: If the images are none, beta is outside [0, 1], or the filter refuses its settings.

    Example:
        >>> smooth = torch.linspace(0.2, 0.8, 64).expand(1, 1, 64, 64)
        >>> perturbed = smooth + torch.arange(64) % 2 / 255
        >>> [round(magnify(each)[..., 30:34].abs().max().item(), 2) for each in (smooth, perturbed)]
        [0.0, 0.05]
    """
    check_images(images)
    if not 0 <= beta <= 1:
        raise UsageError(f"beta must be in [0, 1], not {beta}")
    settings = {"domain": domain, "range": range, "radius": radius}
    change = images - bilateral_filter(images, **settings)
    local = bilateral_filter(change.square(), images, **settings).sqrt()
    deviation = beta * local + (1 - beta) * _deviation(images)
    return torch.where(deviation > _LEAST_DEVIATION, change / deviation, 0)


def common_scale(magnified: Tensor) -> Tensor:
    """Images to look at side by side: one scale for all values, from their least at 0 to their greatest at 1.

    Args:
        magnified: All that is compared, of any shape.

    Returns:
        Values in [0, 1] of the same shape; 0.5 if all are equal.

    Example:
        >>> common_scale(torch.tensor([[-2.0, 0.0], [1.0, 2.0]]))
        tensor([[0.0000, 0.5000],
                [0.7500, 1.0000]])
    """
    if magnified.numel() == 0:
        return magnified
    least, greatest = magnified.aminmax()
    if least == greatest:
        return torch.full_like(magnified, 0.5)
    return ((magnified - least) / (greatest - least)).clamp(0, 1)


def _deviation(images: Tensor) -> Tensor:
    """The standard deviation of each channel, (N, C, 1, 1)."""
    # In two stages, as torch shares a lone sum of many values among its threads, and several not.
    centred = images - images.mean(3, keepdim=True).mean(2, keepdim=True)
    return centred.square().mean(3, keepdim=True).mean(2, keepdim=True).sqrt()
