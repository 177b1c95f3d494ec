"""Reduction of the bit depth as a defence (Xu et al. 2018; Dong et al. 2020, Section 4.2)."""

from __future__ import annotations

from typing import Literal, get_args

from torch import Tensor

from limen.defenses.adaptive import with_stand_in
from limen.defenses.arguments import check_whole
from limen.defenses.rounding import rounded_softly
from limen.errors import UsageError
from limen.images import LATTICE, check_images

Levels = Literal["even", "power"]
"""Which levels there are: those at equal distances from black to white, or multiples of a power of two."""


def _steps(bits: int, levels: Levels) -> float:
    """How many steps from level to level lie between 0 and 1."""
    return 2**bits - 1 if levels == "even" else LATTICE / 2 ** (8 - bits)


def _softly(images: Tensor, bits: int = 3, levels: Levels = "even") -> Tensor:
    counts = images * _steps(bits, levels)
    return rounded_softly(counts, counts.round()).div(_steps(bits, levels)).clamp(max=1)


@with_stand_in(_softly)
def bit_depth(images: Tensor, bits: int = 3, levels: Levels = "even") -> Tensor:
    """Round each value to the nearest of the levels that this many bits can tell apart.

    The derivative is zero almost everywhere: no gradient flows.

    Args:
        images: Images (N, C, H, W) in [0, 1].
        bits: Bits per value, from 1 to 8; 2, 3 and 4 in Dong et al.
        levels: `even` for 2^bits levels from 0 to 1 at equal distances, so that black and white stay.
            `power` for the multiples of 2^(8 − bits) among 8-bit values and, as 256 is cut off at white,
            255: below 8 bits one level more.

    Returns:
        Images of the same shape, without a gradient.

    Raises:
        UsageError: If the images are none, bits is no whole number from 1 to 8, or there are no such levels.

    Example:
        >>> import torch
        >>> bit_depth(torch.tensor([0.1, 0.2, 0.5, 0.9]).expand(1, 1, 1, 4), bits=2)[0, 0, 0] * 3
        tensor([0., 1., 2., 3.])

    Source:
        Xu, Evans & Qi, Feature squeezing, NDSS 2018, Section 2.2.1. `power` are the levels of Guo et al.,
        ICLR 2018, and of the program of Zhao, Liu & Larson, CVPR 2020 (PerC). Others drop bits instead of
        rounding.
    """
    check_images(images)
    check_whole("bits", bits, 1, 8)
    if levels not in get_args(Levels):
        raise UsageError(f"levels must be one of {', '.join(get_args(Levels))}, not {levels!r}")
    steps = _steps(bits, levels)
    return images.detach().mul(steps).round_().div_(steps).clamp_(max=1)
