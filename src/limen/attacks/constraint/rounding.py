"""How far along a line a perturbation must go for its stored image to reach something."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from limen.images import column, norm, quantize

SLACK = 1e-6
BISECTIONS = 24


def stretch(
    originals: Tensor, delta: Tensor, length: float | Tensor, lattice: int, short: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """The last lattice image along x0 + t·δ that is too short, and the first that is not, by bisection of t.

    For a direction g, rounding t·g to the nearest gives the best perturbation of its length on
    the lattice, so t is all that is to be found. It lies between where the first value is rounded
    away from the original and where the rounded image must be longer than `length`.
    """
    low = 0.49 / (norm(delta, torch.inf) * lattice).clamp_min(1e-12)
    high = (length + 0.5 * delta[0].numel() ** 0.5 / lattice) / norm(delta).clamp_min(1e-12)

    def stored(t: Tensor) -> Tensor:
        return quantize(torch.addcmul(originals, delta, column(t)), lattice).clamp_(0, 1)

    for _ in range(BISECTIONS):
        middle = (low * high).sqrt()
        is_short = short(stored(middle))
        low, high = torch.where(is_short, middle, low), torch.where(is_short, high, middle)
    return stored(low), stored(high)


def flat(value: float | Tensor) -> float | Tensor:
    """A setting as a number or (n,), the shape of distances."""
    return value.flatten() if isinstance(value, Tensor) else value
