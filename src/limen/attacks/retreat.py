"""Steps back from a success, as far as it lasts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from limen.attacks.part import rows
from limen.attacks.protocols import State, Transform
from limen.images import column

_LESS = 4.0
"""By which factor less is undone after a failure."""


@dataclass(frozen=True)
class Retreat(Transform):
    """Undo of the nearest success what it needs least, by its gradient; after a failure less at once.

    Undone is what costs the objective least for what it wins of distance, until the objective, were it
    linear, is used up: in L0 and L1 the whole changes of values, and in L2 a level of each.

    Attributes:
        order: The p of the norm: 0, 1 or 2.
        best: The last success (n, C, H, W), as it is stored.
        slope: The gradient there.
        slack: The objective's value (n,) there.
        share: Which share (n,) of it may be used up.
    """

    order: float
    best: Tensor = rows()
    slope: Tensor = rows()
    slack: Tensor = rows()
    share: Tensor = rows()

    def __call__(self, move: Tensor, state: State) -> tuple[Tensor, Self]:
        after = self._seen(state)
        undone = after._undone(after.best - state.problem.originals, state.problem.lattice)
        return (after.best - undone).sub_(state.exact), after

    def _seen(self, state: State) -> Self:
        if self.best is None:
            share = torch.ones_like(state.values)
            return replace(self, best=state.images, slope=state.gradient, slack=state.values, share=share)
        better = column(state.success)
        return replace(
            self,
            best=torch.where(better, state.images, self.best),
            slope=torch.where(better, state.gradient, self.slope),
            slack=torch.where(state.success, state.values, self.slack),
            share=torch.where(state.success, 1.0, self.share / _LESS),
        )

    def _undone(self, delta: Tensor, lattice: int | None) -> Tensor:
        """What is undone (n, C, H, W) of a perturbation: at least one value."""
        least = delta if self.order < 2 or lattice is None else delta.sign() / lattice
        cost, won = (self.slope * least).flatten(1), self._won(delta, least).flatten(1)
        changed = (delta != 0).flatten(1)
        ranked = (cost / won.clamp_min(torch.finfo(won.dtype).tiny)).masked_fill(~changed, torch.inf)
        order = ranked.argsort(dim=1, stable=True)
        spent = cost.gather(1, order).cumsum(1) <= (self.share * self.slack)[:, None]
        spent[:, 0] = True
        # All up to the last that is within the slack, as those before it may cost less than nothing.
        taken = torch.zeros_like(changed).scatter_(1, order, spent.cumprod(1).bool()) & changed
        return least * taken.reshape(delta.shape)

    def _won(self, delta: Tensor, undone: Tensor) -> Tensor:
        if self.order == 0:
            return torch.ones_like(delta)
        return delta.abs() ** self.order - (delta - undone).abs() ** self.order
