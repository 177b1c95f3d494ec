"""The box [0, 1], of which only what a file can store is ever moved from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from limen.attacks.protocols import Constraint
from limen.images import quantize

_NEARLY = 1e-3
"""By how much of a step a stored value may fall short of its level in floats, and not be cut to the next."""


@dataclass(frozen=True)
class OnLattice(Constraint):
    """Any image in [0, 1], put on the lattice after every step, so that what is rounded away is lost.

    Other constraints keep the image before rounding as well, in which small steps add up.

    Attributes:
        how: Whether values are cut to the level below, as when floats are cast to integers, or go to the
            nearest.
    """

    how: Literal["round", "truncate"] = "round"

    def project(self, images: Tensor) -> Tensor:
        images = super().project(images)
        if self.how == "round" or self.lattice is None:
            return quantize(images, self.lattice)
        return images.mul_(self.lattice).add_(_NEARLY).floor_().div_(self.lattice)
