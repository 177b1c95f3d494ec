"""The L∞ ball."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from limen.attacks.constraint.rounding import SLACK, steps_within
from limen.attacks.part import Problem, flat, rows, setting
from limen.attacks.protocols import Constraint
from limen.images import norm


@dataclass(frozen=True)
class LinfBall(Constraint):
    """‖x − x0‖∞ ≤ ε.

    On the lattice the ball is the box of the stored values it holds, so that a projected image
    stays inside when it is rounded to the nearest.

    Attributes:
        eps: ε, a number or one per sample.
    """

    eps: float | Tensor = setting(0.0)
    low: Tensor = rows()
    high: Tensor = rows()

    def bind(self, problem: Problem) -> Self:
        bound, x = super().bind(problem), problem.originals
        low, high = (x - bound.eps).clamp_(min=0), (x + bound.eps).clamp_(max=1)
        if problem.lattice is not None:
            low = low.sub_(SLACK).mul_(problem.lattice).ceil_().div_(problem.lattice)
            high = high.add_(SLACK).mul_(problem.lattice).floor_().div_(problem.lattice)
        return replace(bound, low=low, high=high)

    def room(self, problem: Problem) -> Tensor | float:
        return steps_within(self.eps, problem)

    def project(self, images: Tensor) -> Tensor:
        return torch.clamp(images, self.low, self.high, out=images)

    def contains(self, images: Tensor) -> Tensor:
        inside = norm(images - self.originals, torch.inf) <= flat(self.eps) + SLACK
        return inside & super().contains(images)

    def maximise(self, gradient: Tensor) -> Tensor:
        """The member of greatest inner product with the gradient, exactly."""
        corner = torch.where(gradient > 0, self.high, self.low)
        return torch.where(gradient == 0, self.originals, corner)

    def sample(self, problem: Problem, salt: int) -> Tensor:
        """A member drawn uniformly."""
        return torch.lerp(self.low, self.high, problem.draw(torch.rand, salt))
