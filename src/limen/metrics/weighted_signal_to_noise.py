"""Weighted peak signal-to-noise ratio (Voloshynovskiy et al. 1999, 2001)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from limen.images import grey
from limen.metrics.pairs import check_channels

_STRENGTH = 75.0  # D: how much less visible noise is in the busiest place than where the image is flat


def wpsnr(a: Tensor, b: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB, with errors weighed down where the original is busy and hides them.

    20·log₁₀(1 / RMS(NVF·(a − b))), where NVF is `noise_visibility` of the original, one weight a pixel for
    all its channels. No weight exceeds 1, so it is never below `psnr`, and equal to it for a flat original.
    Where others weigh the squared error with NVF and not NVF², their ratios are lower.

    Args:
        a: Original images (N, C, H, W) in [0, 1], 1 or 3 channels.
        b: Images of the same shape, dtype and device. The ratio is not symmetric: the original masks.

    Returns:
        Ratios in [0, ∞], (N,): higher is nearer, equal images give infinity, where there is no gradient.

    Raises:
        UsageError: If either batch is not one of images, the two differ in kind, or have neither 1 nor
            3 channels.

    Example:
        >>> wpsnr(torch.zeros(1, 3, 8, 8), torch.full((1, 3, 8, 8), 0.01))
        tensor([40.])
    """
    check_channels("wPSNR", a, b, 1)
    weighted = noise_visibility(a)[:, None] * (a - b)
    # In two stages, as torch shares a lone sum of many values among its threads, and several not.
    return -10 * weighted.square().mean(-1).flatten(1).mean(1).log10()


def noise_visibility(images: Tensor) -> Tensor:
    """Noise visibility function 1 / (1 + 75·σ²/max σ²) of each pixel, (N, H, W) in [1/76, 1], unchecked.

    σ² is the luma's variance in the 3×3 window around the pixel, the image extended by its edge; its
    maximum is the image's. Where the image is flat noise is seen in full, 1.

    Source:
        Voloshynovskiy, Herrigel, Baumgaertner & Pun, A stochastic approach to content adaptive digital
        image watermarking, Information Hiding 1999 (non-stationary Gaussian model, D = 75). WPSNR:
        Voloshynovskiy, Pereira, Iquise & Pun, Attack modelling, Signal Processing 81 (2001).
    """
    luma = grey(images)
    if len(luma) == 0:
        return luma
    height, width = luma.shape[-2:]
    padded = functional.pad(luma[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    # Differences to the pixel itself: those of a flat image are exactly 0, whatever its brightness.
    steps = [padded[:, i : i + height, j : j + width] - luma for i in range(3) for j in range(3)]
    offset = torch.stack(steps)
    variance = offset.square().mean(0) - offset.mean(0).square()
    greatest = variance.amax((1, 2), keepdim=True)
    return 1 / (1 + _STRENGTH * variance / torch.where(greatest > 0, greatest, 1))
