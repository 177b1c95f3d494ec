"""Steps onto linearised boundaries that are drawn to the original: FAB."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch
from torch import Tensor

from limen.attacks.part import other_logits, rows
from limen.attacks.protocols import Kind, State, Transform
from limen.images import column, dot, norm

_DUAL = {1: math.inf, 2: 2, math.inf: 1}
_SHORT = 1e-8


@dataclass(frozen=True)
class AdaptiveBoundary(Transform):
    """Beyond the nearest linearised boundary, drawn to its point that is nearest to the original.

    Takes the gradients (n, k, …) of k logit margins. A failing iterate moves to between its own projection on
    the box [0, 1] and the boundary, and that of the original; a success moves back toward the original.

    Source:
        Croce & Hein 2020, Minimally distorted adversarial examples with a fast adaptive boundary attack,
        Algorithm 1. There the gradient is taken where the way back ends, and a success is only looked at;
        here each iterate has both.

    With a target, the classes to overcome can be several: the original's, and others on the way. Those may be
    no rivals at the original, whose projection on their boundary then is the original, or near it; drawn to
    that, iterates would stay among them. So there it is to their own projection alone.

    Attributes:
        order: The p of the norm: 1, 2 or infinity.
        bias: The greatest share α of the original's projection.
        overshoot: By which share steps go beyond the boundary, η less 1.
        back: Which share β of its perturbation is left of a success.
        rival: The likeliest class (n,) beside the label, at the first iterate.
    """

    order: float
    bias: float = 0.1
    overshoot: float = 0.05
    back: float = 0.9
    rival: Tensor = rows()
    takes: ClassVar[Kind] = "margins of classes"

    def __call__(self, move: Tensor, state: State) -> tuple[Tensor, Self]:
        originals, delta = state.problem.originals, state.exact - state.problem.originals
        gap, normal = self._nearest(move, state.values)
        own = to_hyperplane(state.exact, normal, gap, self.order)
        first = to_hyperplane(originals, normal, gap + dot(normal, delta), self.order)
        lengths = [norm(each, self.order).clamp_min(_SHORT) for each in (own, first)]
        after, drawn = self._seen(state)
        share = column((lengths[0] / (lengths[0] + lengths[1])).clamp(0, self.bias) * drawn)
        reach = 1 + self.overshoot
        onward = (1 - share) * reach * own + share * (reach * first - delta)
        return torch.where(column(state.success), (self.back - 1) * delta, onward), after

    def _seen(self, state: State) -> tuple[Self, Tensor]:
        """With the first iterate's rival, and which samples (n,) are drawn to the original's projection."""
        rival = other_logits(state.logits, state.problem.labels).argmax(1)
        after = self if self.rival is not None else replace(self, rival=rival)
        return after, (after.rival == rival) | (not state.problem.targeted)

    def _nearest(self, gradients: Tensor, margins: Tensor) -> tuple[Tensor, Tensor]:
        """By how much (n,) the nearest margin falls short of 0, and its gradient (n, …), scaled alike."""
        largest = norm(gradients, math.inf).clamp_min(torch.finfo(gradients.dtype).tiny)
        gradients = gradients / column(largest, gradients.ndim)
        margins = margins / largest[:, None]
        slopes = torch.linalg.vector_norm(gradients.flatten(2), _DUAL[self.order], dim=2)
        ways = (margins.abs() / slopes.clamp_min(1e-12)).masked_fill(slopes == 0, math.inf)
        rows, nearest = torch.arange(len(gradients), device=gradients.device), ways.argmin(1)
        return -margins[rows, nearest], gradients[rows, nearest]


def to_hyperplane(images: Tensor, normal: Tensor, gap: Tensor, order: float) -> Tensor:
    """The least change in an Lp norm that gets ⟨normal, images⟩ to grow by a gap inside [0, 1].

    Where [0, 1] has not room for that, it is the change that gets furthest.

    Args:
        images: (n, C, H, W) in [0, 1].
        normal: (n, C, H, W).
        gap: By how much (n,), of either sign.
        order: The p of the norm: 1, 2 or infinity.

    Returns:
        Changes (n, C, H, W).

    Example:
        >>> images, normal = torch.full((1, 1, 1, 2), 0.5), torch.tensor([[[[4.0, -3.0]]]])
        >>> to_hyperplane(images, normal, torch.tensor([1.0]), 1)
        tensor([[[[0.2500, -0.0000]]]])
    """
    normal = normal * column(gap.sign(), normal.ndim)
    size = normal.abs().flatten(1)
    room = torch.where(normal > 0, 1 - images, images).flatten(1).masked_fill(size == 0, 0)
    if order == 1:
        far = _steepest_first(size, room, gap.abs())
    else:
        far = _all_at_once(size, room, gap.abs(), size if order == 2 else (size > 0).to(size.dtype))
    return far.reshape(normal.shape).copysign(normal)


def _steepest_first(size: Tensor, room: Tensor, gap: Tensor) -> Tensor:
    """How far (n, N) each value goes, if those of the greatest slopes go first, as far as they have room."""
    order = size.argsort(1, descending=True)
    gains = (size * room).gather(1, order)
    missing = gap[:, None] - (gains.cumsum(1) - gains)
    share = (missing / gains.clamp_min(torch.finfo(gains.dtype).tiny)).clamp(0, 1)
    return torch.zeros_like(size).scatter_(1, order, share * room.gather(1, order))


def _all_at_once(size: Tensor, room: Tensor, gap: Tensor, pace: Tensor) -> Tensor:
    """How far (n, N) each value goes, if all go at their pace until they have no room.

    What is gained is piecewise linear in the time, and bends where a value has no room any more.
    """
    ends = torch.where(pace > 0, room / pace.clamp_min(torch.finfo(pace.dtype).tiny), 0)
    ends, order = ends.sort(1)
    full = (size * room).gather(1, order).cumsum(1)
    rates = (size * pace).gather(1, order)
    rates = rates.sum(1, keepdim=True) - rates.cumsum(1)
    short = (full + ends * rates < gap[:, None]).sum(1, keepdim=True)
    last = (short - 1).clamp_min(0)
    whole = (size * pace).sum(1, keepdim=True)
    before = torch.where(short > 0, full.gather(1, last), 0)
    rate = torch.where(short > 0, rates.gather(1, last), whole)
    tiny = torch.finfo(rate.dtype).eps * whole
    time = torch.where(rate > tiny, (gap[:, None] - before) / rate.clamp_min(tiny), ends[:, -1:])
    return (time.clamp_min(0) * pace).minimum(room)
