"""The L1 ball."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch
from torch import Tensor

from limen.attacks.constraint.projection import onto_ball
from limen.attacks.constraint.rounding import SLACK, steps_within, stretch
from limen.attacks.part import Problem, flat, setting
from limen.attacks.protocols import Constraint, State
from limen.images import norm, per_sample


@dataclass(frozen=True)
class L1Ball(Constraint):
    """‖x − x0‖₁ ≤ ε.

    Attributes:
        eps: ε, a number or one per sample.
    """

    eps: float | Tensor = setting(0.0)

    def bind(self, problem: Problem) -> Self:
        radius = per_sample(flat(self.eps), problem.originals, "eps")
        return replace(super().bind(problem), radius=radius)

    def room(self, problem: Problem) -> Tensor | float:
        return steps_within(self.eps, problem)

    def project(self, images: Tensor) -> Tensor:
        return onto_ball(images, self.originals, self.radius, 1)

    def store(self, images: Tensor) -> Tensor:
        stored, eps = super().store(images), self.radius.flatten()
        rows = (norm(stored - self.originals, 1) > eps * (1 + SLACK)).nonzero()[:, 0]
        if len(rows):
            near = self.select(rows)
            stored[rows] = (
                near.project(images[rows].clone())
                if self.lattice is None
                else near._longest_inside(images[rows], self.lattice)
            )
        return stored

    def _longest_inside(self, images: Tensor, lattice: int) -> Tensor:
        eps = self.radius.flatten()

        def short(stored: Tensor) -> Tensor:
            return norm(stored - self.originals, 1) <= eps

        # In L2 no perturbation is longer than in L1, so its bracket holds here as well.
        return stretch(self.originals, images - self.originals, eps, lattice, short)[0]

    def contains(self, images: Tensor) -> Tensor:
        inside = norm(images - self.originals, 1) <= flat(self.eps) * (1 + SLACK) + SLACK
        return inside & super().contains(images)

    def sample(self, problem: Problem, salt: int) -> Tensor:
        """The member nearest to normal noise around the original."""
        return self.project(problem.originals + problem.draw(torch.randn, salt))


@dataclass(frozen=True)
class FallingL1Ball(L1Ball):
    """A ball of L1 that is larger at first, and shrinks to ε; what lies outside ε is no success.

    Attributes:
        factors: From which share of all steps on the ball is by which factor larger, in turn.
    """

    factors: tuple[tuple[float, float], ...] = ((0.0, 3.0), (0.3, 2.0), (0.6, 1.0))
    is_soft: ClassVar[bool] = True

    def bind(self, problem: Problem) -> Self:
        return super().bind(problem)._at(0.0)

    def update(self, state: State) -> Self:
        return self._at(state.progress)

    def _at(self, progress: float) -> Self:
        factor = [each for start, each in self.factors if start <= progress][-1]
        return replace(self, radius=torch.zeros_like(self.radius) + factor * self.eps)
