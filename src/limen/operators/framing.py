"""What a network sees of a larger photograph, as a linear operator, and its pseudo-inverse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from limen.errors import UsageError
from limen.images import Crop, Interpolation

_SHARPNESS = -0.5  # Keys' a, as Pillow has it
_NEGLIGIBLE = 1e-3  # of what is seen, against what is seen best: to restore it would cost too much


@dataclass(frozen=True)
class Framing:
    """A photograph of one size is resized, antialiased, and a square is cut out of the centre.

    Attributes:
        height: Of the photograph, in pixels.
        width: Likewise.
        crop: How, with a `size`.

    Raises:
        UsageError: If the photograph has no pixel, or the crop no size.

    Example:
        >>> framing = Framing(30, 40, Crop(8, 10))
        >>> framing(torch.rand(2, 3, 30, 40)).shape
        torch.Size([2, 3, 8, 8])
    """

    height: int
    width: int
    crop: Crop

    def __post_init__(self) -> None:
        if min(self.height, self.width) < 1 or self.crop.size is None:
            raise UsageError(
                f"a photograph of {self.width}×{self.height} pixels has no square of side {self.crop.size}"
            )

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
        lengths = self.height, self.width
        resized, corner, how = (
            self.crop.resized(*lengths),
            self.crop.corner(*lengths),
            self.crop.interpolation,
        )
        rows, columns = (
            resampling(length, short, how)[first : first + (self.crop.size or 0)]
            for length, short, first in zip(lengths, resized, corner, strict=True)
        )
        return torch.from_numpy(rows), torch.from_numpy(columns)

    @cached_property
    def _inverses(self) -> tuple[Tensor, Tensor]:
        rows, columns = (torch.linalg.pinv(each, rtol=_NEGLIGIBLE) for each in self._weights)
        return rows, columns


def resampling(length: int, short: int, interpolation: Interpolation = "bicubic") -> np.ndarray:
    """The weights (short, length) by which a line of pixels is resized, as Pillow's filters have them.

    Source:
        Keys 1981, Cubic convolution interpolation for digital image processing, equation 15, and its linear
        and Lanczos kin, widened by the scale where a line is shortened, so that nothing aliases.
    """
    support, kernel = _KERNELS[interpolation]
    scale = length / short
    stretch = max(scale, 1.0)
    centres = (np.arange(short)[:, None] + 0.5) * scale
    first = np.floor(centres - support * stretch + 0.5)
    last = np.floor(centres + support * stretch + 0.5)
    places = np.arange(length)[None]
    weights = kernel(np.abs(places + 0.5 - centres) / stretch) * ((places >= first) & (places < last))
    return weights / weights.sum(1, keepdims=True)


def _linear(x: np.ndarray) -> np.ndarray:
    return np.maximum(1 - x, 0)


def _cubic(x: np.ndarray) -> np.ndarray:
    a = _SHARPNESS
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * a
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


def _lanczos(x: np.ndarray) -> np.ndarray:
    return np.where(x < 3, np.sinc(x) * np.sinc(x / 3), 0.0)


_KERNELS: dict[Interpolation, tuple[int, Callable[[np.ndarray], np.ndarray]]] = {
    "bilinear": (1, _linear),
    "bicubic": (2, _cubic),
    "lanczos": (3, _lanczos),
}
"""How far each kernel reaches, in pixels of the smaller image, and its values at distances from 0."""
