"""A sphere whose radius follows the attack's success."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch
from torch import Tensor

from limen.attacks.part import Problem, flat, rows, setting
from limen.attacks.protocols import Constraint, State
from limen.attacks.schedule import cosine
from limen.images import column, norm, per_sample
from limen.operators import Operator


@dataclass(frozen=True)
class AdaptiveSphere(Constraint):
    """A sphere that shrinks while the attack succeeds and grows while it fails (Rony et al. 2019, DDN).

    Its radius is the length before rounding. Rounding t·g to the nearest gives the best lattice
    perturbation of its L2 length for every t, so the search for the least t needs no other
    rounding; the same holds of t·g/d where length is measured by a diagonal d.

    Attributes:
        eps: The first radius; None for the length of the first move.
        gamma: The share γ by which the radius changes at the first step.
        final: The share at the last step, reached along a half cosine.
        operator: Makes of the originals the operator A of the length √(δᵀAδ); None for L2.
    """

    eps: float | Tensor | None = setting(None)
    gamma: float = 0.1
    final: float = 0.01
    operator: Callable[[Tensor], Operator] | None = None
    metric: Operator | None = rows()
    has_radius: ClassVar[bool] = True

    def bind(self, problem: Problem) -> Self:
        bound, x = super().bind(problem), problem.originals
        unset = x.new_full((len(x), 1, 1, 1), torch.inf)
        radius = unset if self.eps is None else per_sample(flat(self.eps), x, "eps")
        metric = None if self.operator is None else self.operator(x)
        return replace(bound, radius=radius, metric=metric)

    def update(self, state: State) -> Self:
        gamma, radius = cosine(self.gamma, self.final, state.progress), self.radius
        if self.eps is None:
            length = self._length(state.exact - self.originals)
            radius = torch.where(radius.isinf() & (length > 0), length, radius)
        return replace(self, radius=radius * column(1 + gamma - 2 * gamma * state.success.to(radius.dtype)))

    def project(self, images: Tensor) -> Tensor:
        delta = images.sub_(self.originals)
        length = self._length(delta)
        scale = (self.radius / length).masked_fill_(self.radius.isinf() | (length == 0), 1)
        return torch.addcmul(self.originals, delta, scale, out=delta).clamp_(0, 1)

    def _length(self, delta: Tensor) -> Tensor:
        return column(norm(delta) if self.metric is None else self.metric.energy(delta).sqrt())
