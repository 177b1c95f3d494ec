"""Photographs in their own size, beside what a network is shown of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image
from torch import Tensor

from limen.images import Crop, ImageFileError, from_uint8, to_uint8
from limen.operators.framing import Framing
from limen.safety import UnsafeError


@dataclass(frozen=True)
class Photographs:
    """Photographs in their own size, and what a network is shown of them.

    Attributes:
        read: Reads the whole photograph (C, H, W) at a position.
        crop: What the network is shown of one.
    """

    read: Callable[[int], Tensor]
    crop: Crop

    def framing(self, photo: Tensor) -> Framing:
        """How this photograph (C, H, W) is framed."""
        return Framing(photo.shape[1], photo.shape[2], self.crop)

    def shown(self, photo: Tensor) -> Tensor:
        """What the network is shown of a photograph (C, H, W): (C, side, side), in 8 bits as the file is."""
        pixels = to_uint8(photo[None])[0]
        picture = Image.fromarray(pixels[..., 0] if len(photo) == 1 else pixels)
        try:
            square = np.asarray(self.crop(picture))
        except UnsafeError as error:
            raise ImageFileError(f"it has {picture.width}×{picture.height} pixels; {error}") from None
        return from_uint8(square.reshape(1, *square.shape[:2], -1))[0]
