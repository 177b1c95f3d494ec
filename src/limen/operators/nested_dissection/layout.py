"""How the vectors and matrices of equally large subdomains lie in memory, and are multiplied."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

INTERLEAVED_BELOW = 400
"""Batched products of matrices with fewer entries are slow, at least on the CPU."""


@dataclass(frozen=True)
class Layout:
    """T subdomains, each of s pixels in its separator and b on its boundary.

    Those of many pixels lie one after the other, for batched products of dense matrices. Those of few are
    interleaved: the first number of all, then the second of all. A product is then as many element-wise ones.

    Attributes:
        subdomains: T.
        separator: s.
        boundary: b.
    """

    subdomains: int
    separator: int
    boundary: int

    @property
    def interleaved(self) -> bool:
        """Whether the subdomains' axis is the last one of all vectors and matrices, and not the first."""
        return self.separator * max(self.separator, self.boundary) < INTERLEAVED_BELOW

    @property
    def numbers(self) -> int:
        """How many a factor has: X and −X B for forward, −(X B)ᵀ for backward substitution."""
        return self.subdomains * self.separator * (self.separator + 2 * self.boundary)

    def flat(self, rows: Tensor) -> Tensor:
        """What each subdomain has (T, k), in the order of memory (T·k)."""
        return (rows.T if self.interleaved else rows).flatten()

    def empty(self, like: Tensor, rows: int, columns: int) -> Tensor:
        """A matrix per subdomain, for each of the first two axes of `like`."""
        shape = (self.subdomains, rows, columns)
        return like.new_empty(*like.shape[:2], *(shape[1:] + shape[:1] if self.interleaved else shape))

    def by_subdomain(self, matrices: Tensor) -> Tensor:
        """A view of matrices, without the first axis of `empty`, as (G, T, rows, columns)."""
        return matrices.movedim(-1, 1) if self.interleaved else matrices

    def split(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """What a product has for the separators, and what for the boundaries."""
        own, around = vectors.split((self.separator, self.boundary), 1 if self.interleaved else 2)
        return own, around

    def multiply(self, vectors: Tensor, matrices: Tensor) -> Tensor:
        """Each subdomain's row vectors times its matrix.

        Args:
            vectors: (N·C, T·rows), `flat`.
            matrices: For N and G, as `empty` makes them; C is a multiple of G.

        Returns:
            (N·C, columns, T) where interleaved, else (N·C, T, columns).
        """
        product = _interleaved_product if self.interleaved else _batched_product
        return product(vectors, matrices)


def _interleaved_product(vectors: Tensor, matrices: Tensor) -> Tensor:
    count, groups, rows, columns, subdomains = matrices.shape
    each = len(vectors) // max(count * groups, 1)
    vectors = vectors.view(count, groups, each, rows, 1, subdomains)
    product = vectors[:, :, :, 0] * matrices[:, :, None, 0]
    for row in range(1, rows):
        product.addcmul_(vectors[:, :, :, row], matrices[:, :, None, row])
    return product.view(-1, columns, subdomains)


def _batched_product(vectors: Tensor, matrices: Tensor) -> Tensor:
    count, groups, subdomains, rows, columns = matrices.shape
    pairs, batch = count * groups, count * groups * subdomains
    each = len(vectors) // max(pairs, 1)
    lying = vectors.view(pairs, each, subdomains, rows).transpose(1, 2).reshape(batch, each, rows)
    product = torch.bmm(lying, matrices.view(batch, rows, columns)).view(pairs, subdomains, each, columns)
    return product.transpose(1, 2).reshape(pairs * each, subdomains, columns)
