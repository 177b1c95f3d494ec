"""The detection stage of MAD: how far a distortion is above what the image hides."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

from limen.metrics.moments import BLOCK, block_moments, cell_moments, widen

# A pixel value v in 0…255 shows the lightness 0.02874·v^(2.2/3): gamma 2.2, and the eye's cube root.
_LIGHTNESS, _EXPONENT = 0.02874, 2.2 / 3
_PIXELS_PER_DEGREE = 64.0
_PEAK_FREQUENCY, _PEAK = 7.8909, 0.9809
_THRESHOLD = -5.0  # the log contrast below which an image hides no more, and no distortion is seen
_DARK = 0.5  # mean lightness of a block in which nothing is seen


def detected_distortion(reference: Tensor, distorted: Tensor) -> Tensor:
    """Perceived distortion d_detect of grey images (N, H, W) in 0…255, unchecked; (N,) float64.

    In each 16×16 block, the mean squared error times how far its contrast is above threshold; then the
    root mean square over the blocks. 0 where no block shows a visible change.

    It is worked out in float64, for few maps: close to the threshold, a rounding error of the lightness
    is a large part of what exceeds it.
    """
    reference, distorted = reference.double(), distorted.double()
    shown = _LIGHTNESS * reference**_EXPONENT
    change = _LIGHTNESS * distorted**_EXPONENT - shown
    sensitivity = contrast_sensitivity(*shown.shape[-2:], shown.device)
    # The filter is linear: it sees the change itself, which is exactly 0 where the images are equal.
    spectra = torch.fft.rfft2(torch.stack([shown, change], 1)) * sensitivity
    shown, change = torch.fft.irfft2(spectra, s=shown.shape[-2:]).unbind(1)

    _, errors = block_moments(change, 2)
    seen = visibility(*_masks(shown), _deviation(errors, BLOCK))
    mean, second = block_moments(distorted - reference, 2)
    weighted = seen * (second + mean.square())
    return weighted.square().mean(-1).mean(-1).sqrt()


def thresholds(grey: Tensor) -> Tensor:
    """The deviation of a block's change, as the eye filters it, from which on MAD takes it to be seen.

    Blocks that are too dark for MAD to see anything in have the threshold of the darkest that it sees in.

    Args:
        grey: Images (N, H, W) in 0…255, both sides at least 16.

    Returns:
        For 16×16 blocks at every fourth pixel, (N, (H − 16) // 4 + 1, (W − 16) // 4 + 1), positive.

    Example:
        >>> thresholds(torch.full((1, 16, 16), 128.0)) / _LIGHTNESS * 128 ** -_EXPONENT * math.exp(5)
        tensor([[[0.9809]]])
    """
    shown = _LIGHTNESS * grey**_EXPONENT
    sensitivity = contrast_sensitivity(*grey.shape[-2:], grey.device).to(grey.dtype)
    mean, deviation = _masks(torch.fft.irfft2(torch.fft.rfft2(shown) * sensitivity, s=grey.shape[-2:]))
    return torch.maximum(deviation, mean.clamp_min(_DARK) * math.exp(_THRESHOLD))


def lightness_slope(grey: Tensor) -> Tensor:
    """How much the lightness of pixels in 0…255 rises with their value; of the darkest, as with that of 4."""
    return _LIGHTNESS * _EXPONENT * grey.clamp_min(4.0) ** (_EXPONENT - 1)


def visibility(mean: Tensor, deviation: Tensor, error_deviation: Tensor) -> Tensor:
    """By how much a distortion's log contrast is above what masks it, at least 0.

    With C = ln(deviation / mean) of the reference and of the error: C_err − C_ref where C_ref is above −5,
    else C_err + 5; 0 where that is negative, or the block is dark (mean below 0.5).

    Args:
        mean: Mean lightness of the reference in each block.
        deviation: Its standard deviation, in the least busy quarter of the block.
        error_deviation: Standard deviation of the error.

    Example:
        >>> log_contrasts = torch.tensor([-3.0, -9.0, -1.0])
        >>> visibility(torch.ones(3), log_contrasts.exp(), torch.full((3,), -2.0).exp())
        tensor([1., 3., 0.])
    """
    scale = mean.clamp_min(_DARK)
    masking = (deviation / scale).log().clamp_min(_THRESHOLD)
    excess = (error_deviation / scale).log() - masking
    return torch.where(mean < _DARK, 0, excess.clamp_min(0))


@lru_cache(maxsize=4)
def contrast_sensitivity(height: int, width: int, device: torch.device) -> Tensor:
    """The gain of the eye at each frequency of a real Fourier transform, (height, width // 2 + 1).

    2.6·(0.0192 + 0.114 f)·exp(−(0.114 f)^1.1) at f cycles a degree, 32 at the finest grating, and 0.9809
    below 7.8909. Oblique gratings count as finer: f is divided by 0.85 + 0.15·cos 4θ.
    """
    down = torch.fft.fftfreq(height, dtype=torch.float64)[:, None]
    right = torch.fft.rfftfreq(width, dtype=torch.float64)
    oblique = 0.85 + 0.15 * torch.cos(4 * torch.atan2(down, right))
    frequency = _PIXELS_PER_DEGREE * torch.hypot(down, right) / oblique
    gain = 2.6 * (0.0192 + 0.114 * frequency) * torch.exp(-((0.114 * frequency) ** 1.1))
    return torch.where(frequency < _PEAK_FREQUENCY, _PEAK, gain).to(device)


def _masks(shown: Tensor) -> tuple[Tensor, Tensor]:
    """The mean lightness of each block as the eye filters it, and its deviation in the least busy quarter."""
    quarters = widen(cell_moments(shown, 2), 1)
    mean, _ = widen(quarters, 2)
    return mean, _deviation(_least_quarter(quarters[1]), BLOCK // 2)


def _least_quarter(variances: Tensor) -> Tensor:
    """Of 8×8 blocks at every fourth pixel, the least of the four that make up each 16×16 block."""
    for axis in (-2, -1):
        count = variances.shape[axis] - 2
        variances = torch.minimum(variances.narrow(axis, 0, count), variances.narrow(axis, 2, count))
    return variances


def _deviation(variance: Tensor, side: int) -> Tensor:
    """The standard deviation of side² values, divided by one less than their count."""
    return (variance * (side**2 / (side**2 - 1))).sqrt()
