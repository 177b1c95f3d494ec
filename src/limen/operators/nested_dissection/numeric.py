"""The numeric factorisation: fronts are assembled and eliminated level by level, from the leaves up."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from limen.operators.nested_dissection.dense import inverse
from limen.operators.nested_dissection.symbolic import Fronts, Symbolic


def factorise(symbolic: Symbolic, entries: Tensor, factors: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """Fill in the factors of one sample's matrices.

    Args:
        symbolic: Of the grid.
        entries: Of the G matrices, `symbolic.listed`.
        factors: For each level, the matrices for forward and for backward substitution, to be filled in.

    Returns:
        All pivots, in one row. They are positive and finite where the matrices are positive definite.
    """
    pivots: list[Tensor] = []
    below = None
    for fronts, factor in zip(reversed(symbolic.fronts), reversed(factors), strict=True):
        matrices = _assemble(fronts, entries)
        if below is not None:
            _extend_add(matrices, *below)
        inverses, carried, update = _eliminate(matrices, fronts, pivots)
        forward, backward = (fronts.layout.by_subdomain(each) for each in factor)
        carried = _normal(carried)
        forward[..., : fronts.layout.separator] = _normal(inverses)
        forward[..., fronts.layout.separator :] = carried
        backward.copy_(carried.mT)
        below = fronts, update
    return torch.cat(pivots)


def _assemble(fronts: Fronts, entries: Tensor) -> Tensor:
    """The fronts (G, T, s + b, s + b) with the entries of the rows that they eliminate, and no others yet."""
    layout, groups = fronts.layout, len(entries)
    size = layout.separator + layout.boundary
    matrices = entries.new_zeros(groups, layout.subdomains, size, size)
    places = fronts.entry_places.expand(groups, -1)
    matrices.view(groups, -1).scatter_(1, places, entries.index_select(1, fronts.entries))
    return matrices


def _extend_add(matrices: Tensor, below: Fronts, update: Tensor) -> None:
    """Add the update matrices, of first halves and then of second ones: a GPU's sums are always the same."""
    flat, start = matrices.view(len(matrices), -1), 0
    for count in below.halves:
        some = slice(start, start + count)
        places = (below.update_rows[some] + below.update_columns[some]).view(1, -1).expand(len(flat), -1)
        flat.scatter_add_(1, places, update[:, some].reshape(len(flat), -1))
        start += count


def _eliminate(matrices: Tensor, fronts: Fronts, pivots: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """X, −X B, and the update matrix C − BᵀX B, of fronts (A, B; Bᵀ, C) with X = A⁻¹."""
    groups, layout = len(matrices), fronts.layout
    t, s, b = layout.subdomains, layout.separator, layout.boundary
    flat = matrices.view(groups * t, s + b, s + b)
    between = flat[:, :s, s:].contiguous()
    inverses = inverse(flat[:, :s, :s], pivots)
    carried = torch.bmm(inverses, between).neg_()
    update = torch.baddbmm(flat[:, s:, s:], carried.mT, between)
    return inverses.view(groups, t, s, s), carried.view(groups, t, s, b), update.view(groups, t, b, b)


def _normal(values: Tensor) -> Tensor:
    """The values, 0 where their products would soon be subnormal, with which processors are slow."""
    limits = torch.finfo(values.dtype)
    return torch.hardshrink(values, limits.tiny / limits.eps)
