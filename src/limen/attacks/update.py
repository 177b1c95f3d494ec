"""How steps add up."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from limen.attacks.protocols import Part, Round, Slope, cosine
from limen.images import column, dot


@dataclass(frozen=True)
class Scale(Part):
    """A step length, fixed or falling along a cosine.

    Attributes:
        step_size: The length, a number or one a sample.
        final: The length at the last step, reached along a half cosine; None keeps it fixed.
    """

    step_size: float | Tensor
    final: float | Tensor | None = None

    def __call__(self, move: Tensor, slope: Slope) -> tuple[Tensor, Self]:
        if self.final is None:
            return move.mul_(self.step_size), self
        return move.mul_(cosine(self.step_size, self.final, slope.point.progress)), self


@dataclass(frozen=True)
class ShareOfRadius(Part):
    """A direction of unit length, as a share of the feasible sphere's radius that falls along a cosine.

    The first step, before the sphere has a radius, goes to the linearised boundary: to where the
    objective would be 0, were it linear. So no length needs to be guessed, whatever the geometry.

    Attributes:
        share: The share at the first step.
        final: The share at the last.
    """

    share: float | Tensor
    final: float | Tensor

    def __call__(self, move: Tensor, slope: Slope) -> tuple[Tensor, Self]:
        assert isinstance(slope.feasible, Round)  # noqa: S101 (a composition refuses other sets)
        rise = dot(slope.gradient, move).clamp_min(torch.finfo(move.dtype).tiny)
        boundary = column(slope.values.neg().clamp_min(0) / rise)
        length = slope.feasible.radius * cosine(self.share, self.final, slope.point.progress)
        return move.mul_(torch.where(length.isinf(), boundary, length)), self


@dataclass(frozen=True)
class Momentum(Part):
    """m ← μ·m + move (Dong et al. 2018, eq. 6).

    Attributes:
        decay: μ.
    """

    decay: float | Tensor = 1.0
    sum: Tensor | None = None

    def __call__(self, move: Tensor, slope: Slope) -> tuple[Tensor, Self]:
        total = move.clone() if self.sum is None else self.sum.mul_(self.decay).add_(move)
        return move.copy_(total), dataclasses.replace(self, sum=total)


@dataclass(frozen=True)
class Adam(Part):
    """Adam's step (Kingma & Ba 2015), uphill.

    Attributes:
        learning_rate: The step length, a number or one a sample.
        betas: The decay of the two moments.
    """

    learning_rate: float | Tensor = 0.01
    betas: tuple[float, float] = (0.9, 0.999)
    first: Tensor | None = None
    second: Tensor | None = None
    step: int = 0

    def __call__(self, move: Tensor, slope: Slope) -> tuple[Tensor, Self]:
        (decay1, decay2), step = self.betas, self.step + 1
        first = torch.zeros_like(move) if self.first is None else self.first
        second = torch.zeros_like(move) if self.second is None else self.second
        first.lerp_(move, 1 - decay1)
        second.mul_(decay2).addcmul_(move, move, value=1 - decay2)
        scale = torch.sqrt(second).mul_(1 / math.sqrt(1 - decay2**step)).add_(1e-8)
        torch.div(first, scale, out=move).mul_(self.learning_rate / (1 - decay1**step))
        return move, dataclasses.replace(self, first=first, second=second, step=step)
