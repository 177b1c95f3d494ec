"""Logit margins over the spread of logits, which their scale and shift do not change."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from limen.attacks.part import Problem, other_logits, rows
from limen.attacks.protocols import Objective, State

_TINY = 1e-12


@dataclass(frozen=True)
class LogitRatio(Objective):
    """The difference of logits ratio (DLR): the logit margin over the first less the third logit.

    For a target: over the first less the mean of the third and fourth. Of fewer classes than that there is no
    spread, so that the margin is climbed as it is.

    Source:
        Croce & Hein 2020, Reliable evaluation of adversarial robustness with an ensemble of diverse
        parameter-free attacks, eq. 6 and 7.
    """

    def __call__(self, state: State) -> Tensor:
        spread = _spread(state, 4 if state.problem.targeted else 3)
        return state.problem.margin(state.logits) / (spread + _TINY)


@dataclass(frozen=True)
class LogitRatioToward(Objective):
    """The ratio of DLR for one class to be mistaken for: one that the model gives the original a high logit.

    Any other class is a success as well. Where images have targets, it is these that are climbed to.

    Attributes:
        rank: Which of the other classes it is, 1 for that of the greatest logit; the last if there are fewer.
        classes: The class (n,) of each image.
    """

    rank: int = 1
    classes: Tensor = rows()

    def bind(self, problem: Problem) -> Self:
        others = other_logits(problem.answers(), problem.labels)
        rank = min(self.rank, others.shape[1] - 1)
        return replace(self, classes=others.topk(rank, dim=1).indices[:, -1])

    def __call__(self, state: State) -> Tensor:
        if state.problem.targeted:
            return state.problem.margin(state.logits) / (_spread(state, 4) + _TINY)
        labels, logits = state.problem.labels, state.logits
        gap = logits.gather(1, self.classes[:, None]) - logits.gather(1, labels[:, None])
        return gap[:, 0] / (_spread(state, 4) + _TINY)


def _spread(state: State, count: int) -> Tensor:
    """The greatest logit (n,) less the mean of the third to the last of so many; 1 if there are fewer."""
    if state.logits.shape[1] < count:
        return torch.ones_like(state.logits[:, 0])
    top = state.logits.topk(count, dim=1).values
    return top[:, 0] - top[:, 2:].mean(1)
