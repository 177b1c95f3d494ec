"""What the free variables are, and how they make an image."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from limen.attacks.protocols import Part


@dataclass(frozen=True)
class Pixels(Part):
    """The image itself."""

    @property
    def is_image(self) -> bool:
        return True

    def invert(self, images: Tensor) -> Tensor:
        return images.clone()

    def images(self, variables: Tensor) -> Tensor:
        return variables


@dataclass(frozen=True)
class SigmoidBox(Part):
    """x = σ(w): free variables that can never leave [0, 1] (Carlini & Wagner 2017, Section V-B).

    Attributes:
        slack: How far values of 0 and 1 are drawn inside, as their w would be infinite. The map
            is stretched by as much, so that 0 and 1 themselves can be reached.
    """

    slack: float = 1e-6

    @property
    def is_image(self) -> bool:
        return False

    def invert(self, images: Tensor) -> Tensor:
        return torch.logit(images.mul(1 - 2 * self.slack).add_(self.slack))

    def images(self, variables: Tensor) -> Tensor:
        return torch.sigmoid(variables)
