"""Pictures that differ so much from their originals that only who does not look misses it."""

from __future__ import annotations

import numpy as np

USUAL = 8
"""How many such pairs an observer sees if nothing else is said: on 7 or 8 of 8 a coin is right in 3.5 %."""

_BLOCKS = 28


def disturbed(pixels: np.ndarray, seed: int) -> np.ndarray:
    """A picture half hidden behind coarse noise, on any screen and at any size.

    Args:
        pixels: The original, (H, W, C) uint8.
        seed: Seed of the noise.

    Returns:
        The mean of the original and noise of 0 to 255 in about 28 blocks to a side, of the same shape.

    Example:
        >>> changed = disturbed(np.zeros((56, 56, 3), np.uint8), 0)
        >>> changed.shape, bool((changed[0::2] == changed[1::2]).all()), int(changed.max())
        ((56, 56, 3), True, 127)
    """
    height, width, channels = pixels.shape
    block = max(1, round(max(height, width) / _BLOCKS))
    size = -(-height // block), -(-width // block), channels
    noise = np.random.default_rng(seed).integers(0, 256, size)
    noise = noise.repeat(block, 0).repeat(block, 1)[:height, :width]
    return ((pixels + noise) // 2).astype(np.uint8)
