"""How a number changes from the first step to the last."""

from __future__ import annotations

import math

from torch import Tensor


def cosine(first: float | Tensor, last: float | Tensor, progress: float) -> float | Tensor:
    """From `first` at progress 0 to `last` at progress 1, along a half cosine."""
    return last + (first - last) * ((1 + math.cos(math.pi * progress)) / 2)
