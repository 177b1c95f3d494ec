"""The box [0, 1], and how it is stored."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from torch import Tensor

from limen.attacks.feasible.rounding import stretch
from limen.attacks.protocols import LATER, Part, Point, Problem
from limen.images import dot, norm, quantize


@dataclass(frozen=True)
class Box(Part):
    """Any image in [0, 1]."""

    lattice: int | None = None

    def prepare(self, problem: Problem) -> Self:
        return replace(super().prepare(problem), lattice=problem.lattice)

    def react(self, point: Point) -> Self:
        return self

    def project(self, images: Tensor) -> Tensor:
        return images.clamp_(0, 1)

    def store(self, images: Tensor) -> Tensor:
        return images.clone() if self.lattice is None else quantize(images, self.lattice)

    def contains(self, images: Tensor) -> Tensor:
        low, high = images.flatten(1).amin(1), images.flatten(1).amax(1)
        return (low >= 0) & (high <= 1)


@dataclass(frozen=True)
class SameReach(Box):
    """Any image in [0, 1], stored so that rounding takes nothing from how far it goes its way.

    Rounding to the nearest swallows a perturbation of less than half a step in every value. Here
    the stored perturbation reaches as far along the direction of the exact one: what a linear
    model would give to the one, it gives to the other.
    """

    originals: Tensor = LATER

    def prepare(self, problem: Problem) -> Self:
        return replace(super().prepare(problem), originals=problem.originals)

    def store(self, images: Tensor) -> Tensor:
        if self.lattice is None:
            return images.clone()
        delta = images - self.originals
        way = dot(delta, delta)

        def short(stored: Tensor) -> Tensor:
            return dot(stored - self.originals, delta) < way

        return stretch(self.originals, delta, norm(delta), self.lattice, short)[1]
