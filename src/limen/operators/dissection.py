"""Solve with symmetric positive definite matrices on pixel grids, exactly and for whole batches.

The parts of one depth of a nested dissection have equally large fronts, so all that is done with
them, for all matrices at once, is products of batches of dense matrices. A solution reads each
number of the factor once or twice and is as fast as memory is, hence the layouts below.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import torch
from torch import Tensor

from limen.errors import LimenError
from limen.operators.elimination import OFFSETS, Fronts, Plan, levels, plan

_SMALL = 8  # matrices of this size are inverted pixel by pixel, the whole batch at once

__all__ = ["OFFSETS", "GridFactor"]


@dataclass(frozen=True)
class GridFactor:
    """A factorisation of N × G matrices on one grid, G of them per sample.

    Attributes:
        size: H, W.
        edges: E.
        upward: X and −X B of each level, side by side, (N, G, T, e, e + b), or (N, G, e, e + b, T) where
            they are tiny. X is the inverse of a front's matrix on its inside, B its block between
            inside and border.
        downward: −(X B)ᵀ, (N, G, T, b, e) or (N, G, b, e, T).

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
    upward: tuple[Tensor, ...]
    downward: tuple[Tensor, ...]

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
        count, groups, edges, height, width = links.shape
        order = plan(height, width, edges, links.device)
        shapes = [(fronts, *fronts.shape) for fronts in order.fronts]
        upward = tuple(_empty(links, fronts, t, e, e + b) for fronts, t, e, b in shapes)
        downward = tuple(_empty(links, fronts, t, b, e) for fronts, t, e, b in shapes)
        fine = torch.ones(count, dtype=torch.bool, device=links.device)
        for row in range(count):  # one by one: the fronts of many would not fit into the caches
            own = [*links[row].flatten(1).split(height * width, 1), diagonal[row].flatten(1)]
            entries = torch.cat([*own, links.new_ones(groups, 1)], 1)
            factors = [(up[row], down[row]) for up, down in zip(upward, downward, strict=True)]
            pivots = _factorise(order, entries, factors)
            fine[row] = ((pivots > 0) & (pivots < torch.inf)).all()
        failed = (~fine).nonzero()[:, 0].tolist()
        if failed:
            raise LimenError(
                f"the matrices of samples {failed} of the batch are not positive definite, or not finite: "
                "they cannot be factorised"
            )
        return cls((height, width), edges, upward, downward)

    def solve(self, targets: Tensor) -> Tensor:
        """A⁻¹ y for one y (N, C, H, W) per sample; C is G, or anything where G is 1."""
        order = plan(*self.size, self.edges, targets.device)
        vectors = targets.flatten(2).flatten(0, 1).index_select(1, order.order)
        self._up(order, vectors)
        self._down(order, vectors)
        return vectors.index_select(1, order.places).view(targets.shape)

    def select(self, rows: Tensor) -> Self:
        """The factorisation of the samples at `rows`; itself, not a copy, where these are all in order."""
        if torch.equal(rows, torch.arange(len(self.upward[0]), device=rows.device)):
            return self
        upward, downward = (tuple(each[rows] for each in side) for side in (self.upward, self.downward))
        return type(self)(self.size, self.edges, upward, downward)

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
        shapes = [level.shape for level in levels(height, width, neighbours // 2)]
        return channels * sum(t * e * (e + 2 * b) for t, e, b in shapes) * dtype.itemsize

    def _up(self, order: Plan, vectors: Tensor) -> None:
        """Solve each part as if its border were 0, the deepest first, and hand the rest to its border."""
        handed = vectors.new_empty(len(vectors), order.slots + 1)
        handed[:, -1] = 0
        for fronts, matrices in zip(reversed(order.fronts), reversed(self.upward), strict=True):
            (t, e, b), start, slot = fronts.shape, fronts.start, fronts.slot
            own = vectors[:, start : start + t * e]
            for each in fronts.sums:
                own += handed.index_select(1, each)
            solution, rest = _product(own, matrices, fronts).split((e, b), 1 if fronts.tiny else 2)
            own.view(solution.shape).copy_(solution)
            handed[:, slot : slot + t * b].view(rest.shape).copy_(rest)

    def _down(self, order: Plan, vectors: Tensor) -> None:
        """Add what the border makes of each part, the whole grid's line first."""
        for fronts, matrices in zip(order.fronts[1:], self.downward[1:], strict=True):
            (t, e, _), start = fronts.shape, fronts.start
            change = _product(vectors.index_select(1, fronts.border), matrices, fronts)
            vectors[:, start : start + t * e].view(change.shape).add_(change)


def _empty(like: Tensor, fronts: Fronts, t: int, rows: int, columns: int) -> Tensor:
    shape = (rows, columns, t) if fronts.tiny else (t, rows, columns)
    return like.new_empty(*like.shape[:2], *shape)


def _product(vectors: Tensor, matrices: Tensor, fronts: Fronts) -> Tensor:
    """Each part's row vectors times its matrix: (N·C, columns, T) for tiny ones, else (N·C, T, columns)."""
    if fronts.tiny:
        count, groups, rows, columns, t = matrices.shape
        each = len(vectors) // max(count * groups, 1)
        vectors = vectors.view(count, groups, each, rows, 1, t)
        product = vectors[:, :, :, 0] * matrices[:, :, None, 0]
        for row in range(1, rows):
            product.addcmul_(vectors[:, :, :, row], matrices[:, :, None, row])
        return product.view(-1, columns, t)
    count, groups, t, rows, columns = matrices.shape
    pairs, batch = count * groups, count * groups * t
    each = len(vectors) // max(pairs, 1)
    lying = vectors.view(pairs, each, t, rows).transpose(1, 2).reshape(batch, each, rows)
    flat = matrices.view(batch, rows, columns)
    product = torch.bmm(lying, flat).view(pairs, t, each, columns)
    return product.transpose(1, 2).reshape(pairs * each, t, columns)


def _factorise(order: Plan, entries: Tensor, factors: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """Fill in the factors of one sample, from the leaves up; return all pivots."""
    pivots: list[Tensor] = []
    below = None
    for fronts, factor in zip(reversed(order.fronts), reversed(factors), strict=True):
        matrices = _fronts(fronts, entries)
        if below is not None:
            _add(matrices, *below)
        inverse, carried, rest = _eliminate(matrices, fronts, pivots)
        up, down = (each.movedim(-1, 1) if fronts.tiny else each for each in factor)
        carried = _normal(carried)
        up[..., : fronts.shape[1]] = _normal(inverse)
        up[..., fronts.shape[1] :] = carried
        down.copy_(carried.mT)
        below = fronts, rest
    return torch.cat(pivots)


def _fronts(fronts: Fronts, entries: Tensor) -> Tensor:
    """The matrices (G, T, e + b, e + b) with the entries of the rows that they eliminate."""
    t, e, b = fronts.shape
    matrices = entries.new_zeros(len(entries), t, e + b, e + b)
    places = fronts.place.expand(len(entries), -1)
    matrices.view(len(entries), -1).scatter_(1, places, entries.index_select(1, fronts.source))
    return matrices


def _add(matrices: Tensor, below: Fronts, rest: Tensor) -> None:
    """Add what the fronts below left; by turns, so that a GPU's sums are the same whenever it adds them."""
    flat = matrices.view(len(matrices), -1)
    for first, end in pairwise(below.turns):
        places = (below.rows[first:end] + below.columns[first:end]).view(1, -1).expand(len(flat), -1)
        flat.scatter_add_(1, places, rest[:, first:end].reshape(len(flat), -1))


def _eliminate(matrices: Tensor, fronts: Fronts, pivots: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """X, −X B, and the Schur complement on the border."""
    groups, (t, e, b) = len(matrices), fronts.shape
    flat = matrices.view(groups * t, e + b, e + b)
    between = flat[:, :e, e:].contiguous()
    inverse = _inverse(flat[:, :e, :e], pivots)
    carried = torch.bmm(inverse, between).neg_()
    rest = torch.baddbmm(flat[:, e:, e:], carried.mT, between)
    return inverse.view(groups, t, e, e), carried.view(groups, t, e, b), rest.view(groups, t, b, b)


def _normal(values: Tensor) -> Tensor:
    """The values, 0 where their products would soon be subnormal, with which processors are slow."""
    limits = torch.finfo(values.dtype)
    return torch.hardshrink(values, limits.tiny / limits.eps)


def _inverse(matrices: Tensor, pivots: list[Tensor]) -> Tensor:
    """Of symmetric positive definite matrices (B, e, e): of one half, then of what is left of the other."""
    size = matrices.shape[1]
    if size <= _SMALL:
        return _small_inverse(matrices, pivots)
    half = size // 2
    first = _inverse(matrices[:, :half, :half], pivots)
    between = matrices[:, :half, half:].contiguous()
    carried = torch.bmm(first, between).neg_()
    second = _inverse(torch.baddbmm(matrices[:, half:, half:], carried.mT, between), pivots)
    corner = torch.bmm(carried, second)
    inverse = torch.empty_like(matrices, memory_format=torch.contiguous_format)
    inverse[:, :half, :half] = torch.baddbmm(first, corner, carried.mT)
    inverse[:, :half, half:] = corner
    inverse[:, half:, :half] = corner.mT
    inverse[:, half:, half:] = second
    return inverse


def _small_inverse(matrices: Tensor, pivots: list[Tensor]) -> Tensor:
    """Gauss-Jordan elimination without exchanges, which positive definite matrices do not need."""
    entries = matrices.permute(1, 2, 0).contiguous()
    for pixel in range(len(entries)):
        pivot = entries[pixel, pixel].clone()
        row, column = entries[pixel] / pivot, entries[:, pixel].clone()
        row[pixel], column[pixel] = 1 / pivot, 0
        entries[:, pixel] = 0
        entries.addcmul_(column[:, None], row, value=-1)
        entries[pixel] = row
        pivots.append(pivot)
    return entries.permute(2, 0, 1).contiguous()
