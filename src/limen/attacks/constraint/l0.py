"""The L0 ball."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from torch import Tensor

from limen.attacks.constraint.projection import onto_ball
from limen.attacks.part import Problem, flat, setting
from limen.attacks.protocols import Constraint
from limen.images import norm, per_sample, quantize


@dataclass(frozen=True)
class L0Ball(Constraint):
    """At most ε values differ from the original's, as a file would store it.

    Attributes:
        eps: ε, a number or one per sample.
    """

    eps: float | Tensor = setting(0.0)

    def bind(self, problem: Problem) -> Self:
        stored = quantize(problem.originals, problem.lattice)
        radius = per_sample(flat(self.eps), stored, "eps")
        return replace(super().bind(problem), originals=stored, radius=radius)

    def project(self, images: Tensor) -> Tensor:
        return onto_ball(images, self.originals, self.radius, 0)

    def contains(self, images: Tensor) -> Tensor:
        return (norm(images - self.originals, 0) <= flat(self.eps)) & super().contains(images)
