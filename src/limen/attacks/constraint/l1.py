"""The L1 ball."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

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

    It may be larger at first, and shrink: iterates outside ε then are no success.

    Attributes:
        eps: ε, a number or one per sample.
        larger: The factor of ε at first, and from which share of all steps on it is which, in turn.
        factor: That of this step.
    """

    eps: float | Tensor = setting(0.0)
    larger: tuple[tuple[float, float], ...] = ()
    factor: float = 1.0

    @property
    def is_soft(self) -> bool:
        return self.factor > 1

    def bind(self, problem: Problem) -> Self:
        bound = super().bind(problem)
        radius = per_sample(flat(bound.eps), problem.originals, "eps")
        return replace(bound, radius=radius)._at(0.0)

    def update(self, state: State) -> Self:
        return self._at(state.progress)

    def _at(self, progress: float) -> Self:
        begun = [factor for start, factor in self.larger if start <= progress]
        return replace(self, factor=begun[-1]) if begun else self

    def room(self, problem: Problem) -> Tensor | float:
        return steps_within(self.eps, problem)

    def project(self, images: Tensor) -> Tensor:
        return onto_ball(images, self.originals, self.factor * self.radius, 1)

    def store(self, images: Tensor) -> Tensor:
        stored, eps = super().store(images), self.factor * self.radius.flatten()
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
        eps = self.factor * self.radius.flatten()

        def short(stored: Tensor) -> Tensor:
            return norm(stored - self.originals, 1) <= eps

        # In L2 no perturbation is longer than in L1, so its bracket holds here as well.
        return stretch(self.originals, images - self.originals, eps, lattice, short)[0]

    def contains(self, images: Tensor) -> Tensor:
        inside = norm(images - self.originals, 1) <= self.radius.flatten() * (1 + SLACK) + SLACK
        return inside & super().contains(images)

    def sample(self, problem: Problem, salt: int) -> Tensor:
        """The member nearest to normal noise around the original."""
        return self.project(problem.originals + problem.draw(torch.randn, salt))
