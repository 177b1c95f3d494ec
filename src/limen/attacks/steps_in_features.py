"""Directions and step lengths where the length of a move is what it changes in a network's features."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import ClassVar, Self

import torch
from torch import Tensor

from limen.attacks.features import FeatureDistance
from limen.attacks.part import flat, rows, setting
from limen.attacks.protocols import State, Transform
from limen.images import column, norm
from limen.operators import conjugate_gradient


@dataclass(frozen=True)
class _Identity:
    def __call__(self, residual: Tensor) -> Tensor:
        return residual.clone()

    def select(self, rows: Tensor) -> Self:
        return self


@dataclass(frozen=True)
class _Curvature:
    """JᵀJ at some images, J the Jacobian of the features there, known by its products."""

    cost: FeatureDistance
    images: Tensor

    @cached_property
    def _at(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The images, their features, any w of these, and Jᵀw, which is linear in it."""
        with torch.enable_grad():
            images = self.images.detach().requires_grad_()
            features = self.cost.features(images)
            weights = torch.ones_like(features).requires_grad_()
            pulled = torch.autograd.grad(features, images, weights, create_graph=True)[0]
            return images, features, weights, self.cost.counted(pulled)

    def matvec(self, vectors: Tensor) -> Tensor:
        """JᵀJ v: J v is the derivative of ⟨v, Jᵀw⟩ in w."""
        images, features, weights, pulled = self._at
        change = torch.autograd.grad(pulled, weights, vectors, retain_graph=True)[0]
        return torch.autograd.grad(features, images, change, retain_graph=True)[0]

    def preconditioner(self) -> _Identity:
        return _Identity()

    def select(self, rows: Tensor) -> Self:
        return replace(self, cost=self.cost.select(rows), images=self.images[rows])


@dataclass(frozen=True)
class SteepestInFeatures(Transform):
    """Steepest where length is what a move changes in the features: (JᵀJ)⁻¹g, by conjugate gradients.

    Attributes:
        cost: The distance of the features.
        iterations: How many products with JᵀJ, each two backward passes of the network.
    """

    cost: FeatureDistance
    iterations: int = 5

    def __call__(self, move: Tensor, state: State) -> tuple[Tensor, Self]:
        curvature = _Curvature(self.cost, state.exact)
        found = conjugate_gradient(curvature, move, tolerance=1e-6, iterations=self.iterations)
        # Where no feature feels the gradient, there is no direction.
        return found.values.nan_to_num_(0.0, 0.0, 0.0), self


@dataclass(frozen=True)
class FeatureLength(Transform):
    """A direction of unit length, as far as it changes the features by a length, to first order.

    Attributes:
        cost: The distance of the features.
        length: That length, a number or one per sample.
        falls: To which share it falls over a round, geometrically.
        rounds: How many rounds the climb has.
        ahead: How far along the direction its effect is read off.
    """

    cost: FeatureDistance
    length: float | Tensor = setting()
    falls: float = 1.0
    rounds: int = 1
    ahead: float = 1e-3

    def __call__(self, move: Tensor, state: State) -> tuple[Tensor, Self]:
        features = self.cost.features
        change = norm(features(state.exact + self.ahead * move) - features(state.exact)) / self.ahead
        share = self.falls ** (state.progress * self.rounds % 1)
        return move.mul_(share * self.length / column(change.clamp_min(1e-8))), self


@dataclass(frozen=True)
class PenalizeExcess(Transform):
    """g − λ·∇[d − ε]₊, with a λ of each sample's own that grows while d is too great (Laidlaw et al. 2021).

    Attributes:
        cost: d.
        eps: ε, a number or one per sample.
        weight: λ at first.
        rises: By how much it grows within a round, geometrically.
        rounds: How many rounds the climb has; after each, λ is ten times as great where d is ε or more.
        steps: How many steps a round has.
    """

    cost: FeatureDistance
    eps: float | Tensor = setting()
    weight: float = 0.01
    rises: float = 1.0
    rounds: int = 5
    steps: int = 40
    grown: Tensor | None = rows()
    step: int = field(default=0, kw_only=True)
    any_variables: ClassVar[bool] = True

    def __call__(self, move: Tensor, state: State) -> tuple[Tensor, Self]:
        costs, slope = self.cost.slope(state)
        grown = torch.ones_like(costs) if self.grown is None else self.grown
        outside = costs > flat(self.eps)
        weight = self.weight * self.rises ** (self.step % self.steps / self.steps) * grown * outside
        ends = (self.step + 1) % self.steps == 0
        grown = torch.where(costs >= flat(self.eps), 10 * grown, grown) if ends else grown
        return move.sub_(slope.mul_(column(weight))), replace(self, grown=grown, step=self.step + 1)
