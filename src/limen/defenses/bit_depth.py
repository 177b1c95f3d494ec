"""Reduction of the bit depth as a defence (Xu et al. 2018; Dong et al. 2020, Section 4.2)."""

from __future__ import annotations

from torch import Tensor

from limen.defenses.adaptive import with_stand_in
from limen.defenses.arguments import check_whole
from limen.defenses.rounding import rounded_softly
from limen.images import check_images, quantize


@with_stand_in(lambda images, bits=3: _softly(images, bits))
def bit_depth(images: Tensor, bits: int = 3) -> Tensor:
    """Round each value to the nearest of the 2^bits that this many bits can tell apart.

    The levels go from 0 to 1 at equal distances, so black and white stay. The derivative is zero almost
    everywhere: no gradient flows.

    Args:
        images: Images (N, C, H, W) in [0, 1].
        bits: Bits per value, from 1 to 8; 2, 3 and 4 in the paper.

    Returns:
        Images of the same shape, without a gradient.

    Raises:
        UsageError: If the images are none, or bits is no whole number from 1 to 8.

    Example:
        >>> import torch
        >>> bit_depth(torch.tensor([0.1, 0.2, 0.5, 0.9]).expand(1, 1, 1, 4), bits=2)[0, 0, 0] * 3
        tensor([0., 1., 2., 3.])

    Source:
        Xu, Evans & Qi, Feature squeezing, NDSS 2018, Section 2.2.1. Of the programs that call it so, Guo
        et al.'s has 2^bits + 1 levels, and others drop bits instead of rounding.
    """
    check_images(images)
    check_whole("bits", bits, 1, 8)
    return quantize(images.detach(), 2**bits - 1)


def _softly(images: Tensor, bits: int) -> Tensor:
    steps = 2**bits - 1
    return rounded_softly(images * steps, quantize(images.detach(), steps) * steps) / steps
