"""The interface of the solver: a factorisation that is made once and solves as often as asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from limen.errors import LimenError
from limen.operators.nested_dissection import substitution
from limen.operators.nested_dissection.assembly import listed
from limen.operators.nested_dissection.numeric import factorise
from limen.operators.nested_dissection.ordering import dissect
from limen.operators.nested_dissection.symbolic import analyse


@dataclass(frozen=True)
class GridFactor:
    """A factorisation of N × G matrices on one grid, G of them per sample.

    Attributes:
        size: H, W.
        edges: E.
        forward: For forward substitution, X and −X B of each level, side by side, (N, G, T, s, s + b), or
            (N, G, s, s + b, T) where they are interleaved. X is the inverse of a front's matrix on its
            separator, B its block between separator and boundary.
        backward: For backward substitution, −(X B)ᵀ, (N, G, T, b, s) or (N, G, b, s, T).

    Example:
        >>> diagonal = torch.full((1, 1, 4, 5), 5.0)
        >>> links = torch.full((1, 1, 2, 4, 5), -1.0)
        >>> solution = GridFactor.of(diagonal, links).solve(torch.ones(1, 1, 4, 5))
        >>> above, left = solution[0, 0, 0, 2], solution[0, 0, 1, 1]  # of the pixel at (1, 2)
        >>> below, right = solution[0, 0, 2, 2], solution[0, 0, 1, 3]
        >>> bool((5 * solution[0, 0, 1, 2] - above - left - below - right - 1).abs() < 1e-6)
        True
    """

    size: tuple[int, int]
    edges: int
    forward: tuple[Tensor, ...]
    backward: tuple[Tensor, ...]

    @classmethod
    def of(cls, diagonal: Tensor, links: Tensor) -> Self:
        """Factorise.

        Args:
            diagonal: The entries on the diagonal, (N, G, H, W).
            links: The entries between pixels and their neighbours at `OFFSETS`, (N, G, E, H, W), E = 2
                or 4. Those that would lead out of the image are not read.

        Raises:
            LimenError: If a matrix is not positive definite, or holds numbers that are not finite.
        """
        count, _, edges, height, width = links.shape
        assemblies = analyse(height, width, edges, links.device).assemblies
        sizes = [(each.layout, each.layout.separator, each.layout.boundary) for each in assemblies]
        forward = tuple(layout.empty(links, s, s + b) for layout, s, b in sizes)
        backward = tuple(layout.empty(links, b, s) for layout, s, b in sizes)
        fine = torch.ones(count, dtype=torch.bool, device=links.device)
        for row in range(count):  # one by one: the fronts of many would not fit into the caches
            factors = [(one[row], other[row]) for one, other in zip(forward, backward, strict=True)]
            pivots = factorise(assemblies, listed(diagonal[row], links[row]), factors)
            fine[row] = ((pivots > 0) & (pivots < torch.inf)).all()
        failed = (~fine).nonzero()[:, 0].tolist()
        if failed:
            raise LimenError(
                f"the matrices of samples {failed} of the batch are not positive definite, or not finite: "
                "they cannot be factorised"
            )
        return cls((height, width), edges, forward, backward)

    def solve(self, targets: Tensor) -> Tensor:
        """A⁻¹ y for one y (N, C, H, W) per sample, differentiable in y; C is G, or anything where G is 1."""
        vectors = analyse(*self.size, self.edges, targets.device).vectors
        values = targets.flatten(2).flatten(0, 1).index_select(1, vectors.order)
        substitution.forward(vectors, values, self.forward)
        substitution.backward(vectors, values, self.backward)
        return values.index_select(1, vectors.places).view(targets.shape)

    def select(self, rows: Tensor) -> Self:
        """The factorisation of the samples at `rows`; itself, not a copy, where these are all in order."""
        if torch.equal(rows, torch.arange(len(self.forward[0]), device=rows.device)):
            return self
        forward, backward = (tuple(each[rows] for each in side) for side in (self.forward, self.backward))
        return type(self)(self.size, self.edges, forward, backward)

    @staticmethod
    def bytes(channels: int, height: int, width: int, neighbours: int, dtype: torch.dtype) -> int:
        """The memory of one image's factor.

        Args:
            channels: G, its matrices.
            height: Pixels.
            width: Pixels.
            neighbours: 4 or 8.
            dtype: Of the matrices.

        Example:
            >>> GridFactor.bytes(3, 224, 224, 4, torch.float32) // 2**20
            54
        """
        levels = dissect(height, width, neighbours // 2)
        return channels * sum(level.layout.numbers for level in levels) * dtype.itemsize
