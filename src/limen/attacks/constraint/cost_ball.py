"""The ball of images that cost little, whatever the cost."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

import torch
from torch import Tensor

from limen.attacks.cost import Cost
from limen.attacks.part import Problem, flat, setting
from limen.attacks.protocols import Constraint, State
from limen.images import column, norm, per_sample

_BISECTIONS = 10
_ROUNDING = 1e-6
"""By which share of the budget a cost may differ with the batch that it is computed in."""


@dataclass(frozen=True)
class CostBall(Constraint):
    """c(x) ≤ ε, for any cost that can be differentiated.

    What lies outside goes down the cost, by Newton's steps for c = ε, and where these do not get inside,
    toward the original by bisection. Each sample by itself, and what is kept of a bisection is the inner end,
    which holds the bound; the program of Laidlaw et al. 2021 bisects whole batches, and may end outside.

    Attributes:
        cost: c.
        eps: ε, a number or one per sample.
        newton: How many of Newton's steps at most.
        overshoot: By which share of ε they aim inside, and by which they are longer.
        noise: The standard deviation of a random start in each value.
    """

    cost: Cost = field(kw_only=True)
    eps: float | Tensor = setting(0.0)
    newton: int = 10
    overshoot: float = 0.1
    noise: float = 0.01
    is_local: ClassVar[bool] = False

    def bind(self, problem: Problem) -> Self:
        bound = super().bind(problem)
        return replace(bound, radius=per_sample(flat(bound.eps), problem.originals, "eps"))

    def project(self, images: Tensor) -> Tensor:
        images = super().project(images)
        rows = self._outside(images)
        for _ in range(self.newton):
            if len(rows) == 0:
                return images
            images[rows] = self.select(rows)._inward(images[rows])
            rows = rows[self.select(rows)._outside(images[rows])]
        return self._bisected(images, rows, images)

    def store(self, images: Tensor) -> Tensor:
        stored = super().store(images)
        return self._bisected(stored, self._outside(stored), images)

    def contains(self, images: Tensor) -> Tensor:
        inside = self.cost(images) <= self.radius.flatten() * (1 + _ROUNDING)
        return inside & super().contains(images)

    def sample(self, problem: Problem, salt: int) -> Tensor:
        """The original with a little noise: where a cost is least, it has no direction."""
        return (problem.originals + self.noise * problem.draw(torch.randn, salt)).clamp_(0, 1)

    def _outside(self, images: Tensor) -> Tensor:
        return (self.cost(images) > self.radius.flatten()).nonzero()[:, 0]

    def _inward(self, images: Tensor) -> Tensor:
        """One of Newton's steps down the cost, a little longer."""
        with torch.enable_grad():
            leaf = images.detach().requires_grad_()
            costs = self.cost(leaf)
            (slope,) = torch.autograd.grad(costs.sum(), leaf)
        slope = slope.nan_to_num_(0.0, 0.0, 0.0)
        excess = costs.detach() - self.radius.flatten() * (1 - self.overshoot)
        length = (1 + self.overshoot) * excess / norm(slope).square().clamp_min(torch.finfo(slope.dtype).tiny)
        return torch.addcmul(images, slope, column(length), value=-1).clamp_(0, 1)

    def _bisected(self, into: Tensor, rows: Tensor, images: Tensor) -> Tensor:
        """With the rows that lie outside replaced by what lies inside on their way to the originals."""
        if len(rows) == 0:
            return into
        near = self.select(rows)
        delta, low = images[rows] - near.originals, torch.zeros_like(near.radius)
        high, kept = torch.ones_like(low), Constraint.store(near, near.originals)
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            tried = Constraint.store(near, torch.addcmul(near.originals, delta, middle))
            inside = column(near.cost(tried) <= near.radius.flatten())
            kept = torch.where(inside, tried, kept)
            low, high = torch.where(inside, middle, low), torch.where(inside, high, middle)
        into[rows] = kept
        return into


@dataclass(frozen=True)
class SoftBall(CostBall):
    """A ball that iterates may leave, which then are no success, and that only the last is put into.

    Attributes:
        until: From which share of all steps on it is held; above 1 for never.
        held: Whether it is.
    """

    until: float = 1.0
    held: bool = False
    is_soft: ClassVar[bool] = True

    def update(self, state: State) -> Self:
        return replace(self, held=state.progress >= self.until)

    def project(self, images: Tensor) -> Tensor:
        return super().project(images) if self.held else Constraint.project(self, images)

    def store(self, images: Tensor) -> Tensor:
        return super().store(images) if self.held else Constraint.store(self, images)
