"""The appearance stage of MAD: how the statistics of an image's log-Gabor bands change."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

from limen.metrics.moments import BLOCK, block_moments

_WAVELENGTHS = (3, 9, 27, 81, 243)  # of the centre of each band, in pixels
_WEIGHTS = (0.5 / 13.25, 0.75 / 13.25, 1 / 13.25, 5 / 13.25, 6 / 13.25)
_ORIENTATIONS = 4
_BANDWIDTH = 0.55
_SPREAD = math.pi / _ORIENTATIONS / 1.5

# Skewness and kurtosis have no scale, so those of a flat block would be those of its rounding errors.
# This variance, of a thousandth of an 8-bit step, is far below any that can be seen and above these.
_FLAT = 1e-3**2


def appearance_distortion(reference: Tensor, distorted: Tensor) -> Tensor:
    """Perceived distortion d_appear of grey images (N, H, W) in 0…255, unchecked; (N,).

    In each 16×16 block, the changes of standard deviation, skewness (twice) and kurtosis of the
    magnitude of every band, weighted by scale; then the root mean square over the blocks.
    """
    pair = torch.stack([reference, distorted], 1)
    # No band holds the mean; without it, rounding errors are those of the contrast alone.
    spectra = torch.fft.fft2(pair - pair.mean(-1, keepdim=True).mean(-2, keepdim=True))[:, :, None]
    radial, angular = log_gabor(*pair.shape[-2:], pair.dtype, pair.device)
    total = pair.new_zeros(())
    for weight, band in zip(_WEIGHTS, radial, strict=True):
        total = total + weight * _changes(torch.fft.ifft2(spectra * (band * angular))).sum(1)
    return total.square().mean(-1).mean(-1).sqrt()


@lru_cache(maxsize=4)
def log_gabor(height: int, width: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Log-Gabor filters on the frequencies of a Fourier transform; a filter is a band times an orientation.

    Returns:
        The bands (5, height, width): exp(−(ln(f·λ))² / (2·(ln 0.55)²)) for wavelengths λ of 3 to 243
        pixels, 0 at frequency 0; and the orientations (4, height, width): Gaussians of the angle around
        0°, 45°, 90° and 135°, which pass one of each pair of opposite frequencies, so that the response
        is complex and its magnitude the band's local amplitude.

    Example:
        >>> bands, orientations = log_gabor(18, 18, torch.float32, torch.device("cpu"))
        >>> bands[0, 0, 6], bands[1, 0, 2], orientations[0, 0, 6], orientations[0, 0, -6]
        (tensor(1.), tensor(1.), tensor(1.), tensor(1.5...e-08))
    """
    down, right = (torch.fft.fftfreq(side, dtype=torch.float64, device="cpu") for side in (height, width))
    radius = torch.hypot(down[:, None], right)
    wavelengths = radius.new_tensor(_WAVELENGTHS)[:, None, None]
    bands = torch.exp(-((radius * wavelengths).log().square()) / (2 * math.log(_BANDWIDTH) ** 2))
    # The highest frequency of an even side is its own opposite: half of it counts on either side,
    # without which an image and its mirror image would differ.
    orientations = torch.stack(
        [_orientations(a, b) for a in _either_sign(down) for b in _either_sign(right)]
    ).mean(0)
    return bands.to(dtype).to(device), orientations.to(dtype).to(device)


def _either_sign(frequencies: Tensor) -> tuple[Tensor, Tensor]:
    return frequencies, torch.where(frequencies == -0.5, 0.5, frequencies)


def _orientations(down: Tensor, right: Tensor) -> Tensor:
    angle = torch.atan2(-down[:, None], right.expand(len(down), -1))
    turns = torch.arange(_ORIENTATIONS, dtype=torch.float64, device=angle.device)[:, None, None]
    centres = turns * (math.pi / _ORIENTATIONS)
    distance = torch.remainder(angle - centres + math.pi, 2 * math.pi) - math.pi
    return torch.exp(-distance.square() / (2 * _SPREAD**2))


def _changes(responses: Tensor) -> Tensor:
    """|Δ standard deviation| + 2·|Δ skewness| + |Δ kurtosis| of the blocks, between (N, 2, ...).

    The responses are overwritten: on whole maps, memory of one's own costs more than what is computed in it.
    """
    parts = torch.view_as_real(responses)
    parts *= parts
    _, second, third, fourth = block_moments((parts[..., 0] + parts[..., 1]).sqrt_())
    variance = second + _FLAT
    deviation = (second * (BLOCK**2 / (BLOCK**2 - 1))).sqrt()
    skewness = third / (variance * variance.sqrt())
    kurtosis = fourth / variance.square()
    return _change(deviation) + 2 * _change(skewness) + _change(kurtosis)


def _change(statistic: Tensor) -> Tensor:
    return (statistic[:, 0] - statistic[:, 1]).abs()
