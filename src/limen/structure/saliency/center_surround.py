"""Centre and surround: what differs from its surroundings stands out (Itti, Koch & Niebur 1998)."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import conv2d, interpolate, pad

from limen.errors import UsageError
from limen.images import check_images
from limen.safety import MOST_SIDE
from limen.structure.saliency.density import CENTRE, with_prior

_MOST_SCALES = 14  # from a centre of half a pixel to the widest image
_REACH = 3  # of a Gaussian, in standard deviations


def center_surround(
    images: Tensor,
    *,
    prior: float | None = CENTRE,
    width: int = 64,
    finest: float = 0.5,
    scales: int = 4,
    ratio: float = 3.0,
) -> Tensor:
    """Differences of centre and surround in intensity and colour, times the centre prior: needs no weights.

    The feature maps are the intensity and the two colour opponents, red − green and blue − yellow. At each
    scale a feature's contrast is |G_σ − G_ratio·σ|, with σ twice as large from scale to scale. The mean over
    the scales is a feature's map; the mean over the features is the saliency. Orientations, and the
    weighting of maps by their peaks, are left out.

    Args:
        images: (N, C, H, W) in [0, 1], of 1 or 3 channels; grey ones have intensity alone.
        prior: Standard deviation of the centre prior as a share of each side; None for no prior.
        width: Of the image that contrasts are taken of, in pixels; its shape is kept.
        finest: Standard deviation of the smallest centre, in pixels of that image.
        scales: How many there are.
        ratio: How many times as wide as the centre the surround is, above 1.

    Returns:
        Densities (N, H, W), differentiable in the images; the prior where an image is flat.

    Raises:
        UsageError: If the images are none of 1 or 3 channels, or a setting is out of range.

    Source:
        Itti, Koch & Niebur, TPAMI 20(11), 1998, eq. 1–4 and 8; differences of Gaussians and opponents as in
        Frintrop, Werner & Martín García, CVPR 2015, Sections 3.1–3.3.

    Example:
        >>> image = torch.full((1, 3, 64, 64), 0.5)
        >>> image[:, 0, 20:28, 30:38] = 1  # red on grey
        >>> density = center_surround(image)
        >>> bool(density[0, 20:28, 30:38].mean() > 5 * density.mean())
        True
    """
    check_images(images)
    if not (width >= 1 and finest > 0 and scales >= 1 and ratio > 1):
        raise UsageError(
            f"width and scales must be 1 or more, finest above 0 and ratio above 1, not {width}, {scales}, "
            f"{finest} and {ratio}"
        )
    if width > MOST_SIDE or scales > _MOST_SCALES or ratio * finest * 2 ** (scales - 1) > MOST_SIDE:
        raise UsageError(
            f"width is {width}, and the widest surround {ratio:g} · {finest:g} · 2^{scales - 1:g}; expected "
            f"{MOST_SIDE} pixels at most"
        )
    features = _features(images)
    if not len(images):
        return features[:, 0]
    sides = (max(round(width * images.shape[2] / images.shape[3]), 1), width)
    small = interpolate(features, sides, mode="bilinear", antialias=True)
    contrasts = [
        (_blurred(small, finest * 2**scale) - _blurred(small, ratio * finest * 2**scale)).abs()
        for scale in range(scales)
    ]
    saliency = torch.stack(contrasts).mean((0, 2))[:, None]
    return with_prior(interpolate(saliency, images.shape[2:], mode="bilinear")[:, 0], prior)


def _features(images: Tensor) -> Tensor:
    """Intensity, and of colour images red − green and blue − yellow."""
    if images.shape[1] == 1:
        return images
    if images.shape[1] != 3:
        raise UsageError(f"centre and surround take 1 or 3 channels; the images have {images.shape[1]}")
    red, green, blue = images.unbind(1)
    return torch.stack([images.mean(1), red - green, blue - (red + green) / 2], 1)


def _blurred(maps: Tensor, deviation: float) -> Tensor:
    reach = math.ceil(_REACH * deviation)
    offsets = torch.arange(-reach, reach + 1, dtype=maps.dtype, device=maps.device)
    weights = torch.exp(-((offsets / deviation) ** 2) / 2)
    weights = weights / weights.sum()
    planes = pad(maps.flatten(0, 1)[:, None], (reach, reach, reach, reach), mode="replicate")
    rows = conv2d(planes, weights.view(1, 1, 1, -1))
    return conv2d(rows, weights.view(1, 1, -1, 1)).view_as(maps)
