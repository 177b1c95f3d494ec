"""The L0 ball."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from limen.attacks.feasible.box import Box
from limen.attacks.feasible.rounding import flat
from limen.attacks.protocols import LATER, Problem
from limen.images import norm


@dataclass(frozen=True)
class L0Ball(Box):
    """At most ε values differ from the original's.

    Attributes:
        eps: ε, a number or one a sample.
    """

    eps: float | Tensor = 0.0
    originals: Tensor = LATER

    def prepare(self, problem: Problem) -> Self:
        return replace(super().prepare(problem), originals=problem.originals)

    def project(self, images: Tensor) -> Tensor:
        images.clamp_(0, 1)
        if not bool((norm(images - self.originals, 0) > flat(self.eps)).any()):
            return images
        size = (images - self.originals).abs_().flatten(1)
        rank = size.argsort(dim=1, descending=True, stable=True).argsort(dim=1).reshape(images.shape)
        return torch.where(rank < self.eps, images, self.originals)

    def store(self, images: Tensor) -> Tensor:
        return torch.where(images == self.originals, images, super().store(images))

    def contains(self, images: Tensor) -> Tensor:
        return (norm(images - self.originals, 0) <= flat(self.eps)) & super().contains(images)
