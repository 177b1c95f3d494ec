"""The metric tensor of SSIM: how 1 − SSIM grows around an image, to second order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

import torch
from torch import Tensor

from limen.errors import UnknownNameError, UsageError
from limen.operators.multilevel import Hats, Multilevel
from limen.operators.window import RADIUS, TAPS, gaussian_window, mirror_pad, window_mean

C1 = 0.01**2
C2 = 0.03**2

_SPACINGS = (4, 12, 36, 108)
_BORDERS = {"reflect": 1.0, "valid": 0.0}

Border = float | Literal["reflect", "valid"]
"""How much windows count that hang over the image's border: a weight, "reflect" for 1 or "valid" for 0."""


def border_weight(border: Border) -> float:
    """The weight from 0 to 1 that a border's name or number stands for.

    Raises:
        UsageError: If it is a number outside.
        UnknownNameError: If there is no border of this name.
    """
    if isinstance(border, str):
        if border not in _BORDERS:
            raise UnknownNameError("border", border, _BORDERS)
        return _BORDERS[border]
    if not isinstance(border, int | float) or not 0 <= border <= 1:
        raise UsageError(
            f"border is {border!r}; expected a weight from 0 to 1, or one of {', '.join(_BORDERS)}"
        )
    return float(border)


@dataclass(frozen=True)
class SsimTensor:
    """The Hessian H of 1 − SSIM(x, ·) at x, mean over windows and channels.

    With the window filter G, its P places, and a = 1/(2μ² + C1), b = 1/(2σ² + C2) at each of them,

        H v = 2/(P·C) · [(Gᵀb) ⊙ v + Gᵀ((a − b) ⊙ G v)].

    It is symmetric, and positive wherever a window reaches. Where an image is flat, b is near
    1/C2 for what changes inside a window and a is far less for what changes its mean: noise there
    is dear, a change of brightness cheap.

    Attributes:
        pull: (a − b)·2/(P·C), (N, C, H, W).
        weight: Gᵀb·2/(P·C), (N, C, H, W): the whole of H but for what a window's mean gives back.

    Source:
        Hua et al., eq. 3.4, whose Hessian this is without ever being written out.
    """

    pull: Tensor
    weight: Tensor

    @classmethod
    def at(cls, images: Tensor, border: Border = "reflect") -> Self:
        """The tensor at these images.

        Args:
            images: (N, C, H, W), both sides at least 11.
            border: How much windows count that hang over the border, on the mirrored image, from 0
                to 1. With 0, or "valid", this is the Hessian of `limen.metrics.ssim` itself. Few
                windows reach the pixels at its border, which are nearly free, so that H⁻¹g flees
                there. With 1, or "reflect", it is that of the mean of `limen.metrics.ssim_map`,
                for which all pixels count alike.

        Raises:
            UsageError: If a side is below 11, or the border's weight is not from 0 to 1.
            UnknownNameError: If there is no border of this name.

        Example:
            >>> tensor = SsimTensor.at(torch.rand(2, 3, 16, 16))
            >>> tensor.matvec(torch.ones(2, 3, 16, 16)).shape
            torch.Size([2, 3, 16, 16])
        """
        height, width = images.shape[2:]
        if min(height, width) < TAPS:
            raise UsageError(f"SSIM's window is {TAPS}×{TAPS} pixels, the images only {height}×{width}")
        counted = images.new_full((height, width), border_weight(border))
        counted[RADIUS:-RADIUS, RADIUS:-RADIUS] = 1
        share = counted * (2 / (counted.sum() * images.shape[1]))
        mean = _filter(images)
        variance = (_filter(images.square()) - mean.square()).clamp_min_(0)
        brightness = share / (2 * mean.square() + C1)
        structure = share / (2 * variance + C2)
        return cls(brightness - structure, _filter(structure))

    def select(self, rows: Tensor) -> Self:
        """The tensor of the samples at `rows`."""
        return type(self)(self.pull[rows], self.weight[rows])

    def matvec(self, vectors: Tensor) -> Tensor:
        """H v for one v (N, C, H, W) per sample."""
        pulled = _filter(vectors).mul_(self.pull)
        return torch.addcmul(_filter(pulled), self.weight, vectors)

    def energy(self, vectors: Tensor) -> Tensor:
        """vᵀH v (N,): twice the 1 − SSIM that a small v costs. Takes one filter, where `matvec` takes two."""
        # Kept from the rounding of floats below 0, where smooth changes of flat images cost next to nothing.
        pulled = _filter(vectors).square_().mul_(self.pull)
        whole = vectors.square().mul_(self.weight)
        return (whole.flatten(1).sum(1) + pulled.flatten(1).sum(1)).clamp_min_(0)

    def diagonal(self) -> Tensor:
        """The diagonal of H, (N, C, H, W)."""
        rows, columns = (_matrix(side, self.weight) for side in self.weight.shape[2:])
        return self.weight + _quadratic(rows, self.pull, columns)

    def preconditioner(self) -> Multilevel:
        """H's diagonals on pixels and on coarser hat functions: smooth changes are cheap under H."""
        height, width = self.weight.shape[2:]
        levels = tuple(
            Hats(spacing, (height, width)) for spacing in _SPACINGS if spacing < min(height, width)
        )
        return Multilevel(self.diagonal(), levels, tuple(self._energies(hats) for hats in levels))

    def _energies(self, hats: Hats) -> Tensor:
        """φᵀHφ of each hat function φ: as φ, G and the weights factor over the axes, by small matrices."""
        height, width = self.weight.shape[2:]
        rows, columns = (hats.axis(number, self.weight) for number in (0, 1))
        row_means, column_means = _matrix(height, self.weight) @ rows, _matrix(width, self.weight) @ columns
        return _quadratic(rows, self.weight, columns) + _quadratic(row_means, self.pull, column_means)


def _quadratic(rows: Tensor, weights: Tensor, columns: Tensor) -> Tensor:
    """Σ w·u² over the image, for each product u of a column of `rows` and one of `columns`."""
    return rows.square().mT @ weights @ columns.square()


def _filter(images: Tensor) -> Tensor:
    """G: the mean under the window around each pixel of the mirrored image.

    As the mirror repeats the edge and the window is symmetric, G is a symmetric matrix: Gᵀ = G.
    """
    return window_mean(mirror_pad(images))


def _matrix(side: int, like: Tensor) -> Tensor:
    """One axis of G as a matrix."""
    pixels = torch.eye(side, dtype=like.dtype, device=like.device)
    before, after = pixels[:RADIUS].flip(0), pixels[-RADIUS:].flip(0)
    windows = torch.cat([before, pixels, after]).unfold(0, TAPS, 1)
    return torch.einsum("pst,t->ps", windows, gaussian_window(like.dtype, like.device))
