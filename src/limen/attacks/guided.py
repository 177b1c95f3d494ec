"""What is smoothed as the originals are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from torch import Tensor

from limen.attacks.part import Part, Problem, rows
from limen.operators import Smoother, Smoothing


@dataclass(frozen=True)
class Guided(Part):
    """A part with a smoother guided by the originals, of whose factors memory holds only so many.

    Attributes:
        smoothing: How the originals guide it.
    """

    smoothing: Smoothing
    smoother: Smoother = rows()

    def bind(self, problem: Problem) -> Self:
        """Bind to the samples of a call."""
        return replace(self, smoother=self.smoothing.at(problem.originals))

    def capacity(self, images: Tensor) -> float:
        """How many images of this size it may be bound to at once."""
        return self.smoothing.capacity(images)
