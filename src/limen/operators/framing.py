"""What a network sees of a larger photograph, as a linear operator, and its pseudo-inverse."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from limen.errors import UsageError

_SUPPORT = 2  # of the cubic kernel, in pixels of the smaller image
_SHARPNESS = -0.5  # Keys' a, as Pillow has it
_NEGLIGIBLE = 1e-3  # of what is seen, against what is seen best: to restore it would cost too much


@dataclass(frozen=True)
class Framing:
    """A photograph's shorter side is resized (bicubic, antialiased), and a square of the centre is cut out.

    Attributes:
        height: Of the photograph, in pixels.
        width: Likewise.
        side: Of the square that the network sees.
        resize: What the shorter side becomes, at least `side`.

    Raises:
        UsageError: If a number is under 1, or `resize` under `side`.

    Example:
        >>> framing = Framing(30, 40, side=8, resize=10)
        >>> framing.resized, framing.corner, framing(torch.rand(2, 3, 30, 40)).shape
        ((10, 13), (1, 2), torch.Size([2, 3, 8, 8]))
    """

    height: int
    width: int
    side: int
    resize: int

    def __post_init__(self) -> None:
        if min(self.height, self.width, self.side) < 1 or self.resize < self.side:
            raise UsageError(
                f"a square of side {self.side} cannot be cut out of a photograph of "
                f"{self.width}×{self.height} pixels whose shorter side becomes {self.resize}; resize must be "
                "at least the side"
            )

    @property
    def resized(self) -> tuple[int, int]:
        """Height and width of the whole photograph when it has been resized, before the square is cut out."""
        shorter = min(self.height, self.width)
        return self.height * self.resize // shorter, self.width * self.resize // shorter

    @property
    def corner(self) -> tuple[int, int]:
        """Row and column of the square's first pixel in the resized photograph."""
        return (self.resized[0] - self.side) // 2, (self.resized[1] - self.side) // 2

    def __call__(self, images: Tensor) -> Tensor:
        """What the network sees of photographs (N, C, H, W), without rounding: (N, C, side, side)."""
        rows, columns = (each.to(images) for each in self._weights)
        return rows @ images @ columns.T

    def lift(self, change: Tensor) -> Tensor:
        """The change (N, C, H, W) of least L2 of a photograph by which what is seen changes so.

        It is R⁺δ, the pseudo-inverse of the framing R, which is one of rows times one of columns.

        Args:
            change: δ, (N, C, side, side).
        """
        rows, columns = (each.to(change) for each in self._inverses)
        return rows @ change @ columns.T

    @cached_property
    def _weights(self) -> tuple[Tensor, Tensor]:
        lengths, resized, corner = (self.height, self.width), self.resized, self.corner
        rows, columns = (
            resampling(length, short)[first : first + self.side]
            for length, short, first in zip(lengths, resized, corner, strict=True)
        )
        return torch.from_numpy(rows), torch.from_numpy(columns)

    @cached_property
    def _inverses(self) -> tuple[Tensor, Tensor]:
        rows, columns = (torch.linalg.pinv(each, rtol=_NEGLIGIBLE) for each in self._weights)
        return rows, columns


def resampling(length: int, short: int) -> np.ndarray:
    """The weights (short, length) by which a line of pixels is resized, as Pillow's bicubic filter has them.

    Source:
        Keys 1981, Cubic convolution interpolation for digital image processing, equation 15, widened by the
        scale where a line is shortened, so that nothing aliases.
    """
    scale = length / short
    stretch = max(scale, 1.0)
    centres = (np.arange(short)[:, None] + 0.5) * scale
    first = np.floor(centres - _SUPPORT * stretch + 0.5)
    last = np.floor(centres + _SUPPORT * stretch + 0.5)
    places = np.arange(length)[None]
    weights = _cubic(np.abs(places + 0.5 - centres) / stretch) * ((places >= first) & (places < last))
    return weights / weights.sum(1, keepdims=True)


def _cubic(x: np.ndarray) -> np.ndarray:
    a = _SHARPNESS
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * a
    return np.where(x < 1, near, np.where(x < _SUPPORT, far, 0.0))
