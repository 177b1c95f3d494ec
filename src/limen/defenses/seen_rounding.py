"""A gradient through a codec that nothing but its result is known of, for attacks that know of it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from limen.defenses.blocks import dct, extend, idct, join, split
from limen.defenses.luma_chroma import TO_RGB, TO_YCC, weighed
from limen.defenses.rounding import rounded_softly
from limen.images import LATTICE, straight_through

_SIDE = 4
_WITHIN = 0.95
_KEPT = 0.1


def rounded_as_seen(images: Tensor, made: Tensor) -> Tensor:
    """What a codec made of images, with the gradient of soft rounding where it is seen to have rounded.

    A codec like WebP rounds the frequencies of 4×4 blocks of luma, and of colour at half the size, less what
    it predicts of them. The prediction need not be known: it is part of the result, too, so that image less
    result is what rounding lost. Half of an image's step is what `_WITHIN` of its losses stay under. A
    frequency that lost nearly half a step needs the least to be rounded otherwise, and has the greatest
    gradient, as in `rounded_softly`. As steps differ from block to block and a codec smooths what it reads, a
    share `_KEPT` of the gradient goes straight through.

    Args:
        images: Grey or RGB images (N, C, H, W) in [0, 1].
        made: What the codec made of them, of the same shape.

    Returns:
        Images of that shape near to `made`, with a gradient.

    Example:
        >>> images = torch.rand(1, 1, 8, 8, requires_grad=True)
        >>> rounded_as_seen(images, (8 * images.detach()).round() / 8).sum().backward()
        >>> bool(images.grad.abs().max() > 0)
        True
    """
    before, after = LATTICE * images, LATTICE * made.detach()
    if images.shape[1] == 1:
        return _softly(before, after) / LATTICE
    both = [weighed(planes, TO_YCC).split([1, 2], 1) for planes in (before, after)]
    (luma, chroma), (luma_after, chroma_after) = both
    height, width = luma.shape[2:]
    small = (avg_pool2d(extend(planes, 2, 2), 2) for planes in (chroma, chroma_after))
    colour = interpolate(_softly(*small), scale_factor=2, mode="nearest")[..., :height, :width]
    return (_softly(luma, luma_after) + weighed(_with_luma(colour), TO_RGB)) / LATTICE


def _with_luma(colour: Tensor) -> Tensor:
    """Colour (N, 2, H, W) with a luma of 0 before it."""
    return torch.cat([torch.zeros_like(colour[:, :1]), colour], 1)


def _softly(before: Tensor, after: Tensor) -> Tensor:
    """Planes (N, C, H, W) as they are afterwards, with the gradient of soft rounding."""
    height, width = before.shape[2:]
    counts, nearest = (dct(split(extend(planes, _SIDE, _SIDE), _SIDE)) for planes in (before, after))
    losses = (counts - nearest).detach().abs().flatten(1)
    half = losses.kthvalue(max(1, round(_WITHIN * losses.shape[1])), dim=1).values.clamp_min(1 / LATTICE)
    steps = 2 * half[:, None, None, None, None, None]
    counts, nearest = counts / steps, nearest / steps
    soft = rounded_softly(counts, nearest) + straight_through(_KEPT * counts, torch.zeros_like(counts))
    return join(idct(soft * steps))[..., :height, :width]
