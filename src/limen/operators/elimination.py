"""The order in which the pixels of a grid are eliminated (nested dissection), and the indices it takes.

The grid is cut along a line of pixels, each half again, and so on, down to leaves of few pixels.
No link crosses a line, so each part can be eliminated by itself, its leaves first and the line that
cut it last. A part's front is the dense matrix of its line and of its border, the pixels around it.

Everything here depends on the grid alone, not on the matrices, and is kept for the grids used last.

Source:
    George 1973, Nested dissection of a regular finite element mesh; Duff & Reid 1983, The
    multifrontal solution of indefinite sparse symmetric linear equations.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

OFFSETS = ((0, 1), (1, 0), (1, 1), (1, -1))
"""From a pixel to its neighbours further on, (rows, columns); the first 2 for four neighbours."""

LEAF = 9  # pixels; larger leaves cost more products, smaller ones more overhead
TINY = 400  # batched products of fewer entries a matrix are slow, at least on the CPU


@dataclass(frozen=True)
class Level:
    """All T parts of one depth. Rows are filled up with the number of pixels, which names none.

    Attributes:
        inside: The pixels that each eliminates, (T, e): its line; a leaf's are all.
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

    @property
    def tiny(self) -> bool:
        """Whether the parts' index is the last one of all vectors and matrices, and not the first."""
        _, e, b = self.shape
        return e * max(e, b) < TINY

    def laid_out(self, pixels: Tensor) -> Tensor:
        """The pixels (T, …) in the order of the level's vectors."""
        return (pixels.T if self.tiny else pixels).flatten()


@lru_cache(maxsize=16)
def levels(height: int, width: int, edges: int) -> tuple[Level, ...]:
    """The levels from the whole grid to the leaves, for 2 or 4 edges per pixel."""
    found, boxes = [], torch.tensor([[0, height, 0, width]])
    parents, turns = torch.zeros(1, dtype=torch.int64), (0, 1)
    while True:
        top, bottom, left, right = boxes.T[:, :, None, None]
        tall, wide = bottom - top, right - left
        last = int((tall * wide).max()) <= LEAF
        across = tall >= wide
        row = torch.where(across, (top + bottom) // 2, bottom)
        column = torch.where(across, right, (left + right) // 2)
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
    """The boxes before and after the lines, but for empty ones."""
    top, bottom, left, right, row, column = cuts
    across = row < bottom
    before = torch.stack([top, torch.where(across, row, bottom), left, column], 1)
    after = torch.stack(
        [torch.where(across, row + 1, top), bottom, torch.where(across, left, column + 1), right], 1
    )
    first, second = (
        ((box[:, 1] > box[:, 0]) & (box[:, 3] > box[:, 2])).nonzero()[:, 0] for box in (before, after)
    )
    turns = (0, len(first), len(first) + len(second))
    return torch.cat([before[first], after[second]]), torch.cat([first, second]), turns


def _packed(pixels: Tensor, chosen: Tensor, fill: int) -> Tensor:
    rows = torch.where(chosen, pixels, fill).flatten(1).sort(1).values
    return rows[:, : int(chosen.flatten(1).sum(1).max())]


@dataclass(frozen=True)
class Fronts:
    """Where the numbers of one level's fronts come from and go to.

    Attributes:
        shape: T, e, b: how many, of how many pixels inside and on the border.
        tiny: Whether vectors are (…, e, T) and not (…, T, e).
        turns: Of the level.
        source: Which of the matrix's entries they begin with: of the links' E·H·W, the diagonal's H·W
            and a last one, 1, for what fills up.
        place: Where these belong, as indices into (T, e + b, e + b).
        rows: With `columns` (T, 1, b), where what is left of a front when its inside is eliminated
            belongs in the fronts above, (T, b, 1).
        border: Where the borders' pixels are in the order of elimination, b·T.
        sums: Which slots hold what the parts below handed to the pixels inside, e·T each.
        start: Where the pixels inside begin in the order of elimination.
        slot: Where the slots begin in which the parts hand something to their borders.
    """

    shape: tuple[int, int, int]
    tiny: bool
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
    """The order of elimination of a grid, backwards.

    Attributes:
        fronts: Of each level, from the whole grid's to the leaves'.
        order: The pixels; where it is filled up, any.
        places: Where each pixel is in the order, (H·W,).
        slots: How many numbers the parts hand to their borders.
    """

    fronts: tuple[Fronts, ...]
    order: Tensor
    places: Tensor
    slots: int


@lru_cache(maxsize=4)
def plan(height: int, width: int, edges: int, device: torch.device) -> Plan:
    """The order of elimination, with its indices on the device."""
    whole, pixels = levels(height, width, edges), height * width
    order = torch.cat([level.laid_out(level.inside) for level in whole])
    borders = torch.cat([level.laid_out(level.border) for level in whole])
    places = torch.zeros(pixels + 1, dtype=torch.int64)
    places[order] = torch.arange(len(order))
    places[pixels] = 0  # what fills up a border meets zeros: any pixel will do
    handed = _handed(places, borders, pixels, len(order))
    fronts, start, slot = [], 0, 0
    for above, level in zip((whole[0], *whole), whole, strict=False):
        count, e, b = level.shape
        source, place = _entries(level, height, width, edges)
        rows, columns = _places_above(level, above, pixels)
        sums = [each for each in handed[:, start : start + count * e] if (each < len(borders)).any()]
        fronts.append(
            Fronts(
                level.shape,
                level.tiny,
                level.turns,
                _index(source, device),
                place.to(device),
                rows.to(device),
                columns.to(device),
                _index(places[level.laid_out(level.border)], device),
                tuple(_index(each, device) for each in sums),
                start,
                slot,
            )
        )
        start, slot = start + count * e, slot + count * b
    return Plan(tuple(fronts), _index(order % pixels, device), _index(places[:pixels], device), len(borders))


def _index(tensor: Tensor, device: torch.device) -> Tensor:
    return tensor.to(device, torch.int32)  # half the memory to read


def _handed(places: Tensor, borders: Tensor, pixels: int, length: int) -> Tensor:
    """Which slots' pixel each place of the order holds, (k, length), filled up with the number of slots."""
    given = (borders < pixels).nonzero()[:, 0]
    target, by = places[borders[given]].sort(stable=True)
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


def _places_above(level: Level, above: Level, pixels: int) -> tuple[Tensor, Tensor]:
    """`rows` and `columns` of `Fronts`."""
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
