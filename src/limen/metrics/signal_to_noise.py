"""Peak signal-to-noise ratio."""

from __future__ import annotations

from torch import Tensor

from limen.images import check_pair


def psnr(a: Tensor, b: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB, −10·log₁₀ of the mean square error at a peak of 1.

    Args:
        a: Images (N, C, H, W) in [0, 1].
        b: Images of the same shape, dtype and device.

    Returns:
        Ratios in [0, ∞], (N,): higher is nearer, equal images give infinity, where there is no gradient.

    Raises:
        UsageError: If either batch is not one of images, or the two differ in kind.

    Example:
        >>> import torch
        >>> psnr(torch.zeros(1, 3, 8, 8), torch.full((1, 3, 8, 8), 0.01))
        tensor([40.])
    """
    check_pair(a, b)
    return -10 * (a - b).square().flatten(1).mean(1).log10()
