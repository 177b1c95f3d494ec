"""Photographs that come with scikit-image, cut to a size."""

from __future__ import annotations

import numpy as np
import skimage.data
from torch import Tensor

from limen.images import from_uint8

NAMES = ("astronaut", "cat", "coffee", "rocket")


def photographs(height: int, width: int | None = None, count: int = len(NAMES)) -> Tensor:
    """Cuts (count, 3, height, width) from the middle of photographs, on the 8-bit lattice."""
    width, cuts = width or height, []
    for name in NAMES[:count]:
        pixels = getattr(skimage.data, name)()[..., :3]
        top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
        cuts.append(pixels[top : top + height, left : left + width])
    return from_uint8(np.stack(cuts))
