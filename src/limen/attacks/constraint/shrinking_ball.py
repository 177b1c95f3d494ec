"""A ball of any cost, whose radius follows the attack's success."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from limen.attacks.constraint.cost_ball import CostBall
from limen.attacks.part import Problem
from limen.attacks.protocols import Constraint, State
from limen.attacks.schedule import cosine
from limen.images import column


@dataclass(frozen=True)
class ShrinkingBall(CostBall):
    """c(x) ≤ r, where r shrinks while the attack succeeds and grows while it fails.

    The schedule of Rony et al. 2019 (DDN), for any cost. r is infinite until the first success, whose cost it
    then is. It holds for the image before rounding, as that of `AdaptiveSphere` does, and only nearly: it
    changes with every step anyway.

    Attributes:
        gamma: The share by which r changes at the first step.
        final: The share at the last step, reached along a half cosine.
    """

    newton: int = 2
    gamma: float = 0.1
    final: float = 0.01

    def bind(self, problem: Problem) -> Self:
        unset = problem.originals.new_full((len(problem.originals), 1, 1, 1), torch.inf)
        return replace(super().bind(problem), radius=unset)

    def update(self, state: State) -> Self:
        gamma, success = cosine(self.gamma, self.final, state.progress), column(state.success)
        shrunk = self.radius.minimum(column(self.cost(state.exact))) * (1 - gamma)
        return replace(self, radius=torch.where(success, shrunk, self.radius * (1 + gamma)))

    def project(self, images: Tensor) -> Tensor:
        images = Constraint.project(self, images)
        for _ in range(self.newton):
            rows = self._outside(images)
            if len(rows) == 0:
                break
            images[rows] = self.select(rows)._inward(images[rows])
        return images

    def store(self, images: Tensor) -> Tensor:
        return Constraint.store(self, images)

    def contains(self, images: Tensor) -> Tensor:
        return Constraint.contains(self, images)
