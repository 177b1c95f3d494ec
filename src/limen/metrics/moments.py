"""Mean and central moments of overlapping 16×16 blocks, with all their digits in float32."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

BLOCK = 16
STRIDE = 4


class Moments(NamedTuple):
    """Mean and central moments of groups of values, each (..., h, w)."""

    mean: Tensor
    second: Tensor
    third: Tensor
    fourth: Tensor


def cell_moments(maps: Tensor) -> Moments:
    """Moments of the disjoint 4×4 cells of each map.

    Args:
        maps: (..., H, W). Up to three last rows and columns, which fill no cell, do not count.

    Returns:
        Each (..., H // 4, W // 4).
    """
    height, width = (side // STRIDE * STRIDE for side in maps.shape[-2:])
    rows = [maps[..., start:height:STRIDE, :width] for start in range(STRIDE)]
    mean = (rows[0] + rows[1] + rows[2] + rows[3]) / STRIDE
    second, third, fourth = (torch.zeros_like(mean) for _ in range(3))
    for row in rows:
        offset = row - mean
        square = offset * offset
        # In place: on whole maps, the time of a sum is that of reading and writing it.
        second += square
        third.addcmul_(square, offset)
        fourth.addcmul_(square, square)
    moments = Moments(mean, second / STRIDE, third / STRIDE, fourth / STRIDE)
    for _ in range(2):
        moments = _join(*(Moments(*(each[..., start::2] for each in moments)) for start in range(2)))
    return moments


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
        >>> blocks = widen(widen(cell_moments(maps), 1), 2)
        >>> blocks.mean, blocks.second  # of 0, 1, …, 15
        (tensor([[[7.5000]]]), tensor([[[21.2500]]]))
    """
    for axis in (-2, -1):
        count = moments.mean.shape[axis] - shift
        first, last = (
            Moments(*(each.narrow(axis, start, count) for each in moments)) for start in (0, shift)
        )
        moments = _join(first, last)
    return moments


def block_moments(maps: Tensor) -> Moments:
    """Moments of the 16×16 blocks that begin at every fourth row and column and lie whole in the map.

    Sums of powers would lose the small moments of a map that lies far from 0; here groups are joined
    pair by pair (Chan, Golub & LeVeque 1983), so that nothing is subtracted but neighbouring means.

    Args:
        maps: (..., H, W), both sides at least 16.

    Returns:
        Each (..., (H − 16) // 4 + 1, (W − 16) // 4 + 1), divided by the count, not by one less.
    """
    return widen(widen(cell_moments(maps), 1), 2)


def _join(a: Moments, b: Moments) -> Moments:
    """Moments of two groups of equal size taken together."""
    half = (b.mean - a.mean) / 2
    square = half * half
    second, third, fourth = ((x + y) / 2 for x, y in zip(a[1:], b[1:], strict=True))
    return Moments(
        (a.mean + b.mean) / 2,
        second + square,
        third + 1.5 * half * (b.second - a.second),
        fourth + 2 * half * (b.third - a.third) + square * (6 * second + square),
    )
