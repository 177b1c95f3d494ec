"""A solution by forward and backward substitution.

Both work in place, on values (N·C, all pixels) in the order of `Vectors`. Each reads the numbers of its
factor once, and is as fast as memory is.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from limen.operators.nested_dissection.vectors import Vectors


def forward(vectors: Vectors, values: Tensor, factors: Sequence[Tensor]) -> None:
    """Solve each subdomain as if its boundary were 0, from the leaves up, and give its boundary the rest."""
    contributions = values.new_empty(len(values), vectors.contributions + 1)
    contributions[:, -1] = 0
    for segment, matrices in zip(reversed(vectors.segments), reversed(factors), strict=True):
        layout, own = segment.layout, values[:, segment.own]
        for each in segment.received:
            own += contributions.index_select(1, each)
        solution, rest = layout.split(layout.multiply(own, matrices))
        own.view(solution.shape).copy_(solution)
        contributions[:, segment.given].view(rest.shape).copy_(rest)


def backward(vectors: Vectors, values: Tensor, factors: Sequence[Tensor]) -> None:
    """Add to each subdomain's solution what its boundary makes of it, from the halves of the grid down."""
    for segment, matrices in zip(vectors.segments[1:], factors[1:], strict=True):
        change = segment.layout.multiply(values.index_select(1, segment.boundary), matrices)
        values[:, segment.own].view(change.shape).add_(change)
