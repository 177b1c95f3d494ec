"""Matrices on pixel grids, as links and as they are written out."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

SHAPES = [
    (1, 1),
    (1, 7),
    (7, 1),
    (1, 40),
    (2, 3),
    (4, 4),
    (5, 5),
    (10, 11),
    (13, 7),
    (9, 31),
    (28, 29),
    (3, 90),
]


def drawn(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def matrices(*shape: int, edges: int = 2, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Diagonally dominant, barely; what leads out of the image is not a number."""
    count, groups, height, width = shape
    links = drawn(count, groups, edges, height, width, seed=1, dtype=dtype) - 0.9
    links[..., 0, :, -1] = torch.nan
    links[..., 1, -1, :] = torch.nan
    if edges == 4:
        links[..., 2:, -1, :] = links[..., 2, :, -1] = links[..., 3, :, 0] = torch.nan
    return 1e-3 + sums(links.abs()), links


def sums(links: Tensor) -> Tensor:
    """Over all links of each pixel, pixel by pixel."""
    height, width = links.shape[3:]
    total = torch.zeros_like(links[:, :, 0])
    for (row, column), (other_row, other_column), edge in pairs(height, width, links.shape[2]):
        total[..., row, column] += links[:, :, edge, row, column]
        total[..., other_row, other_column] += links[:, :, edge, row, column]
    return total


def pairs(height: int, width: int, edges: int) -> Iterator[tuple[tuple[int, int], tuple[int, int], int]]:
    for edge, (down, right) in enumerate([(0, 1), (1, 0), (1, 1), (1, -1)][:edges]):
        for row in range(height):
            for column in range(width):
                if row + down < height and 0 <= column + right < width:
                    yield (row, column), (row + down, column + right), edge


def dense(diagonal: Tensor, links: Tensor) -> Tensor:
    """The matrices (N, G, H·W, H·W)."""
    height, width = diagonal.shape[2:]
    matrix = torch.diag_embed(diagonal.flatten(2))
    for (row, column), (other_row, other_column), edge in pairs(height, width, links.shape[2]):
        p, q = row * width + column, other_row * width + other_column
        matrix[..., p, q] = matrix[..., q, p] = links[:, :, edge, row, column]
    return matrix


def relative(difference: Tensor, whole: Tensor) -> float:
    return float(difference.norm() / whole.norm())
