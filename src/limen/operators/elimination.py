"""The order in which the pixels of a grid are eliminated (nested dissection), and the indices it takes.

The grid is cut along a line of pixels, either half again, and so on, down to leaves of few pixels.
No link crosses a line, so each part can be eliminated by itself, its leaves first and the line that
cut it last. A part's front is the dense matrix of its line and of its border, the pixels around it.

Everything here depends on the grid alone, not on the matrices, and is kept for the grids used last.

Source:
    George 1973, Nested dissection of a regular finite element mesh; Duff & Reid 1983, The
    multifrontal solution of indefinite sparse symmetric linear equations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

OFFSETS = ((0, 1), (1, 0), (1, 1), (1, -1))
"""From a pixel to its neighbours further on, (rows, columns); the first 2 for four neighbours."""

LEAF = 9  # pixels; larger leaves cost more products, smaller ones more overhead
CROSS = 256  # parts of fewer pixels are cut along both axes at once, for matrices that are not too tiny


@dataclass(frozen=True)
class Level:
    """All T parts of one depth. Rows are filled up with the number of pixels, which names none.

    Attributes:
        inside: The pixels that each eliminates, (T, e): its line or cross; a leaf's are all.
        border: The pixels around each, (T, b).
        parents: Which parts of the level above they were cut from, (T,).
        turns: Bounds of runs of parts, no two of one run cut from the same.
    """

    inside: Tensor
    border: Tensor
    parents: Tensor
    turns: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        """T, e, b."""
        return self.inside.shape[0], self.inside.shape[1], self.border.shape[1]


@lru_cache(maxsize=16)
def levels(height: int, width: int, edges: int) -> tuple[Level, ...]:
    """The levels from the whole grid to the leaves, for 2 or 4 edges a pixel."""
    found, boxes = [], torch.tensor([[0, height, 0, width]])
    parents, turns = torch.zeros(1, dtype=torch.int64), (0, 1)
    while True:
        top, bottom, left, right = boxes.T[:, :, None, None]
        tall, wide = bottom - top, right - left
        last = int((tall * wide).max()) <= LEAF
        both = (tall * wide <= CROSS) & (tall >= 3) & (wide >= 3)
        row = torch.where(both | (tall >= wide), (top + bottom) // 2, bottom)
        column = torch.where(both | (tall < wide), (left + right) // 2, right)
        rows = top - 1 + torch.arange(int(tall.max()) + 2)[:, None]
        columns = left - 1 + torch.arange(int(wide.max()) + 2)
        within, beside = (rows >= top) & (rows < bottom), (columns >= left) & (columns < right)
        inside = within & beside
        around = (rows <= bottom) & (columns <= right) & ~inside
        around &= (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        if edges == 2:
            around &= within | beside
        if not last:
            inside = inside & ((rows == row) | (columns == column))
        pixels = rows * width + columns
        found.append(
            Level(
                _packed(pixels, inside, height * width),
                _packed(pixels, around, height * width),
                parents,
                turns,
            )
        )
        if last:
            return tuple(found)
        cuts = torch.cat([boxes.T, row[None, :, 0, 0], column[None, :, 0, 0]])
        boxes, parents, turns = _halves(cuts)


def _halves(cuts: Tensor) -> tuple[Tensor, Tensor, tuple[int, ...]]:
    """The boxes left and right of, above and below the lines; where no line is, one of two is empty."""
    top, bottom, left, right, row, column = cuts
    boxes, parents, turns = [], [], [0]
    for low, high in ((top, row), (row + 1, bottom)):
        for near, far in ((left, column), (column + 1, right)):
            full = ((high > low) & (far > near)).nonzero()[:, 0]
            boxes.append(torch.stack([low, high, near, far], 1)[full])
            parents.append(full)
            turns.append(turns[-1] + len(full))
    return torch.cat(boxes), torch.cat(parents), tuple(turns)


def _packed(pixels: Tensor, chosen: Tensor, fill: int) -> Tensor:
    rows = torch.where(chosen, pixels, fill).flatten(1).sort(1).values
    return rows[:, : int(chosen.flatten(1).sum(1).max())]


@dataclass(frozen=True)
class Fronts:
    """Where the numbers of one level's fronts come from and go to.

    Attributes:
        shape: T, e, b: how many, of how many pixels inside and on the border.
        turns: Of the level.
        source: Which of the matrix's entries they begin with: of the links' E·H·W, the diagonal's H·W
            and a last one, 1, for what fills up.
        place: Where these belong, as indices into (T, e + b, e + b).
        rows: With `columns` (T, 1, b), where what is left of a front when its inside is eliminated
            belongs in the fronts above, (T, b, 1).
        border: Where the borders' pixels are in the order of elimination, (T·b,).
        sums: Which slots hold what the parts below handed to the pixels inside, (T·e,) each.
        start: Where the pixels inside begin in the order of elimination.
        slot: Where the slots begin in which the parts hand something to their borders.
    """

    shape: tuple[int, int, int]
    turns: tuple[int, ...]
    source: Tensor
    place: Tensor
    rows: Tensor
    columns: Tensor
    border: Tensor
    sums: tuple[Tensor, ...]
    start: int
    slot: int


@dataclass(frozen=True)
class Plan:
    """The order of elimination of a grid.

    Attributes:
        leaf: The leaves' fronts.
        lines: Those of the lines, from the whole grid's down.
        leaf_pixels: The leaves' pixels, the first of each leaf before the second ones, (e·T,).
        line_pixels: The lines' pixels in the order of their fronts.
        places: Where each pixel of the grid is in these two, one after the other, (H·W,).
        coupled: Which links join a leaf and a line, (E, H, W).
        slots: How many slots there are for what the lines' parts hand to their borders.
    """

    leaf: Fronts
    lines: tuple[Fronts, ...]
    leaf_pixels: Tensor
    line_pixels: Tensor
    places: Tensor
    coupled: Tensor
    slots: int


@lru_cache(maxsize=4)
def plan(height: int, width: int, edges: int, device: torch.device) -> Plan:
    """The order of elimination, with its indices on the device."""
    whole, pixels = levels(height, width, edges), height * width
    leaf, order = whole[-1].inside.T.flatten(), torch.cat([level.inside.flatten() for level in whole])
    order = order[: len(order) - len(leaf)]
    places, rank = torch.zeros(2, pixels + 1, dtype=torch.int64)
    places[leaf], places[order] = torch.arange(len(leaf)), torch.arange(len(order)) + len(leaf)
    rank[order] = torch.arange(len(order))
    rank[pixels] = 0  # what fills up a border meets zeros: any pixel will do
    borders = torch.cat([level.border.flatten() for level in whole])
    slots = len(borders) - whole[-1].border.numel()
    handed = _handed(rank, borders[:slots], pixels, len(order))
    fronts, start, slot = [], 0, 0
    for above, level in zip((None, *whole), whole, strict=False):
        count, e, b = level.shape
        source, place = _entries(level, height, width, edges)
        rows, columns = _places_above(level, above, pixels)
        sums = [each for each in handed[:, start : start + count * e] if (each < slots).any()]
        fronts.append(
            Fronts(
                level.shape,
                level.turns,
                source.to(device),
                place.to(device),
                rows.to(device),
                columns.to(device),
                _index(rank[level.border].flatten(), device),
                tuple(_index(each, device) for each in sums),
                start,
                slot,
            )
        )
        start, slot = start + count * e, slot + count * b
    return Plan(
        fronts[-1],
        tuple(fronts[:-1]),
        _index(leaf % pixels, device),
        _index(order % pixels, device),
        _index(places[:pixels], device),
        _coupled(leaf, height, width, edges).to(device),
        slots,
    )


def _index(tensor: Tensor, device: torch.device) -> Tensor:
    return tensor.to(device, torch.int32)  # half the memory to read


def _handed(rank: Tensor, borders: Tensor, pixels: int, length: int) -> Tensor:
    """Which slots' pixel each place of the order holds, (k, length), filled up with the number of slots."""
    given = (borders < pixels).nonzero()[:, 0]
    target, by = rank[borders[given]].sort(stable=True)
    counts = torch.bincount(target, minlength=length)
    turn = torch.arange(len(target)) - (counts.cumsum(0) - counts)[target]
    deepest = int(counts.max()) if len(target) else 0
    handed = torch.full((deepest, length), len(borders))
    handed[turn, target] = given[by]
    return handed


def _entries(level: Level, height: int, width: int, edges: int) -> tuple[Tensor, Tensor]:
    """Which entries of the matrix are in rows of the fronts' insides, and where."""
    (count, e, b), pixels, inside = level.shape, height * width, level.inside
    own = torch.cat([inside, level.border], 1)
    base = torch.arange(count)[:, None] * (e + b) ** 2 + torch.arange(e) * (e + b)
    source, place = [edges * pixels + inside], [base + torch.arange(e)]
    for edge, (down, right) in enumerate(OFFSETS[:edges]):
        for sign in (1, -1):
            row, column = inside // width + sign * down, inside % width + sign * right
            there = (inside < pixels) & (row >= 0) & (row < height) & (column >= 0) & (column < width)
            neighbour = torch.where(there, row * width + column, pixels)
            at = _find(own, neighbour)
            there &= at < e + b  # else the neighbour is eliminated already
            source.append((edge * pixels + torch.minimum(inside, neighbour))[there])
            place.append((base + at)[there])
    return torch.cat([each.flatten() for each in source]), torch.cat([each.flatten() for each in place])


def _places_above(level: Level, above: Level | None, pixels: int) -> tuple[Tensor, Tensor]:
    """`rows` and `columns` of `Fronts`."""
    above = above or level  # the whole grid has no border that could be anywhere
    own = torch.cat([above.inside, above.border], 1)
    at = _find(own[level.parents], level.border)
    at[level.border == pixels] = 0  # these add zeros, to anything
    size = own.shape[1]
    return ((level.parents * size)[:, None] + at)[:, :, None] * size, at[:, None]


def _find(rows: Tensor, queries: Tensor) -> Tensor:
    """Where each query stands in its row, or the row's length where it does not."""
    ordered, order = rows.sort(1)
    place = torch.searchsorted(ordered, queries.contiguous()).clamp_(max=rows.shape[1] - 1)
    return torch.where(ordered.gather(1, place) == queries, order.gather(1, place), rows.shape[1])


def _coupled(leaf_pixels: Tensor, height: int, width: int, edges: int) -> Tensor:
    leaf = torch.zeros(height * width + 1, dtype=torch.bool)
    leaf[leaf_pixels] = True
    leaf = leaf[:-1].view(height, width)
    coupled = torch.zeros(edges, height, width, dtype=torch.bool)
    for joined, offset in zip(coupled, OFFSETS, strict=False):
        here, there = ends((height, width), offset)
        joined[here] = leaf[here] ^ leaf[there]
    return coupled


def ends(size: Sequence[int], offset: tuple[int, int]) -> tuple[tuple, tuple]:
    """Slices of images (…, H, W): the pixels that have a neighbour at this offset, and the neighbours."""
    (height, width), (down, right) = size, offset
    here = (..., slice(max(height - down, 0)), slice(max(-right, 0), max(width - max(right, 0), 0)))
    there = (..., slice(down, None), slice(max(right, 0), max(width + min(right, 0), 0)))
    return here, there
