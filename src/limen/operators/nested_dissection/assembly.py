"""How fronts are assembled: where their numbers come from and go to.

The front of a subdomain is the dense matrix of its separator and its boundary, in this order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from limen.operators.nested_dissection.layout import Layout
from limen.operators.nested_dissection.ordering import OFFSETS, Level


@dataclass(frozen=True)
class Assembly:
    """The indices by which the fronts of one level are assembled.

    Attributes:
        layout: How many fronts, of how many pixels.
        halves: Of the level.
        entries: Which of the `listed` entries of the matrix are in rows of separators.
        entry_places: Where these belong, as indices into (T, s + b, s + b).
        update_rows: With `update_columns` (T, 1, b), where the update matrix of each front belongs in the
            fronts above, (T, b, 1).
    """

    layout: Layout
    halves: tuple[int, int]
    entries: Tensor
    entry_places: Tensor
    update_rows: Tensor
    update_columns: Tensor

    @classmethod
    def of(cls, level: Level, above: Level, size: tuple[int, int], edges: int, device: torch.device) -> Self:
        """The indices of a level, for a grid of this size; the topmost may be its own `above`."""
        entries, places = _entries(level, *size, edges)
        update_rows, update_columns = _update_places(level, above, size[0] * size[1])
        return cls(
            layout=level.layout,
            halves=level.halves,
            entries=entries.to(device, torch.int32),  # half the memory to read
            entry_places=places.to(device),
            update_rows=update_rows.to(device),
            update_columns=update_columns.to(device),
        )


def listed(diagonal: Tensor, links: Tensor) -> Tensor:
    """The entries of G matrices on a grid, one after the other, as `Assembly.entries` numbers them.

    Args:
        diagonal: (G, H, W).
        links: (G, E, H, W).

    Returns:
        (G, E·H·W + H·W + 1): the links, the diagonal, and a 1 for pixels that fill up.
    """
    return torch.cat([links.flatten(1), diagonal.flatten(1), links.new_ones(len(links), 1)], 1)


def _entries(level: Level, height: int, width: int, edges: int) -> tuple[Tensor, Tensor]:
    """`entries` and `entry_places` of `Assembly`."""
    separator, pixels = level.separator, height * width
    front = torch.cat([separator, level.boundary], 1)
    count, size = front.shape
    own = torch.arange(separator.shape[1], device=separator.device)
    row_places = torch.arange(count, device=front.device)[:, None] * size**2 + own * size
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
    """`update_rows` and `update_columns` of `Assembly`."""
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
