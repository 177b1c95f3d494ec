"""A ball of any Lp norm whose radius follows how near the boundary is."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch
from torch import Tensor

from limen.attacks.constraint.projection import onto_ball
from limen.attacks.constraint.rounding import SLACK, steps_within
from limen.attacks.part import Problem, flat, rows, setting
from limen.attacks.protocols import Constraint, State
from limen.attacks.schedule import cosine
from limen.images import column, norm, per_sample

_DUAL = {1: math.inf, 2: 2, math.inf: 1}


@dataclass(frozen=True)
class MinimumNormBall(Constraint):
    """A ball that shrinks after a success, and else grows: at first to where the boundary seems to be.

    Before the first success its radius is the length of the perturbation and, beyond that, the way to the
    linearised boundary; in L0, which has none, it grows by a value a step. It is never larger than the least
    success so far, nor than [0, 1] has room for.

    Its radius is the length before rounding, as that of `AdaptiveSphere` is.

    Source:
        Pintor, Roli, Brendel & Biggio 2021, Fast minimum-norm adversarial attacks through adaptive norm
        constraints, Algorithm 1.

    Attributes:
        order: The p of the norm: 0, 1, 2 or infinity.
        gamma: The share γ by which the radius changes at the first step.
        final: The share at the last step, reached along a half cosine.
        least: The least length (n, 1, 1, 1) of a success so far.
        most: The greatest that an image in [0, 1] can have.
    """

    order: float = 2
    gamma: float = 0.05
    final: float = 0.001
    least: Tensor = rows()
    most: Tensor = rows()

    def bind(self, problem: Problem) -> Self:
        bound, x = super().bind(problem), problem.originals
        most = column(norm(torch.maximum(x, 1 - x), self.order))
        unset = torch.full_like(most, math.inf)
        radius = torch.ones_like(most) if self.order == 0 else unset
        return replace(bound, radius=radius, least=unset, most=most)

    def update(self, state: State) -> Self:
        gamma, success = cosine(self.gamma, self.final, state.progress), column(state.success)
        length = column(norm(state.exact - self.originals, self.order))
        least = torch.where(success, self.least.minimum(length), self.least)
        shrunk, grown = self.radius * (1 - gamma), self.radius * (1 + gamma)
        if self.order == 0:
            shrunk = shrunk.floor().minimum(self.radius - 1).clamp_min(0)
            grown = grown.floor().maximum(self.radius + 1)
        else:
            nearer, cut = length + self._to_boundary(state), length < (1 - gamma) * self.radius
            # Where [0, 1] cuts a perturbation, the way to the boundary is longer than its slope tells.
            nearer = torch.where(cut & ~self.radius.isinf(), nearer.maximum(grown), nearer)
            grown = torch.where(least.isinf(), nearer, grown)
        radius = torch.where(success, shrunk.minimum(least), grown).minimum(self.most)
        return replace(self, radius=radius, least=least)

    def _to_boundary(self, state: State) -> Tensor:
        """How far (n, 1, 1, 1) the objective would have to be climbed, were it linear.

        Values at their end of [0, 1] are left out, as what they cannot do would make it seem nearer.
        """
        gap, gradient = (flat(state.problem.confidence) - state.values).abs(), state.gradient
        stopped = ((gradient > 0) & (state.exact >= 1)) | ((gradient < 0) & (state.exact <= 0))
        slope = norm(gradient.masked_fill(stopped, 0), _DUAL[self.order])
        return column(gap / slope.clamp_min(1e-12))

    def project(self, images: Tensor) -> Tensor:
        return onto_ball(images, self.originals, self.radius, self.order)


@dataclass(frozen=True)
class BoundedMinimumNormBall(MinimumNormBall):
    """The same, never larger than a budget; what rounding leads out of the budget is no success.

    Attributes:
        eps: The budget, a number or one per sample.
    """

    eps: float | Tensor = setting(0.0)
    is_soft: ClassVar[bool] = True

    def bind(self, problem: Problem) -> Self:
        bound = super().bind(problem)
        return replace(bound, most=bound.most.minimum(per_sample(flat(self.eps), bound.originals, "eps")))

    def room(self, problem: Problem) -> Tensor | float:
        return steps_within(self.eps, problem)

    def contains(self, images: Tensor) -> Tensor:
        inside = norm(images - self.originals, self.order) <= flat(self.eps) * (1 + SLACK) + SLACK
        return inside & super().contains(images)
