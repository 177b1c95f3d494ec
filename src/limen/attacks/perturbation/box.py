"""Free variables that can never leave [0, 1]."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from limen.attacks.protocols import Perturbation


@dataclass(frozen=True)
class SigmoidBox(Perturbation):
    """x = σ(w): free variables that can never leave [0, 1] (Carlini & Wagner 2017, Section V-B).

    Attributes:
        slack: How far values of 0 and 1 are drawn inside, as their w would be infinite. The map
            is stretched by as much, so that 0 and 1 themselves can be reached.
    """

    slack: float = 1e-6

    def invert(self, images: Tensor) -> Tensor:
        return torch.logit(images.mul(1 - 2 * self.slack).add_(self.slack))

    def images(self, variables: Tensor) -> Tensor:
        return torch.sigmoid(variables)

    def change(self, variables: Tensor, move: Tensor) -> Tensor:
        values = torch.sigmoid(variables)
        return move * values * (1 - values)
