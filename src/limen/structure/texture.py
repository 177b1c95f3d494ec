"""Where an image has texture, in which a change is hard to find: the HILL cost (Li et al. 2014)."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import avg_pool2d

from limen.errors import UsageError
from limen.images import LATTICE, check_images, grey
from limen.operators.window import mirror_pad

_RADIUS = 7  # of the wide mean


def hill(images: Tensor, guard: float = 2**-23) -> Tensor:
    """HILL: what changing a pixel costs a steganographer, high where the image is smooth, low in texture.

    ρ = mean₁₅ₓ₁₅(1 / mean₃ₓ₃(|g ∗ H / 4|)), with g the luma from 0 to 255, H = −(1, −2, 1)ᵀ(1, −2, 1) and
    mirrored borders. Smooth regions have costs as high as the guard lets them, and decide every mean over an
    image: compare medians.

    Args:
        images: (N, C, H, W) in [0, 1], of 1 or 3 channels, both sides at least 7.
        guard: The least value that is divided by, above 0.

    Returns:
        Costs (N, H, W), above 0 and at most 1 / guard.

    Raises:
        UsageError: If the images are none of 1 or 3 channels or too small, or the guard is not above 0.

    Source:
        Li, Wang, Huang & Li, ICIP 2014.

    Example:
        >>> import torch
        >>> halves = torch.zeros(1, 1, 16, 64)
        >>> halves[..., 32:] = torch.rand(16, 32, generator=torch.Generator().manual_seed(0))
        >>> costs = hill(halves)
        >>> bool(costs[..., 50:].max() < 1e-3 * costs[..., :14].min())
        True
    """
    check_images(images)
    if not guard > 0:
        raise UsageError(f"guard must be above 0, not {guard}")
    if len(images) and min(images.shape[2:]) < _RADIUS:
        raise UsageError(f"HILL needs sides of {_RADIUS} pixels or more, not {tuple(images.shape[2:])}")
    # In float64, in which the filter of a flat region stays far below the guard.
    planes = grey(images).double()[:, None] * LATTICE
    if not len(planes):
        return images.new_zeros(0, *images.shape[2:])
    texture = mirror_pad(planes, 1).diff(n=2, dim=2).diff(n=2, dim=3).abs() / 4
    costs = 1 / avg_pool2d(mirror_pad(texture, 1), 3, stride=1).clamp_min(guard)
    rows = avg_pool2d(mirror_pad(costs, _RADIUS), (2 * _RADIUS + 1, 1), stride=1)
    return avg_pool2d(rows, (1, 2 * _RADIUS + 1), stride=1)[:, 0].to(images.dtype)
