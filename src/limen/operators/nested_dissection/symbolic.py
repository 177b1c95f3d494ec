"""The symbolic factorisation: every index that the numeric one and the substitutions take.

The front of a subdomain is the dense matrix of its separator and its boundary, in this order. Where the
numbers of each front come from and go to depends on the grid alone, and is kept for the grids used last.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from limen.operators.nested_dissection.layout import Layout
from limen.operators.nested_dissection.ordering import OFFSETS, Level, dissect


@dataclass(frozen=True)
class Fronts:
    """Where the numbers of one level's fronts come from and go to.

    A vector holds the pixels in the order of `Symbolic`. What a subdomain contributes to a pixel of its
    boundary is kept in a second vector, until this pixel is eliminated.

    Attributes:
        layout: How many fronts, of how many pixels.
        halves: Of the level.
        entries: Which of the `listed` entries of the matrix are in rows of separators.
        entry_places: Where these belong, as indices into (T, s + b, s + b).
        update_rows: With `update_columns` (T, 1, b), where the update matrix of each front belongs in the
            fronts above, (T, b, 1).
        boundary: Where the boundaries' pixels are in a vector, b·T.
        start: Where the separators' pixels begin there.
        contributions: Which ones the separators' pixels get, s·T each; the last of all is 0, for none.
        first_contribution: Where those that these subdomains make begin.
    """

    layout: Layout
    halves: tuple[int, int]
    entries: Tensor
    entry_places: Tensor
    update_rows: Tensor
    update_columns: Tensor
    boundary: Tensor
    start: int
    contributions: tuple[Tensor, ...]
    first_contribution: int


@dataclass(frozen=True)
class Symbolic:
    """The symbolic factorisation of a grid.

    Attributes:
        fronts: Of each level, from the whole grid's to the leaves'. They are eliminated the other way round.
        order: The pixels as vectors hold them, level by level; where rows are filled up, any.
        places: Where each pixel is in a vector, (H·W,).
        contributions: How many there are.
    """

    fronts: tuple[Fronts, ...]
    order: Tensor
    places: Tensor
    contributions: int


def listed(diagonal: Tensor, links: Tensor) -> Tensor:
    """The entries of G matrices on a grid, one after the other, as `Fronts.entries` numbers them.

    Args:
        diagonal: (G, H, W).
        links: (G, E, H, W).

    Returns:
        (G, E·H·W + H·W + 1): the links, the diagonal, and a 1 for pixels that fill up.
    """
    return torch.cat([links.flatten(1), diagonal.flatten(1), links.new_ones(len(links), 1)], 1)


@lru_cache(maxsize=4)
def analyse(height: int, width: int, edges: int, device: torch.device) -> Symbolic:
    """The symbolic factorisation for 2 or 4 edges per pixel, with its indices on the device."""
    levels, pixels = dissect(height, width, edges), height * width
    order = torch.cat([level.layout.flat(level.separator) for level in levels])
    boundaries = torch.cat([level.layout.flat(level.boundary) for level in levels])
    places = torch.zeros(pixels + 1, dtype=torch.int64)
    places[order] = torch.arange(len(order))
    places[pixels] = 0  # what fills up a boundary meets zeros: any pixel will do
    gathered = _gathered(places, boundaries, pixels, len(order))
    fronts, start, first_contribution = [], 0, 0
    for above, level in zip((levels[0], *levels), levels, strict=False):
        layout = level.layout
        end = start + layout.subdomains * layout.separator
        entries, entry_places = _entries(level, height, width, edges)
        update_rows, update_columns = _update_places(level, above, pixels)
        contributions = [each for each in gathered[:, start:end] if (each < len(boundaries)).any()]
        fronts.append(
            Fronts(
                layout,
                level.halves,
                _index(entries, device),
                entry_places.to(device),
                update_rows.to(device),
                update_columns.to(device),
                _index(places[layout.flat(level.boundary)], device),
                start,
                tuple(_index(each, device) for each in contributions),
                first_contribution,
            )
        )
        start, first_contribution = end, first_contribution + layout.subdomains * layout.boundary
    order, places = _index(order % pixels, device), _index(places[:pixels], device)
    return Symbolic(tuple(fronts), order, places, len(boundaries))


def _index(tensor: Tensor, device: torch.device) -> Tensor:
    return tensor.to(device, torch.int32)  # half the memory to read


def _gathered(places: Tensor, boundaries: Tensor, pixels: int, length: int) -> Tensor:
    """Which contributions each pixel of a vector gets, (k, length), filled up with their number."""
    real = (boundaries < pixels).nonzero()[:, 0]
    target, by = places[boundaries[real]].sort(stable=True)
    counts = torch.bincount(target, minlength=length)
    turn = torch.arange(len(target)) - (counts.cumsum(0) - counts)[target]
    most = int(counts.max()) if len(target) else 0
    gathered = torch.full((most, length), len(boundaries))
    gathered[turn, target] = real[by]
    return gathered


def _entries(level: Level, height: int, width: int, edges: int) -> tuple[Tensor, Tensor]:
    """`entries` and `entry_places` of `Fronts`."""
    separator, pixels = level.separator, height * width
    front = torch.cat([separator, level.boundary], 1)
    count, size = front.shape
    own = torch.arange(separator.shape[1])
    row_places = torch.arange(count)[:, None] * size**2 + own * size
    entries, places = [edges * pixels + separator], [row_places + own]
    for edge, (down, right) in enumerate(OFFSETS[:edges]):
        for sign in (1, -1):
            row, column = separator // width + sign * down, separator % width + sign * right
            there = (separator < pixels) & (row >= 0) & (row < height) & (column >= 0) & (column < width)
            neighbour = torch.where(there, row * width + column, pixels)
            at = _find(front, neighbour)
            there &= at < size  # else the neighbour was eliminated before, and the entry with it
            entries.append((edge * pixels + torch.minimum(separator, neighbour))[there])
            places.append((row_places + at)[there])
    return torch.cat([each.flatten() for each in entries]), torch.cat([each.flatten() for each in places])


def _update_places(level: Level, above: Level, pixels: int) -> tuple[Tensor, Tensor]:
    """`update_rows` and `update_columns` of `Fronts`."""
    front = torch.cat([above.separator, above.boundary], 1)
    at = _find(front[level.parents], level.boundary)
    at[level.boundary == pixels] = 0  # these add zeros, to anything
    size = front.shape[1]
    return ((level.parents * size)[:, None] + at)[:, :, None] * size, at[:, None]


def _find(rows: Tensor, queries: Tensor) -> Tensor:
    """Where each query stands in its row, or the row's length where it does not."""
    ordered, order = rows.sort(1)
    place = torch.searchsorted(ordered, queries.contiguous()).clamp_(max=rows.shape[1] - 1)
    return torch.where(ordered.gather(1, place) == queries, order.gather(1, place), rows.shape[1])
