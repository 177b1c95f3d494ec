"""JPEG in PyTorch: forward as libjpeg-turbo computes it, backward with a gradient."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from limen.defenses.arguments import (
    QUALITIES,
    Subsampling,
    check_grey_or_rgb,
    check_subsampling,
    step_percents,
)
from limen.defenses.blocks import dct, extend, idct, join, split
from limen.defenses.luma_chroma import TO_RGB, TO_YCC, UNIT, weighed
from limen.defenses.rounding import rounded_softly
from limen.errors import UsageError
from limen.images import LATTICE, per_sample, straight_through

_LUMA = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMA = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8,) * 4,
)
_SHIFT = 128

# How many rows become one where columns are paired; what is added to the means of even and odd columns before
# they are rounded down, and to the values that are enlarged again.
_HALVES = {"4:2:0": (2, (1 / 4, 2 / 4), (8 / 16, 7 / 16)), "4:2:2": (1, (0.0, 1 / 2), (1 / 4, 2 / 4))}


def differentiable_jpeg(
    images: Tensor, quality: float | Tensor = 75, subsampling: Subsampling = "4:2:0"
) -> Tensor:
    """Compress as a JPEG file, and read that again, with a gradient.

    The forward pass rounds wherever libjpeg-turbo does, and comes out close to it: with photographs at
    qualities from 95 to 5, 86 to 99.9 % of the values are those of `jpeg`, and the mean difference is under
    0.2 of a level. In the backward pass, a frequency f that is rounded to k steps counts as k + (f − k)³, so
    those that are nearest to another step have the most of the gradient. Other roundings pass the gradient
    straight through.

    Args:
        images: Grey or RGB images (N, C, H, W) in [0, 1]; the forward pass sees them in 8 bits.
        quality: The quality, from 1 to 100, as a number or one per image (N,).
        subsampling: How coarsely colour is stored; grey images have none.

    Returns:
        Images of the same shape, on the 8-bit lattice.

    Raises:
        UsageError: If the images are no grey or RGB images, a quality is out of range, or the subsampling
            is unknown.

    Example:
        >>> images = torch.rand(2, 3, 16, 16).requires_grad_()
        >>> differentiable_jpeg(images, quality=50).sum().backward()
        >>> bool((images.grad != 0).any())
        True

    Source:
        Shin & Song, JPEG-resistant adversarial images, NIPS 2017 workshop on machine learning and computer
        security, Section 3; ITU-T T.81, Annex K, for the tables.
    """
    check_grey_or_rgb(images, "JPEG")
    check_subsampling(subsampling)
    qualities = per_sample(quality, images, "quality")
    if not bool(((qualities >= QUALITIES[0]) & (qualities <= QUALITIES[1])).all()):
        raise UsageError(f"quality must lie from {QUALITIES[0]} to {QUALITIES[1]}, not {quality}")
    if not len(images):
        return images
    levels = _rounded(images * LATTICE)
    if images.shape[1] == 1:
        return _coded(levels, _LUMA, qualities) / LATTICE
    luma, chroma = weighed(levels, TO_YCC).split([1, 2], 1)
    luma = _coded(_rounded(luma), _LUMA, qualities)
    under = 0.5 - 1 / UNIT
    chroma = _rounded(chroma + _SHIFT, (under, under))
    if subsampling in _HALVES:
        chroma = _coded_coarsely(chroma, qualities, *_HALVES[subsampling])
    else:
        chroma = _coded(chroma, _CHROMA, qualities)
    colour = _rounded(weighed(torch.cat([luma, chroma - _SHIFT], 1), TO_RGB))
    return (luma + colour).clamp(0, LATTICE) / LATTICE


def _coded_coarsely(
    chroma: Tensor,
    qualities: Tensor,
    rows: int,
    shrinking: tuple[float, float],
    enlarging: tuple[float, float],
) -> Tensor:
    """Colour after the loss of a JPEG file that stores one value for two columns and for some rows."""
    height, width = chroma.shape[2:]
    means = _rounded(avg_pool2d(extend(chroma, rows, 16), (rows, 2)), shrinking)
    small = _coded(means, _CHROMA, qualities)[..., : -(-height // rows), : -(-width // 2)]
    # Three quarters of each new value are from the nearest along each side.
    large = interpolate(small, scale_factor=(rows, 2), mode="bilinear", align_corners=False)
    return _rounded(large, enlarging)[..., :height, :width]


def _coded(planes: Tensor, table: Sequence[Sequence[int]], qualities: Tensor) -> Tensor:
    """Planes (N, C, H, W) of 8 bits after the loss of a JPEG file."""
    height, width = planes.shape[2:]
    steps = _steps(table, qualities)
    frequencies = _rounded(dct(split(extend(planes - _SHIFT))) * 8) / 8
    counts = frequencies / steps
    nearest = (counts.abs() + 0.5).floor() * counts.sign()
    counts = rounded_softly(counts, nearest)
    return (_rounded(join(idct(counts * steps))) + _SHIFT).clamp(0, LATTICE)[..., :height, :width]


def _steps(table: Sequence[Sequence[int]], qualities: Tensor) -> Tensor:
    """The quantisation steps of each image (N, 1, 1, 1, 8, 8)."""
    percent = step_percents(qualities).floor()[..., None, None]
    return ((percent * percent.new_tensor(table) + 50) / 100).floor().clamp(1, LATTICE)


def _rounded(values: Tensor, halves: tuple[float, float] = (0.5, 0.5)) -> Tensor:
    """The values plus a half, rounded down: the first half for even columns, the second for odd ones.

    The gradient passes straight through.
    """
    columns = values.shape[-1]
    added = values.new_tensor(halves).repeat(-(-columns // 2))[:columns]
    return straight_through(values, (values + added).floor())
