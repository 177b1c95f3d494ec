"""Spectral residual: what is unusual in an image's spectrum stands out (Hou & Zhang 2007)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, interpolate, pad

from limen.errors import UsageError
from limen.images import check_images, grey
from limen.safety import MOST_SIDE
from limen.structure.saliency.density import CENTRE, with_prior

_GUARD = 1e-3  # of the logarithm, where the spectrum is 0
_LEAST_DEVIATION = 0.1  # where the Gaussian is a single pixel, and its weights are still above 0
_TAPS = 10  # of the Gaussian, an even number as in the authors' program


def spectral_residual(
    images: Tensor,
    *,
    prior: float | None = CENTRE,
    width: int = 64,
    deviation: float = 2.5,
    squared: bool = True,
) -> Tensor:
    """Spectral residual, times the centre prior: needs no weights.

    With F the spectrum of the grey image at 64 pixels' width and L = log(|F| + 10⁻³), the residual is
    R = L − mean₃ₓ₃(L), with repeated borders. The map is the energy |F⁻¹(exp(R + iφ))|², blurred, stretched
    to [0, 1] and enlarged to the image. Here exp(R + iφ) is F·exp(−mean₃ₓ₃(L)), which is the same but for
    the guard, and has a gradient where F is 0.

    Args:
        images: (N, C, H, W) in [0, 1], of 1 or 3 channels.
        prior: Standard deviation of the centre prior as a share of each side; None for no prior.
        width: Of the image that the spectrum is taken of, in pixels; its shape is kept.
        deviation: Of the Gaussian that blurs the map, in pixels of that image.
        squared: Whether the map is the energy, as in the authors' program, or its root.

    Returns:
        Densities (N, H, W), differentiable in the images; the prior where an image is black.

    Raises:
        UsageError: If the images are none of 1 or 3 channels, or a setting is not above 0.

    Source:
        Hou & Zhang, CVPR 2007, Section 2, and its program; the prior is Limen's own.

    Example:
        >>> image = torch.zeros(1, 1, 64, 64)
        >>> image[..., 20:24, 30:34] = 1  # one thing on a plain ground
        >>> density = spectral_residual(image)
        >>> bool(density[0, 20:24, 30:34].mean() > 5 * density.mean())
        True
    """
    check_images(images)
    if not (1 <= width <= MOST_SIDE and deviation >= _LEAST_DEVIATION):
        raise UsageError(
            f"width must be from 1 to {MOST_SIDE} and deviation {_LEAST_DEVIATION} or more, not {width} and "
            f"{deviation}"
        )
    planes = grey(images)[:, None]
    if not len(images):
        return planes[:, 0]
    sides = (max(round(width * images.shape[2] / images.shape[3]), 1), width)
    small = interpolate(planes, sides, mode="bicubic", antialias=True)
    spectrum = torch.fft.fft2(small)
    logarithm = torch.log(spectrum.abs() + _GUARD)
    expected = avg_pool2d(pad(logarithm, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    unusual = torch.fft.ifft2(spectrum * torch.exp(-expected))
    energy = unusual.real.square() + unusual.imag.square()
    # A root has no gradient at 0.
    blurred = _blurred(energy if squared else (energy + torch.finfo(energy.dtype).tiny).sqrt(), deviation)
    large = interpolate(_stretched(blurred), images.shape[2:], mode="bilinear")
    return with_prior(large[:, 0], prior)


def _blurred(maps: Tensor, deviation: float) -> Tensor:
    offsets = torch.arange(_TAPS, dtype=maps.dtype, device=maps.device) - (_TAPS - 1) / 2
    weights = torch.exp(-((offsets / deviation) ** 2) / 2)
    weights = weights / weights.sum()
    # Of two middle taps, the authors' filter lies on the first.
    before, after = (_TAPS - 1) // 2, _TAPS // 2
    rows = conv2d(pad(maps, (before, after, before, after)), weights.view(1, 1, 1, -1))
    return conv2d(rows, weights.view(1, 1, -1, 1))


def _stretched(maps: Tensor) -> Tensor:
    low, high = maps.amin((2, 3), keepdim=True), maps.amax((2, 3), keepdim=True)
    span = high - low
    return (maps - low) / span.where(span > 0, 1)
