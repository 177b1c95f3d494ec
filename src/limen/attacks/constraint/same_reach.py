"""The box [0, 1], stored so that rounding takes nothing from a perturbation's reach."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from limen.attacks.constraint.rounding import stretch
from limen.attacks.protocols import Constraint
from limen.images import dot, norm


@dataclass(frozen=True)
class SameReach(Constraint):
    """Any image in [0, 1], stored so that rounding takes nothing from how far it goes its way.

    Rounding to the nearest swallows a perturbation of less than half a step in every value. Here
    the stored perturbation reaches as far along the direction of the exact one: what a linear
    model would give to the one, it gives to the other.
    """

    def store(self, images: Tensor) -> Tensor:
        if self.lattice is None:
            return images.clone()
        delta = images - self.originals
        way = dot(delta, delta)

        def short(stored: Tensor) -> Tensor:
            return dot(stored - self.originals, delta) < way

        return stretch(self.originals, delta, norm(delta), self.lattice, short)[1]
