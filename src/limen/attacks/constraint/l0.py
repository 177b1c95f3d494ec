"""The L0 ball."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from limen.attacks.part import Problem, flat, setting
from limen.attacks.protocols import Constraint
from limen.images import norm, quantize


@dataclass(frozen=True)
class L0Ball(Constraint):
    """At most ε values differ from the original's, as a file would store it.

    Attributes:
        eps: ε, a number or one per sample.
    """

    eps: float | Tensor = setting(0.0)

    def bind(self, problem: Problem) -> Self:
        return replace(super().bind(problem), originals=quantize(problem.originals, problem.lattice))

    def project(self, images: Tensor) -> Tensor:
        images.clamp_(0, 1)
        if not bool((norm(images - self.originals, 0) > flat(self.eps)).any()):
            return images
        size = (images - self.originals).abs_().flatten(1)
        rank = size.argsort(dim=1, descending=True, stable=True).argsort(dim=1).reshape(images.shape)
        return torch.where(rank < self.eps, images, self.originals)

    def contains(self, images: Tensor) -> Tensor:
        return (norm(images - self.originals, 0) <= flat(self.eps)) & super().contains(images)
