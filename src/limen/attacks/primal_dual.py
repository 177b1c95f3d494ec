"""Steps of a game between a perturbation, which is to be short, and the weight of fooling the model."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Self

import torch
from torch import Tensor

from limen.attacks.part import rows
from limen.attacks.protocols import State, Transform
from limen.attacks.proximal import PROXIMAL
from limen.attacks.update import Adam
from limen.images import column, norm


@dataclass(frozen=True)
class PrimalDual(Transform):
    """Adam's step up the objective, and then the proximal step that shortens the perturbation.

    Length and success are weighed against each other by a share of each sample's own, which moves toward
    success while there is none, and toward length while there is.

    In the paper lengths of steps are absolute, and length is weighed against the objective as it is. If
    `relative`, steps are in multiples of the way to the linearised boundary, and length counts as much as the
    objective's first slope, so that neither the scale of the logits nor how far the boundary is changes what
    is found.

    Source:
        Matyasko & Chau 2021, PDPGD: primal-dual proximal gradient descent adversarial attack, Algorithm 1;
        proximal steps of Adam as in Melchior, Joseph & Moolekamp 2019, Proximal Adam, Algorithm 1; numbers as
        in adv-lib.

    Attributes:
        order: The p of the norm: 1, 2 or infinity.
        adam: What makes the step, of length 1.
        learning_rate: The step's length at first; it falls to a hundredth, geometrically.
        steps: How many steps the climb has.
        iterations: How many iterations a proximal step takes at most.
        tolerance: At which relative change they end.
        relative: Whether lengths are relative.
        first: The first weight of success over that of length.
        slope: The length (n,) of the first gradient in the dual norm, or 1.
        reach: The length (n,) in L∞ of a sign step to the linearised boundary, or 1.
        odds: The logarithm (n,) of the weight of success over that of length.
        shares: Of length and of success (n, 2), as running means.
        step: How many steps have been made.
    """

    order: float
    adam: Adam
    learning_rate: float = 0.1
    steps: int = 100
    iterations: int = 5
    tolerance: float = 1e-2
    relative: bool = False
    first: float = 100.0
    slope: Tensor = rows()
    reach: Tensor = rows()
    odds: Tensor = rows()
    shares: Tensor = rows()
    step: int = field(default=0, kw_only=True)

    def __call__(self, move: Tensor, state: State) -> tuple[Tensor, Self]:
        if self.odds is None:
            return self._started(move, state)(move, state)
        odds, shares = self.odds, self.shares
        rate = column(self.reach) * (self.learning_rate * 0.01 ** (self.step / self.steps))
        direction, adam = self.adam(move, state)
        reached = (state.exact + rate * direction).clamp_(0, 1).sub_(state.problem.originals)
        spread = adam.spread()
        steepest = column(norm(spread, math.inf))
        weight = column(self.slope * shares[:, 0] / shares[:, 1]) * rate / steepest
        shortened = self._shortened(reached, spread / steepest, weight, state)
        progress = self.step / max(self.steps - 1, 1)
        change = _DUAL_RATE * (1 - 0.9 * progress)
        odds = (odds + torch.where(state.success, -change, change)).clamp(-_MOST_ODDS, _MOST_ODDS)
        onward = replace(
            self, adam=adam, odds=odds, shares=torch.lerp(shares, _shares(odds), 0.1), step=self.step + 1
        )
        return shortened.add_(state.problem.originals).sub_(state.exact), onward

    def _started(self, gradient: Tensor, state: State) -> Self:
        one = torch.ones_like(state.values)
        odds = math.log(self.first) * one
        begun = replace(self, odds=odds, shares=_shares(odds), slope=one, reach=one)
        if not self.relative:
            return begun
        tiny = torch.finfo(gradient.dtype).tiny
        steepest = norm(gradient, 1)
        reach = torch.where(steepest > 0, state.values.abs() / steepest.clamp_min(tiny), 0).clamp_max(1)
        return replace(begun, slope=norm(gradient, _DUAL[self.order]), reach=reach)

    def _shortened(self, reached: Tensor, metric: Tensor, weight: Tensor, state: State) -> Tensor:
        """The perturbation near `reached`, in Adam's metric, that is shorter by the weight of length."""
        originals, proximal = state.problem.originals, PROXIMAL[self.order]
        found, moving = reached, torch.ones_like(state.success)
        for _ in range(self.iterations):
            nearer = proximal(found - metric * (found - reached), weight)
            nearer = nearer.add_(originals).clamp_(0, 1).sub_(originals)
            nearer = torch.where(column(moving), nearer, found)
            change = norm(nearer - found) / norm(nearer).clamp_min(torch.finfo(nearer.dtype).tiny)
            found, moving = nearer, moving & (change > self.tolerance)
            if not bool(moving.any()):
                break
        return found


_DUAL = {1: math.inf, 2: 2, math.inf: 1}
_MOST_ODDS = math.log(1e6)
_DUAL_RATE = 0.1


def _shares(odds: Tensor) -> Tensor:
    return torch.stack([torch.zeros_like(odds), odds], 1).softmax(1)
