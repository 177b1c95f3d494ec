"""Mean and central moments of overlapping 16×16 blocks, with all their digits in float32."""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch
from torch import Tensor

BLOCK = 16
STRIDE = 4

Moments: TypeAlias = tuple[Tensor, ...]
"""The means of groups of values, and their second central moments, or second to fourth; each (..., h, w)."""


def cell_moments(maps: Tensor, order: Literal[2, 4] = 4) -> Moments:
    """Moments of the disjoint 4×4 cells of each map.

    Args:
        maps: (..., H, W). Up to three last rows and columns, which fill no cell, do not count.
        order: Up to which moment.

    Returns:
        Each (..., H // 4, W // 4).
    """
    rows, columns = (side // STRIDE for side in maps.shape[-2:])
    cells = maps[..., : rows * STRIDE, : columns * STRIDE]
    cells = cells.unflatten(-2, (rows, STRIDE)).unflatten(-1, (columns, STRIDE))
    # A copy in which the first values of all cells come first, then the second ones: all that follows reads
    # in one go what lies side by side, which on a CPU takes a quarter less with the copy than without.
    values = cells.movedim((-3, -1), (0, 1)).flatten(0, 1)
    mean = values.mean(0)
    values -= mean
    square = values * values
    if order == 2:
        return mean, square.mean(0)
    return mean, square.mean(0), (square * values).mean(0), (square * square).mean(0)


def widen(moments: Moments, shift: int) -> Moments:
    """Moments of groups twice as high and wide, from groups that lie on a grid of cells.

    Args:
        moments: Each (..., h, w), of groups that are `shift` cells high and wide.
        shift: Where the neighbour begins that a group is joined with, in cells.

    Returns:
        Each (..., h − shift, w − shift), wherever the wider group lies whole in the map.

    Example:
        >>> import torch
        >>> maps = torch.arange(16.0).expand(1, 16, 16)
        >>> mean, second = widen(widen(cell_moments(maps, 2), 1), 2)
        >>> mean, second  # of 0, 1, …, 15
        (tensor([[[7.5000]]]), tensor([[[21.2500]]]))
    """
    for axis in (-2, -1):
        count = moments[0].shape[axis] - shift
        first, last = (tuple(each.narrow(axis, start, count) for each in moments) for start in (0, shift))
        moments = _join(first, last)
    return moments


def block_moments(maps: Tensor, order: Literal[2, 4] = 4) -> Moments:
    """Moments of the 16×16 blocks that begin at every fourth row and column and lie whole in the map.

    Sums of powers would lose the small moments of a map that lies far from 0; here groups are joined
    pair by pair (Chan, Golub & LeVeque 1983), so that nothing is subtracted but neighbouring means.

    Args:
        maps: (..., H, W), both sides at least 16.
        order: Up to which moment.

    Returns:
        Each (..., (H − 16) // 4 + 1, (W − 16) // 4 + 1), divided by the count, not by one less.
    """
    return widen(widen(cell_moments(maps, order), 1), 2)


def _join(a: Moments, b: Moments) -> Moments:
    """Moments of two groups of equal size taken together."""
    half = (b[0] - a[0]) / 2
    square = half * half
    mean, second, *higher = (torch.lerp(x, y, 0.5) for x, y in zip(a, b, strict=True))
    joined = mean, second + square
    if not higher:
        return joined
    third, fourth = higher
    third = third.addcmul_(half, b[1] - a[1], value=1.5)
    fourth = fourth.addcmul_(half, b[2] - a[2], value=2).addcmul_(square, square.add(second, alpha=6))
    return *joined, third, fourth
