"""A solution by forward and backward substitution.

Both work in place, on vectors in the order of elimination. Each reads the numbers of its factor once, and is
as fast as memory is.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from limen.operators.nested_dissection.symbolic import Symbolic


def forward(symbolic: Symbolic, vectors: Tensor, factors: Sequence[Tensor]) -> None:
    """Solve each subdomain as if its boundary were 0, from the leaves up, and give its boundary the rest."""
    given = vectors.new_empty(len(vectors), symbolic.contributions + 1)
    given[:, -1] = 0
    for fronts, matrices in zip(reversed(symbolic.fronts), reversed(factors), strict=True):
        layout, start, first = fronts.layout, fronts.start, fronts.first_contribution
        own = vectors[:, start : start + layout.subdomains * layout.separator]
        for each in fronts.contributions:
            own += given.index_select(1, each)
        solution, rest = layout.split(layout.multiply(own, matrices))
        own.view(solution.shape).copy_(solution)
        given[:, first : first + layout.subdomains * layout.boundary].view(rest.shape).copy_(rest)


def backward(symbolic: Symbolic, vectors: Tensor, factors: Sequence[Tensor]) -> None:
    """Add to each subdomain's solution what its boundary makes of it, from the halves of the grid down."""
    for fronts, matrices in zip(symbolic.fronts[1:], factors[1:], strict=True):
        layout, start = fronts.layout, fronts.start
        change = layout.multiply(vectors.index_select(1, fronts.boundary), matrices)
        own = vectors[:, start : start + layout.subdomains * layout.separator]
        own.view(change.shape).add_(change)
