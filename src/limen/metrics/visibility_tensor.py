"""What small changes of an image cost the eye: a quadratic form of the detection stage of MAD."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor
from torch.nn.functional import conv_transpose2d, pad

from limen.images import LATTICE, dot, grey
from limen.metrics.moments import BLOCK, STRIDE
from limen.metrics.visibility import contrast_sensitivity, lightness_slope, thresholds
from limen.operators.solve import Jacobi


@dataclass(frozen=True)
class VisibilityTensor:
    """The mean square of a change, as the eye filters it, in units of what the image hides there.

    With the slope J of lightness at the image, the eye's filter S of frequencies, the threshold t in each
    pixel (by the mean of 1/t² over the blocks that hold it), and the luma y of a change,

        vᵀA v = mean[(S J y(v) / t)²] + κ·mean[(J v / t)²].

    Where no block has a deviation above its threshold, MAD is 0. What MAD looks at is the luma alone, so the
    second term keeps changes of colour, and those too fine to be seen, from costing nothing.

    Attributes:
        slope: J·255 (N, 1, H, W).
        weight: 1/t², divided by the number of pixels, (N, 1, H, W).
        channels: How many channels images have.
        colour: κ.
    """

    slope: Tensor
    weight: Tensor
    channels: int
    colour: float

    @classmethod
    def at(cls, images: Tensor, colour: float = 0.05) -> Self:
        """The form at these images (N, C, H, W) in [0, 1], of 1 or 3 channels.

        Images smaller than MAD's blocks are continued by their border.

        Example:
            >>> tensor = VisibilityTensor.at(torch.rand(2, 3, 32, 32))
            >>> bool((tensor.energy(torch.ones(2, 3, 32, 32) / 255) > 0).all())
            True
        """
        luma = LATTICE * grey(images)
        height, width = luma.shape[1:]
        room = (0, max(0, BLOCK - width), 0, max(0, BLOCK - height))
        hidden = thresholds(pad(luma[:, None], room, mode="replicate")[:, 0])
        weight = _over_pixels(hidden.square().reciprocal(), height, width) / (height * width)
        return cls(LATTICE * lightness_slope(luma)[:, None], weight, images.shape[1], colour)

    def select(self, rows: Tensor) -> Self:
        """The form of the samples at `rows`."""
        return replace(self, slope=self.slope[rows], weight=self.weight[rows])

    def matvec(self, vectors: Tensor) -> Tensor:
        """A v for one v (N, C, H, W) per sample."""
        seen = self._filtered(self.slope * grey(vectors)[:, None])
        back = self.slope * self._filtered(self.weight * seen)
        return torch.addcmul(self._luma * back, self.colour * self.weight * self.slope.square(), vectors)

    def energy(self, vectors: Tensor) -> Tensor:
        """vᵀA v (N,)."""
        seen = self._filtered(self.slope * grey(vectors)[:, None])
        coloured = self.slope * vectors
        return dot(self.weight * seen, seen) + self.colour * dot(self.weight * coloured, coloured)

    def diagonal(self) -> Tensor:
        """The diagonal of A, (N, C, H, W)."""
        kernel = torch.fft.irfft2(self._sensitivity, s=self.weight.shape[2:]).square()
        spread = torch.fft.irfft2(
            torch.fft.rfft2(self.weight) * torch.fft.rfft2(kernel).real, s=self.weight.shape[2:]
        )
        return self.slope.square() * (self._luma.square() * spread.clamp_min(0) + self.colour * self.weight)

    def preconditioner(self) -> Jacobi:
        """Division by the diagonal."""
        return Jacobi(self.diagonal())

    @property
    def _sensitivity(self) -> Tensor:
        return contrast_sensitivity(*self.weight.shape[2:], self.weight.device).to(self.weight.dtype)

    @property
    def _luma(self) -> Tensor:
        """The share of each channel in the luma, (C, 1, 1)."""
        channels = torch.eye(self.channels, dtype=self.weight.dtype, device=self.weight.device)
        return grey(channels[:, :, None, None]).reshape(-1, 1, 1)

    def _filtered(self, planes: Tensor) -> Tensor:
        return torch.fft.irfft2(torch.fft.rfft2(planes) * self._sensitivity, s=planes.shape[2:])


def _over_pixels(blocks: Tensor, height: int, width: int) -> Tensor:
    """The mean (N, 1, height, width) over the blocks that hold a pixel; beyond the last, that of its edge."""
    one = blocks.new_ones(1, 1, BLOCK, BLOCK)
    total = conv_transpose2d(blocks[:, None], one, stride=STRIDE)
    count = conv_transpose2d(torch.ones_like(blocks[:1, None]), one, stride=STRIDE)
    means = total / count
    beyond = (0, max(0, width - means.shape[3]), 0, max(0, height - means.shape[2]))
    return pad(means, beyond, mode="replicate")[..., :height, :width]
