"""Inverses of batches of small dense matrices, by products: faster than a batched Cholesky factorisation."""

from __future__ import annotations

import torch
from torch import Tensor

_SMALL = 8  # matrices of this size are inverted pixel by pixel, the whole batch at once


def inverse(matrices: Tensor, pivots: list[Tensor]) -> Tensor:
    """The inverses of symmetric matrices (B, s, s): of one half, then of what is left of the other.

    All pivots (B,) are appended to the list; a matrix is positive definite where all of its own are positive.
    """
    size = matrices.shape[1]
    if size <= _SMALL:
        return _gauss_jordan(matrices, pivots)
    half = size // 2
    first = inverse(matrices[:, :half, :half], pivots)
    between = matrices[:, :half, half:].contiguous()
    carried = torch.bmm(first, between).neg_()
    second = inverse(torch.baddbmm(matrices[:, half:, half:], carried.mT, between), pivots)
    corner = torch.bmm(carried, second)
    whole = torch.empty_like(matrices, memory_format=torch.contiguous_format)
    whole[:, :half, :half] = torch.baddbmm(first, corner, carried.mT)
    whole[:, :half, half:] = corner
    whole[:, half:, :half] = corner.mT
    whole[:, half:, half:] = second
    return whole


def _gauss_jordan(matrices: Tensor, pivots: list[Tensor]) -> Tensor:
    """Gauss-Jordan elimination without exchanges, which positive definite matrices do not need."""
    entries = matrices.permute(1, 2, 0).contiguous()
    for pixel in range(len(entries)):
        pivot = entries[pixel, pixel].clone()
        row, column = entries[pixel] / pivot, entries[:, pixel].clone()
        row[pixel], column[pixel] = 1 / pivot, 0
        entries[:, pixel] = 0
        entries.addcmul_(column[:, None], row, value=-1)
        entries[pixel] = row
        pivots.append(pivot)
    return entries.permute(2, 0, 1).contiguous()
