"""Nested dissection: the grid is cut by separators, and the order in which pixels are eliminated follows.

A line of pixels, the separator, cuts a subdomain of the grid in two; each half is cut again, and so on, down
to leaves of few pixels. No link crosses a separator, so each half can be eliminated by itself, and the
separator after both.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from limen.operators.nested_dissection.layout import Layout

OFFSETS = ((0, 1), (1, 0), (1, 1), (1, -1))
"""From a pixel to its neighbours further on, (rows, columns); the first 2 for four neighbours."""

LEAF = 9  # pixels; larger leaves cost more products, smaller ones more overhead


@dataclass(frozen=True)
class Level:
    """All T subdomains that as many cuts made. Pixels are numbered row by row; H·W, no pixel, fills up rows.

    Attributes:
        separator: The pixels that each eliminates, (T, s): a leaf's are all that it has.
        boundary: The pixels around each that they are linked with, (T, b). All belong to separators above.
        parents: Which subdomains of the level above these are halves of, (T,).
        halves: How many are first halves; the others are second ones.
    """

    separator: Tensor
    boundary: Tensor
    parents: Tensor
    halves: tuple[int, int]

    @property
    def layout(self) -> Layout:
        """How many subdomains there are, of how many pixels."""
        subdomains, separator = self.separator.shape
        return Layout(subdomains, separator, self.boundary.shape[1])


@lru_cache(maxsize=16)
def dissect(height: int, width: int, edges: int) -> tuple[Level, ...]:
    """The levels from the whole grid to the leaves, for 2 or 4 edges per pixel."""
    boxes = torch.tensor([[0, height, 0, width]], device="cpu")
    parents, halves, found = boxes.new_zeros(1), (1, 0), []
    while True:
        top, bottom, left, right = boxes.T
        leaves = int(((bottom - top) * (right - left)).max()) <= LEAF
        lines = _lines(boxes)
        separator, boundary = _pixels(boxes, None if leaves else lines, (height, width), edges)
        found.append(Level(separator, boundary, parents, halves))
        if leaves:
            return tuple(found)
        boxes, parents, halves = _halves(boxes, lines)


def _lines(boxes: Tensor) -> Tensor:
    """The row and the column (T, 2) that cut each box: of one the middle, of the other the first outside."""
    top, bottom, left, right = boxes.T
    across = bottom - top >= right - left
    row = torch.where(across, (top + bottom) // 2, bottom)
    column = torch.where(across, right, (left + right) // 2)
    return torch.stack([row, column], 1)


def _halves(boxes: Tensor, lines: Tensor) -> tuple[Tensor, Tensor, tuple[int, int]]:
    """The boxes before and after the lines, but for empty ones, and which boxes these were."""
    (top, bottom, left, right), (row, column) = boxes.T, lines.T
    across = row < bottom
    before = torch.stack([top, torch.where(across, row, bottom), left, column], 1)
    after = torch.stack(
        [torch.where(across, row + 1, top), bottom, torch.where(across, left, column + 1), right], 1
    )
    first, second = (
        ((box[:, 1] > box[:, 0]) & (box[:, 3] > box[:, 2])).nonzero()[:, 0] for box in (before, after)
    )
    parents = torch.cat([first, second])
    return torch.cat([before[first], after[second]]), parents, (len(first), len(second))


def _pixels(boxes: Tensor, lines: Tensor | None, size: tuple[int, int], edges: int) -> tuple[Tensor, Tensor]:
    """The pixels on the lines that cut the boxes, or all, (T, s), and those around the boxes (T, b)."""
    height, width = size
    top, bottom, left, right = boxes.T[:, :, None, None]
    rows = top - 1 + torch.arange(int((bottom - top).max()) + 2, device=boxes.device)[:, None]
    columns = left - 1 + torch.arange(int((right - left).max()) + 2, device=boxes.device)
    in_rows, in_columns = (rows >= top) & (rows < bottom), (columns >= left) & (columns < right)
    separator = inside = in_rows & in_columns
    if lines is not None:
        row, column = lines.T[:, :, None, None]
        separator = inside & ((rows == row) | (columns == column))
    boundary = (rows <= bottom) & (columns <= right) & ~inside
    boundary &= (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    if edges == 2:  # nothing links the box with the pixels at its corners
        boundary &= in_rows | in_columns
    pixels = rows * width + columns
    return _packed(pixels, separator, height * width), _packed(pixels, boundary, height * width)


def _packed(pixels: Tensor, chosen: Tensor, fill: int) -> Tensor:
    """The chosen pixels of each subdomain in rising order, as many columns as the largest has."""
    rows = torch.where(chosen, pixels, fill).flatten(1).sort(1).values
    return rows[:, : int(chosen.flatten(1).sum(1).max())]
