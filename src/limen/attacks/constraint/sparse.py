"""The box [0, 1], where changes that are too small are none."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from limen.attacks.part import Problem, rows
from limen.attacks.protocols import Constraint, State
from limen.attacks.schedule import cosine
from limen.images import column


@dataclass(frozen=True)
class Thresholded(Constraint):
    """Values change by τ or more, or not at all: τ rises after a success, and else falls.

    Source:
        Cinà et al. 2025, σ-zero: gradient-based optimization of l0-norm adversarial examples, Algorithm 1.
        Its program changes a copy of τ, and so leaves it as it is.

    Attributes:
        first: τ at first.
        rate: By how much it changes at the first step; at the last by a tenth, along a half cosine.
        threshold: τ (n, 1, 1, 1).
    """

    first: float = 0.3
    rate: float = 0.01
    threshold: Tensor = rows()

    def bind(self, problem: Problem) -> Self:
        bound = super().bind(problem)
        return replace(bound, threshold=torch.full_like(column(problem.seeds), self.first, dtype=torch.float))

    def update(self, state: State) -> Self:
        change = cosine(self.rate, self.rate / 10, state.progress)
        signed = torch.where(column(state.success), change, -change)
        return replace(self, threshold=(self.threshold + signed).clamp(0, 1))

    def project(self, images: Tensor) -> Tensor:
        images = images.clamp_(0, 1)
        return torch.where((images - self.originals).abs() < self.threshold, self.originals, images)
