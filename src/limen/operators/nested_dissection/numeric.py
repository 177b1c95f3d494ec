"""The numeric factorisation: fronts are assembled and eliminated level by level, from the leaves up."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from limen.operators.nested_dissection.assembly import Assembly
from limen.operators.nested_dissection.dense import inverse
from limen.operators.nested_dissection.layout import Layout


def factorise(
    assemblies: Sequence[Assembly], entries: Tensor, factors: Sequence[tuple[Tensor, Tensor]]
) -> Tensor:
    """Fill in the factors of one sample's matrices.

    Args:
        assemblies: Of the levels, the whole grid's first.
        entries: Of the G matrices, `assembly.listed`.
        factors: For each level, the matrices for forward and for backward substitution, to be filled in.

    Returns:
        All pivots, in one row. They are positive and finite where the matrices are positive definite.
    """
    pivots: list[Tensor] = []
    below = None
    for assembly, factor in zip(reversed(assemblies), reversed(factors), strict=True):
        layout = assembly.layout
        matrices = _assemble(assembly, entries)
        if below is not None:
            _extend_add(matrices, *below)
        inverses, carried, update = _eliminate(matrices, layout, pivots)
        forward, backward = (layout.by_subdomain(each) for each in factor)
        carried = _normal(carried)
        forward[..., : layout.separator] = _normal(inverses)
        forward[..., layout.separator :] = carried
        backward.copy_(carried.mT)
        below = assembly, update
    return torch.cat(pivots)


def _assemble(assembly: Assembly, entries: Tensor) -> Tensor:
    """The fronts (G, T, s + b, s + b) with the entries of the rows that they eliminate, and no others yet."""
    layout, groups = assembly.layout, len(entries)
    size = layout.separator + layout.boundary
    matrices = entries.new_zeros(groups, layout.subdomains, size, size)
    places = assembly.entry_places.expand(groups, -1)
    matrices.view(groups, -1).scatter_(1, places, entries.index_select(1, assembly.entries))
    return matrices


def _extend_add(matrices: Tensor, below: Assembly, update: Tensor) -> None:
    """Add the update matrices, of first halves and then of second ones: a GPU's sums are always the same."""
    flat, start = matrices.view(len(matrices), -1), 0
    for count in below.halves:
        some = slice(start, start + count)
        places = (below.update_rows[some] + below.update_columns[some]).view(1, -1).expand(len(flat), -1)
        flat.scatter_add_(1, places, update[:, some].reshape(len(flat), -1))
        start += count


def _eliminate(matrices: Tensor, layout: Layout, pivots: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """X, −X B, and the update matrix C − BᵀX B, of fronts (A, B; Bᵀ, C) with X = A⁻¹."""
    groups, t, s, b = len(matrices), layout.subdomains, layout.separator, layout.boundary
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
