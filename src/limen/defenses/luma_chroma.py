"""From red, green and blue to luma and two differences of colour, as files store images, and back."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

UNIT = 65536
"""What the weights are in units of."""

# As libjpeg-turbo has them: float32 adds their products exactly, in whatever order.
TO_YCC = ((19595, 38470, 7471), (-11059, -21709, 32768), (32768, -27439, -5329))
"""From RGB to luma, and to blue and red less luma, without a shift."""

TO_RGB = ((0, 0, 91881), (0, -22554, -46802), (0, 116130, 0))
"""What is added to the luma for red, green and blue."""


def weighed(planes: Tensor, weights: Sequence[Sequence[int]]) -> Tensor:
    """Sums of the channels (N, C, H, W) with these weights, (N, len(weights), H, W)."""
    factors = torch.tensor(weights, dtype=planes.dtype, device=planes.device)[:, :, None, None]
    return (factors * planes[:, None]).sum(2) / UNIT
