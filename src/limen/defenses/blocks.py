"""Square blocks of pixels and their discrete cosine transform, of which JPEG and its kin are made."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import pad

SIDE = 8
"""Pixels along a block of JPEG."""


def extend(planes: Tensor, down: int = SIDE, right: int = SIDE) -> Tensor:
    """Repeat the last row and column until the sides are multiples of two numbers.

    Args:
        planes: Values (N, C, H, W).
        down: What the height becomes a multiple of.
        right: What the width becomes a multiple of.
    """
    more_down, more_right = -planes.shape[2] % down, -planes.shape[3] % right
    return pad(planes, (0, more_right, 0, more_down), mode="replicate")


def split(planes: Tensor, side: int = SIDE) -> Tensor:
    """Cut planes (N, C, H, W), whose sides are multiples of a block's, into blocks (N, C, H/8, W/8, 8, 8)."""
    return planes.unflatten(3, (-1, side)).unflatten(2, (-1, side)).transpose(3, 4)


def join(blocks: Tensor) -> Tensor:
    """The inverse of `split`."""
    return blocks.transpose(3, 4).flatten(4, 5).flatten(2, 3)


def dct(blocks: Tensor) -> Tensor:
    """The orthonormal discrete cosine transform (DCT-II) of each square block (..., S, S).

    Example:
        >>> blocks = torch.rand(2, 8, 8, dtype=torch.float64)
        >>> torch.allclose(idct(dct(blocks)), blocks)
        True
    """
    basis = _basis(blocks)
    return basis @ blocks @ basis.mT


def idct(coefficients: Tensor) -> Tensor:
    """The inverse of `dct`."""
    basis = _basis(coefficients)
    return basis.mT @ coefficients @ basis


def _basis(like: Tensor) -> Tensor:
    """Row k holds the cosine of frequency k."""
    side = like.shape[-1]
    places = torch.arange(side, dtype=torch.float64)
    basis = torch.cos(math.pi / side * (places + 0.5) * places[:, None]) * math.sqrt(2 / side)
    basis[0] /= math.sqrt(2)
    return basis.to(like)
