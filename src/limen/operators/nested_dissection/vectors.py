"""How vectors lie in memory while they are solved for: pixels in the order in which the levels have them.

What a subdomain contributes to the pixels of its boundary is kept in a second vector, until these are due.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from limen.operators.nested_dissection.layout import Layout
from limen.operators.nested_dissection.ordering import Level


@dataclass(frozen=True)
class Segment:
    """What belongs to one level.

    Attributes:
        layout: How many subdomains, of how many pixels.
        own: The separators' pixels, s·T.
        boundary: Where the boundaries' pixels are, b·T. They belong to segments above.
        given: What the subdomains contribute to these, b·T, in the second vector.
        received: Which contributions the separators' pixels get, s·T each; the last of all is 0, for none.
    """

    layout: Layout
    own: slice
    boundary: Tensor
    given: slice
    received: tuple[Tensor, ...]


@dataclass(frozen=True)
class Vectors:
    """The order of all pixels in a vector.

    Attributes:
        segments: Of the levels, from the whole grid's to the leaves'; elimination goes the other way.
        order: The pixels; where rows are filled up, any.
        places: Where each pixel is, (H·W,).
        contributions: How long the second vector is, but for its last number.
    """

    segments: tuple[Segment, ...]
    order: Tensor
    places: Tensor
    contributions: int

    @classmethod
    def of(cls, levels: Sequence[Level], pixels: int, device: torch.device) -> Self:
        """The order that these levels of a grid make, with its indices on the device."""
        order = torch.cat([level.layout.flat(level.separator) for level in levels])
        boundaries = torch.cat([level.layout.flat(level.boundary) for level in levels])
        places = order.new_zeros(pixels + 1)
        places[order] = torch.arange(len(order), device=order.device)
        places[pixels] = 0  # what fills up a boundary meets zeros: any pixel will do
        gathered = _gathered(places, boundaries, pixels, len(order))
        segments, start, first = [], 0, 0
        for level in levels:
            layout = level.layout
            own = slice(start, start + layout.subdomains * layout.separator)
            given = slice(first, first + layout.subdomains * layout.boundary)
            received = [each for each in gathered[:, own] if (each < len(boundaries)).any()]
            segments.append(
                Segment(
                    layout,
                    own,
                    _index(places[boundaries[given]], device),
                    given,
                    tuple(_index(each, device) for each in received),
                )
            )
            start, first = own.stop, given.stop
        order, places = _index(order % pixels, device), _index(places[:pixels], device)
        return cls(tuple(segments), order, places, len(boundaries))


def _index(tensor: Tensor, device: torch.device) -> Tensor:
    return tensor.to(device, torch.int32)  # half the memory to read


def _gathered(places: Tensor, boundaries: Tensor, pixels: int, length: int) -> Tensor:
    """Which contributions each pixel of a vector gets, (k, length), filled up with their number."""
    real = (boundaries < pixels).nonzero()[:, 0]
    target, by = places[boundaries[real]].sort(stable=True)
    counts = torch.bincount(target, minlength=length)
    turn = torch.arange(len(target), device=target.device) - (counts.cumsum(0) - counts)[target]
    most = int(counts.max()) if len(target) else 0
    gathered = places.new_full((most, length), len(boundaries))
    gathered[turn, target] = real[by]
    return gathered
