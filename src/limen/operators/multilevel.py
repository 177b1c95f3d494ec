"""A preconditioner for operators under which smooth changes are cheap and rough ones dear."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional

from limen.operators.window import separable_filter


@dataclass(frozen=True)
class Hats:
    """Bilinear hat functions on a coarse grid over an image.

    Attributes:
        spacing: Pixels from one to the next, in both axes.
        size: Height and width of the image.
    """

    spacing: int
    size: tuple[int, int]

    @property
    def shape(self) -> tuple[int, int]:
        """How many there are in each axis: enough that each pixel lies between two."""
        height, width = (-(-(side - 1) // self.spacing) + 1 for side in self.size)
        return height, width

    def spread(self, amounts: Tensor) -> Tensor:
        """P: the image (N, C, H, W) that these amounts of the functions (N, C, h, w) add up to."""
        whole = [(count - 1) * self.spacing + 1 for count in self.shape]
        images = functional.interpolate(amounts, size=whole, mode="bilinear", align_corners=True)
        return images[..., : self.size[0], : self.size[1]]

    def collect(self, images: Tensor) -> Tensor:
        """Pᵀ: the inner product of each function with the image."""
        (height, width), reach = self.shape, self.spacing - 1
        below, right = height * self.spacing - self.size[0], width * self.spacing - self.size[1]
        padded = functional.pad(images, (reach, right, reach, below))
        return separable_filter(padded, self._hat(images), self.spacing)

    def axis(self, number: int, like: Tensor) -> Tensor:
        """The functions along one axis as the columns of a matrix (side, count)."""
        side, count = self.size[number], self.shape[number]
        pixels = torch.arange(side, dtype=like.dtype, device=like.device)[:, None]
        centres = torch.arange(count, dtype=like.dtype, device=like.device) * self.spacing
        return (1 - (pixels - centres).abs() / self.spacing).clamp_min(0)

    def _hat(self, like: Tensor) -> Tensor:
        offsets = torch.arange(1 - self.spacing, self.spacing, dtype=like.dtype, device=like.device)
        return 1 - offsets.abs() / self.spacing


@dataclass(frozen=True)
class Multilevel:
    """The inverse diagonals of an operator on pixels and on ever coarser hat functions, added up.

    Division by the diagonal leaves conjugate gradients to carry smooth changes a window's width an
    iteration. Here each coarser level carries them further at once, so the number of iterations
    does not grow with the image.

    Attributes:
        diagonal: The operator's diagonal, (N, C, H, W).
        levels: The hat functions of each coarser level.
        energies: φᵀAφ of each of their functions, (N, C, h, w) per level.

    Source:
        Bramble, Pasciak & Xu 1990, Parallel multilevel preconditioners, eq. 3.4, scaled by the
        operator's own diagonals (Zhang 1992).
    """

    diagonal: Tensor
    levels: tuple[Hats, ...]
    energies: tuple[Tensor, ...]

    def __call__(self, residual: Tensor) -> Tensor:
        """The map of one vector (N, C, H, W) per sample."""
        total = residual / self.diagonal
        for hats, energy in zip(self.levels, self.energies, strict=True):
            total += hats.spread(hats.collect(residual) / energy)
        return total

    def select(self, rows: Tensor) -> Self:
        """The preconditioner of the samples at `rows`."""
        return type(self)(self.diagonal[rows], self.levels, tuple(energy[rows] for energy in self.energies))
