"""Split Bregman minimisation of the total variation that some known values of an image leave open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from limen.images import norm

SWEEPS = 10
"""Sweeps over the image in a pass."""


def minimise(
    images: Tensor,
    kept: Tensor,
    weight: float,
    *,
    literal: bool = False,
    tolerance: float = 0.01,
    most: int = 100,
) -> Tensor:
    """Find u of least Σ |∇u|₂ + 1/(2·weight) · Σ over what is kept of (u − image)², for each channel.

    Differences are forward, and zero at the last row and column. With d for ∇u and b for the multipliers, a
    pass solves for u by sweeps, then for d in closed form, and adds what is left of d − ∇u to b.

    Args:
        images: Images (N, C, H, W).
        kept: Which of their values are known (N, C, H, W).
        weight: How much the total variation counts against the known values.
        literal: Whether to follow the published patch where it departs, see `total_variation`.
        tolerance: A sample is finished when a pass changes it by no more than this, as a root mean square.
        most: Passes at most.

    Returns:
        The minimisers (N, C, H, W), not clipped. Each sample's are its own, whatever its batch.

    Source:
        Goldstein & Osher, The split Bregman method for L1-regularized problems, SIAM J. Imaging Sciences 2,
        2009, Section 4.1.
    """
    grid = _Grid(images.shape[2], images.shape[3])
    mu, coupling = 1 / weight, 2 / weight
    neighbours = grid.neighbours(images)
    known = kept.to(images.dtype)
    unknown_gain = 1 / 4 if literal else 1 / neighbours.clamp_min(1)
    gain = grid.flat(torch.where(kept, coupling / (mu + coupling * neighbours), unknown_gain))
    pull = grid.flat(known * images * mu / (mu + coupling * neighbours))
    sweep = _lexicographic if literal else _red_black
    u = grid.flat(known * images)
    b = torch.zeros_like(torch.stack([u, u]))
    push, result, rows = torch.zeros_like(u), torch.empty_like(u), torch.arange(len(u), device=u.device)
    for _ in range(most):
        before = u
        u = sweep(grid, u, push, gain, pull)
        split = b + grid.gradient(u)
        length = torch.hypot(split[0], split[1]).mul_(coupling)
        b = split * ((length + 1).reciprocal_() if literal else length.reciprocal_().clamp_max_(1))
        push = grid.divergence(2 * b - split)
        result[rows] = u
        going = norm(u - before) > tolerance * images[0].numel() ** 0.5
        if not going.all():
            rows, u, push, gain, pull = (each[going] for each in (rows, u, push, gain, pull))
            b = b[:, going]
        if not len(rows):
            break
    return grid.image(result)


@dataclass(frozen=True)
class _Grid:
    """Images with a border of zeros, each channel in one dimension, so that neighbours are shifts of it.

    A row is followed by one or two zeros, and is of odd length: so places of even and of odd number are the
    two colours of a chequerboard.
    """

    height: int
    width: int

    @property
    def stride(self) -> int:
        return self.width + 1 + self.width % 2

    def flat(self, images: Tensor) -> Tensor:
        return pad(images, (0, self.stride - self.width, 1, 1)).flatten(2)

    def image(self, flat: Tensor) -> Tensor:
        return flat.unflatten(2, (-1, self.stride))[:, :, 1:-1, : self.width]

    def neighbours(self, like: Tensor) -> Tensor:
        """How many neighbours each pixel has (H, W)."""
        along = [torch.full((side,), 2.0).to(like) for side in (self.height, self.width)]
        for counts in along:
            counts[0] -= 1
            counts[-1] -= 1
        return along[0][:, None] + along[1]

    def gradient(self, flat: Tensor) -> Tensor:
        """Differences to the right and downward (2, N, C, places), zero where there is no such neighbour."""
        image, differences = self.image(flat), flat.new_zeros(2, *flat.shape)
        right, down = (self.image(each) for each in differences)
        right[..., :-1] = image[..., 1:] - image[..., :-1]
        down[..., :-1, :] = image[..., 1:, :] - image[..., :-1, :]
        return differences

    def divergence(self, vectors: Tensor) -> Tensor:
        """The negative of the gradient's transpose; vectors that point out of the image must be zero."""
        right, down = vectors
        change = right + down
        change[..., 1:] -= right[..., :-1]
        change[..., self.stride :] -= down[..., : -self.stride]
        return change


def _red_black(grid: _Grid, u: Tensor, push: Tensor, gain: Tensor, pull: Tensor) -> Tensor:
    """Gauss-Seidel sweeps in which all places of one colour move at once, between those of the other."""
    colours = [[each[..., colour::2].contiguous() for each in (u, push, gain, pull)] for colour in (0, 1)]
    (red, *of_red), (black, *of_black) = colours
    half = grid.stride // 2
    for _ in range(SWEEPS):
        _relax(red, black, *of_red, shifts=(-half - 1, -1, 0, half))
        _relax(black, red, *of_black, shifts=(-half, 0, 1, half + 1))
    swept = torch.empty_like(u)
    swept[..., 0::2], swept[..., 1::2] = red, black
    return swept


def _lexicographic(grid: _Grid, u: Tensor, push: Tensor, gain: Tensor, pull: Tensor) -> Tensor:
    """Gauss-Seidel sweeps row by row: the pixels of an anti-diagonal do not touch, and move at once."""
    u, stride = u.clone(), grid.stride
    for _ in range(SWEEPS):
        for diagonal in range(grid.height + grid.width - 1):
            top, bottom = max(0, diagonal - grid.width + 1), min(grid.height - 1, diagonal)
            first, last = (diagonal + stride + row * (stride - 1) for row in (top, bottom))
            places = slice(first, last + 1, stride - 1)
            _relax(u, u, push, gain, pull, shifts=(-stride, -1, 1, stride), places=places)
    return u


def _relax(
    u: Tensor,
    others: Tensor,
    push: Tensor,
    gain: Tensor,
    pull: Tensor,
    shifts: Sequence[int],
    places: slice | None = None,
) -> None:
    """Solve for each of some places of u, given the others that lie at the shifts from it.

    By default, the places are all whose others exist.
    """
    if places is None:
        places = slice(max(0, -min(shifts)), min(u.shape[-1], others.shape[-1] - max(shifts)), 1)
    around = push[..., places].clone()
    for shift in shifts:
        around += others[..., places.start + shift : places.stop + shift : places.step]
    u[..., places] = torch.addcmul(pull[..., places], gain[..., places], around)
