"""Few values at an end of [0, 1], exchanged for better ones."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Self

import torch
from torch import Tensor

from limen.attacks.part import flat, rows
from limen.attacks.protocols import State, Transform
from limen.images import column, quantize


@dataclass(frozen=True)
class Exchange(Transform):
    """As few values as can be at 0 or 1: fewer after a success, after a failure more, or others.

    What a value does for the objective is told by a mean of the last gradients. A success loses what it
    needs least, as far as the objective, were it linear, has to spare. A failure loses the values that do
    harm, and gains as many as would close its gap, at most as many as it has, and before the first success at
    least half of that; once the least success has only one more, its least useful value is exchanged for the
    most promising one. What has just been changed or undone is left alone for some steps, so that no exchange
    is undone at once.

    Values at 0 or 1 lie on every lattice: rounding takes nothing from them.

    Attributes:
        decay: The share of the mean of gradients that is left after a step.
        tabu: For how many steps a value is left alone.
        mean: The mean of gradients (n, N).
        least: How many values (n,) the least success changes.
        free: From which step on each value (n, N) may be changed again.
        step: How many steps have been made.
    """

    decay: float = 0.7
    tabu: int = 3
    mean: Tensor = rows()
    least: Tensor = rows()
    free: Tensor = rows()
    step: int = field(default=0, kw_only=True)

    def __call__(self, move: Tensor, state: State) -> tuple[Tensor, Self]:
        originals = quantize(state.problem.originals, state.problem.lattice)
        start, delta = originals.flatten(1), (state.images - originals).flatten(1)
        changed, success = delta != 0, state.success
        count = changed.sum(1)
        after = self._seen(move.flatten(1), count, success)
        ends = torch.where(after.mean > 0, 1 - start, -start)
        gains, costs = after.mean * ends, after.mean * delta
        tabu = after.free > self.step
        gains = gains.masked_fill(changed | tabu | (gains <= 0), -math.inf)
        costs = costs.masked_fill(~changed, math.inf)
        spare = state.values - flat(state.problem.confidence)
        swapped = (~success & (count >= after.least - 1)).long()
        room = torch.where(success, 0, count.clamp_min(1).minimum(after.least - 1 - count).clamp_min(0))
        fewest = torch.where(after.least > start.shape[1], (count + 1) // 2, 0).minimum(room)
        added = greatest(gains, needed(gains, -spare, room).maximum(fewest) + swapped)
        undone = greatest(-costs, spared(costs, spare, torch.where(success, (count // 2).clamp_min(1), 0)))
        harmful = column(~success, 2) & ~tabu & (costs < 0)
        undone |= greatest(-costs.masked_fill(tabu, math.inf), swapped) | harmful
        free = torch.where(added | undone, self.step + self.tabu, after.free)
        delta = torch.where(added, ends, delta).masked_fill(undone, 0).reshape_as(originals)
        return originals.add(delta).sub_(state.exact), replace(after, free=free, step=self.step + 1)

    def _seen(self, gradient: Tensor, count: Tensor, success: Tensor) -> Self:
        """With this iterate's gradient, and how many values it takes if it is a success."""
        if self.mean is None:
            most = torch.full_like(count, gradient.shape[1] + 1)
            mean, least, free = gradient.clone(), most, torch.zeros_like(gradient, dtype=torch.int)
        else:
            mean, least, free = self.mean.lerp(gradient, 1 - self.decay), self.least, self.free
        return replace(self, mean=mean, least=torch.where(success, least.minimum(count), least), free=free)


def greatest(scores: Tensor, count: Tensor) -> Tensor:
    """The `count` (n,) greatest of each sample's scores (n, N) that are finite, of equal ones the first.

    Example:
        >>> greatest(torch.tensor([[1.0, 3.0, 2.0, 3.0]]), torch.tensor([1]))
        tensor([[False,  True, False, False]])
    """
    most = int(count.max())
    if most == 0:
        return torch.zeros_like(scores, dtype=torch.bool)
    last = scores.topk(most, dim=1).values.gather(1, (count - 1).clamp_min(0)[:, None])
    above, equal = scores > last, scores == last
    missing = count[:, None] - above.sum(1, keepdim=True)
    return (above | (equal & (equal.cumsum(1) <= missing))) & (count > 0)[:, None] & scores.isfinite()


def needed(gains: Tensor, gap: Tensor, most: Tensor) -> Tensor:
    """How many (n,) of the greatest gains (n, N) close a gap, up to a number of them.

    Example:
        >>> needed(torch.tensor([[1.0, 3.0, 2.0]]), torch.tensor([4.0]), torch.tensor([3]))
        tensor([2])
    """
    total = gains.topk(int(most.max()), dim=1).values.clamp_min(0).cumsum(1)
    return ((total < gap[:, None]).sum(1) + 1).minimum(most)


def spared(costs: Tensor, spare: Tensor, most: Tensor) -> Tensor:
    """How many (n,) of the least costs (n, N) there is enough for, but one or more, up to a number of them.

    Example:
        >>> spared(torch.tensor([[1.0, 3.0, 2.0]]), torch.tensor([3.5]), torch.tensor([3]))
        tensor([2])
    """
    total = costs.topk(int(most.max()), dim=1, largest=False).values.cumsum(1)
    return (total <= spare[:, None]).cumprod(1).sum(1).clamp_min(1).minimum(most)
