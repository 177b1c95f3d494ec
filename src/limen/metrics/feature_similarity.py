"""Feature similarity (Zhang, Zhang, Mou & Zhang 2011), by piq."""

from __future__ import annotations

import torch
from torch import Tensor

from limen.metrics.pairs import check_channels

_LEAST = 16
_PIECE = 4  # images at once: 16 filters make many maps of each


def fsim(a: Tensor, b: Tensor) -> Tensor:
    """Feature similarity: phase congruency and gradients, and of colour images the chroma as well.

    Colour images are compared by FSIMc, grey ones by FSIM. Sides of more than 383 pixels are made smaller
    first, to about 256.

    Args:
        a: Images (N, C, H, W) in [0, 1], 1 or 3 channels, both sides at least 16.
        b: Images of the same shape, dtype and device.

    Returns:
        Similarities in [0, 1], (N,); 1 for equal images. The gradient is 0 at values where the formula has
        none, as in places that are flat, and as good as 0 for equal images.

    Raises:
        UsageError: If either batch is not one of images, the two differ in kind, have neither 1 nor 3
            channels, or a side is below 16.

    Source:
        Zhang, Zhang, Mou & Zhang, TIP 20(8), 2011, as piq computes it.

    Example:
        >>> image = torch.rand(1, 3, 32, 32)
        >>> fsim(image, image)
        tensor([1.])
    """
    check_channels("FSIM", a, b, _LEAST)
    import piq

    a, b = _guarded(a), _guarded(b)
    values = [
        piq.fsim(x, y, reduction="none", chromatic=x.shape[1] == 3)
        for x, y in zip(a.split(_PIECE), b.split(_PIECE), strict=True)
        if len(x)
    ]
    return torch.cat([a.new_zeros(0), *values])


def _guarded(images: Tensor) -> Tensor:
    """The images, to which no gradient comes back that is not finite."""
    if images.requires_grad:
        images = images.clone()
        # The length of a gradient of 0 has no slope; of the choices between, 0 is one.
        images.register_hook(lambda slope: None if slope is None else slope.nan_to_num(0.0, 0.0, 0.0))
    return images
