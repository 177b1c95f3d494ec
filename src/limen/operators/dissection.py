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
from limen.operators.elimination import OFFSETS, Fronts, Plan, ends, levels, plan

_SMALL = 8  # matrices of this size are inverted pixel by pixel, the whole batch at once
_TINY = 400  # batched products of fewer factors torch forms itself on the CPU, faster along columns


@dataclass(frozen=True)
class GridFactor:
    """A factorisation of N × G matrices on one grid, G of them a sample.

    Attributes:
        couplings: The links between the pixels of leaves and lines, and 0 elsewhere, (N, G, E, H, W).
        leaves: The inverses of the leaves' own matrices, (N, G, e, e, T).
        upward: X and −X B of each level of lines, side by side, (N, G, T, e, e + b). X is the inverse of
            a front's matrix on its line, B its block between line and border.
        downward: −(X B)ᵀ, (N, G, T, b, e).

    Example:
        >>> diagonal = torch.full((1, 1, 4, 5), 5.0)
        >>> links = torch.full((1, 1, 2, 4, 5), -1.0)
        >>> solution = GridFactor.of(diagonal, links).solve(torch.ones(1, 1, 4, 5))
        >>> above, left = solution[0, 0, 0, 2], solution[0, 0, 1, 1]  # of the pixel at (1, 2)
        >>> below, right = solution[0, 0, 2, 2], solution[0, 0, 1, 3]
        >>> bool((5 * solution[0, 0, 1, 2] - above - left - below - right - 1).abs() < 1e-6)
        True
    """

    couplings: Tensor
    leaves: Tensor
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
        t, e, _ = order.leaf.shape
        leaves = links.new_empty(count, groups, e, e, t)
        shapes = [fronts.shape for fronts in order.lines]
        upward = tuple(_empty(links, count, groups, t, e, e + b) for t, e, b in shapes)
        downward = tuple(_empty(links, count, groups, t, b, e) for t, e, b in shapes)
        fine = torch.ones(count, dtype=torch.bool, device=links.device)
        for row in range(count):  # one by one: the fronts of many would not fit into the caches
            own = [*links[row].flatten(1).split(height * width, 1), diagonal[row].flatten(1)]
            entries = torch.cat([*own, links.new_ones(groups, 1)], 1)
            factors = zip(reversed(upward), reversed(downward), strict=True)
            pivots = _factorise(order, entries, leaves[row], [(up[row], down[row]) for up, down in factors])
            fine[row] = ((pivots > 0) & (pivots < torch.inf)).all()
        if not fine.all():
            raise LimenError(
                f"the matrices of samples {(~fine).nonzero()[:, 0].tolist()} of the batch are not positive definite, "
                "or not finite: they cannot be factorised"
            )
        return cls(torch.where(order.coupled, links, 0), leaves, upward, downward)

    def solve(self, targets: Tensor) -> Tensor:
        """A⁻¹ y for one y (N, C, H, W) a sample; C is G, or anything where G is 1."""
        order = plan(*targets.shape[2:], self.couplings.shape[2], targets.device)
        rows, inside = targets.shape[0] * targets.shape[1], len(order.leaf_pixels)
        found = targets.new_zeros(rows, inside + len(order.line_pixels))

        def image(of: Tensor) -> Tensor:
            return of.index_select(1, order.places).view(targets.shape)

        # The leaves as if the lines were 0, the lines with what the leaves hand them, the leaves again.
        found[:, :inside] = self._solve_leaves(order, targets)
        left = self._less_coupled(targets, image(found)).flatten(2).flatten(0, 1)
        found[:, :inside] = 0
        found[:, inside:] = self._solve_lines(order, left.index_select(1, order.line_pixels))
        found[:, :inside] = self._solve_leaves(order, self._less_coupled(targets, image(found)))
        return image(found)

    def keep(self, rows: Tensor) -> Self:
        """The factorisation of the samples at `rows`; itself, not a copy, where these are all in order."""
        if torch.equal(rows, torch.arange(len(self.leaves), device=rows.device)):
            return self
        upward, downward = (
            tuple(_rows(each, rows) for each in side) for side in (self.upward, self.downward)
        )
        return type(self)(self.couplings[rows], self.leaves[rows], upward, downward)

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
            49
        """
        *lines, (t, e, _) = (level.shape for level in levels(height, width, neighbours // 2))
        numbers = neighbours // 2 * height * width + t * e * e + sum(t * e * (e + 2 * b) for t, e, b in lines)
        return channels * numbers * dtype.itemsize

    def _less_coupled(self, targets: Tensor, images: Tensor) -> Tensor:
        """The targets less what the couplings make of the images."""
        left = targets.clone(memory_format=torch.contiguous_format)
        for link, offset in zip(self.couplings.unbind(2), OFFSETS, strict=False):
            here, there = ends(targets.shape[2:], offset)
            left[here].addcmul_(link[here], images[there], value=-1)
            left[there].addcmul_(link[here], images[here], value=-1)
        return left

    def _solve_leaves(self, order: Plan, targets: Tensor) -> Tensor:
        count, groups, e, _, t = self.leaves.shape
        pixels = targets.flatten(2).flatten(0, 1).index_select(1, order.leaf_pixels)
        vectors = pixels.view(count, groups, targets.shape[1] // groups, e, t)
        columns = self.leaves.unsqueeze(2).unbind(3)
        solution = columns[0] * vectors[..., :1, :]
        for pixel in range(1, e):
            solution.addcmul_(columns[pixel], vectors[..., pixel : pixel + 1, :])
        return solution.view(len(pixels), e * t)

    def _solve_lines(self, order: Plan, vectors: Tensor) -> Tensor:
        """The solution in place: to the whole grid's line up from the leaves, and down again."""
        rows = len(vectors)
        handed = vectors.new_empty(rows, order.slots + 1)
        handed[:, -1] = 0
        for fronts, matrices in zip(reversed(order.lines), reversed(self.upward), strict=True):
            (t, e, b), start, slot = fronts.shape, fronts.start, fronts.slot
            own = vectors[:, start : start + t * e]
            for each in fronts.sums:
                own += handed.index_select(1, each)
            product = _product(own, matrices)
            own.view(rows, t, e).copy_(product[..., :e])
            handed[:, slot : slot + t * b].view(rows, t, b).copy_(product[..., e:])
        for fronts, matrices in zip(order.lines[1:], self.downward[1:], strict=True):
            (t, e, _), start = fronts.shape, fronts.start
            own = vectors[:, start : start + t * e].view(rows, t, e)
            own += _product(vectors.index_select(1, fronts.border), matrices)
        return vectors


def _empty(like: Tensor, *shape: int) -> Tensor:
    """Matrices (…, rows, columns), laid out for products with a row vector on their left."""
    *batch, rows, columns = shape
    return like.new_empty(shape) if rows * columns >= _TINY else like.new_empty(*batch, columns, rows).mT


def _rows(matrices: Tensor, rows: Tensor) -> Tensor:
    return matrices[rows] if matrices.is_contiguous() else matrices.mT[rows].mT


def _product(vectors: Tensor, matrices: Tensor) -> Tensor:
    """(N·C, T·rows) times (N, G, T, rows, columns), part by part: (N·C, T, columns)."""
    count, groups, t, rows, columns = matrices.shape
    pairs, batch = count * groups, count * groups * t
    each = len(vectors) // max(pairs, 1)
    lying = vectors.view(pairs, each, t, rows).transpose(1, 2).reshape(batch, each, rows)
    flat = matrices.view(batch, rows, columns)
    if batch == 1:  # alone, it would be summed in another order than beside others
        lying, flat = lying.expand(2, -1, -1), flat.expand(2, -1, -1)
    product = torch.bmm(lying, flat)[:batch].view(pairs, t, each, columns)
    return product.transpose(1, 2).reshape(len(vectors), t, columns)


def _factorise(
    order: Plan, entries: Tensor, leaves: Tensor, factors: Sequence[tuple[Tensor, Tensor]]
) -> Tensor:
    """Fill in the factors of one sample, from the deepest lines up; return the pivots, all of them."""
    pivots: list[Tensor] = []
    inverse, _, rest = _eliminate(_fronts(order.leaf, entries), order.leaf, pivots)
    leaves.copy_(inverse.permute(0, 2, 3, 1))
    below = order.leaf
    for fronts, (up, down) in zip(reversed(order.lines), factors, strict=True):
        matrices = _fronts(fronts, entries)
        _add(matrices, below, rest)
        inverse, carried, rest = _eliminate(matrices, fronts, pivots)
        up[..., : fronts.shape[1]] = inverse
        up[..., fronts.shape[1] :] = carried
        down.copy_(carried.mT)
        below = fronts
    return torch.cat(pivots)


def _fronts(fronts: Fronts, entries: Tensor) -> Tensor:
    """The matrices (G, T, e + b, e + b) with the entries of the rows that they eliminate."""
    t, e, b = fronts.shape
    matrices = entries.new_zeros(len(entries), t, e + b, e + b)
    places = fronts.place.expand(len(entries), -1)
    matrices.view(len(entries), -1).scatter_(1, places, entries.index_select(1, fronts.source))
    return matrices


def _add(matrices: Tensor, below: Fronts, rest: Tensor) -> None:
    """Add what the fronts below left; by turns, for sums of one order."""
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
