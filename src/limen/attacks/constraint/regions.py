"""A set for the foreground of an image, and another for its background."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch
from torch import Tensor

from limen.attacks.part import Problem, rows
from limen.attacks.protocols import Constraint, State
from limen.errors import UsageError
from limen.structure import empty_or_full

_APART = 2**31
"""Tells the random starts of the background from those of the foreground."""


@dataclass(frozen=True)
class Regions(Constraint):
    """‖δ ⊙ F‖ ≤ ε_F and ‖δ ⊙ B‖ ≤ ε_B: each region's change by itself is in a set of its own.

    The regions share no value, so that projecting each by itself is the projection to both (Tong et al. 2020,
    Towards robustness against unsuspicious adversarial examples, eq. 3). Any two sets go together that are
    local, of different norms too. Distances count the background alone.

    Attributes:
        foreground: What the image may be where only its foreground is changed.
        background: What it may be where only its background is.
        mask: Which pixels (n, 1, H, W) are foreground.

    Raises:
        UsageError: If a set is not local: projecting to it changes all values, so that no region can be held
            to it by itself.
    """

    foreground: Constraint = Constraint()
    background: Constraint = Constraint()
    mask: Tensor = rows()
    has_regions: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for part in (self.foreground, self.background):
            if not part.is_local:
                raise UsageError(
                    f"{type(part).__name__} cannot hold one region: projecting to it changes all of an image"
                )

    def needs_foreground(self) -> bool:
        return True

    def room(self, problem: Problem) -> Tensor | float:
        parts, device = (self.foreground, self.background), problem.originals.device
        front, back = (torch.as_tensor(part.room(problem), device=device) for part in parts)
        return torch.maximum(front, back)

    def unmasked(self) -> Tensor | bool:
        empty, full = empty_or_full(self.mask)
        return empty | full

    @property
    def has_maximiser(self) -> bool:
        return self.foreground.has_maximiser and self.background.has_maximiser

    @property
    def can_be_sampled(self) -> bool:
        return self.foreground.can_be_sampled and self.background.can_be_sampled

    def bind(self, problem: Problem) -> Self:
        if problem.foreground is None:
            raise UsageError("the foreground is not known; bind to a problem that has one")
        mask = problem.foreground
        return replace(
            self,
            originals=problem.originals,
            lattice=problem.lattice,
            mask=mask,
            foreground=self.foreground.bind(problem.within(mask)),
            background=self.background.bind(problem.within(~mask)),
        )

    def update(self, state: State) -> Self:
        (front, of_front), (back, of_back) = self._parts_of(state.exact)
        front, back = front.update(replace(state, exact=of_front)), back.update(replace(state, exact=of_back))
        return replace(self, foreground=front, background=back)

    def project(self, images: Tensor) -> Tensor:
        return self._joined(*(part.project(of_part) for part, of_part in self._parts_of(images)))

    def store(self, images: Tensor) -> Tensor:
        return self._joined(*(part.store(of_part) for part, of_part in self._parts_of(images)))

    def contains(self, images: Tensor) -> Tensor:
        front, back = (part.contains(of_part) for part, of_part in self._parts_of(images))
        return front & back

    def counted(self, images: Tensor) -> Tensor:
        return torch.where(self.mask, self.originals, images)

    def maximise(self, gradient: Tensor) -> Tensor:
        front = self.foreground.maximise(gradient * self.mask)
        return self._joined(front, self.background.maximise(gradient * ~self.mask))

    def sample(self, problem: Problem, salt: int) -> Tensor:
        front = self.foreground.sample(problem.within(self.mask), salt)
        return self._joined(front, self.background.sample(problem.within(~self.mask), salt + _APART))

    def _parts_of(self, images: Tensor) -> list[tuple[Constraint, Tensor]]:
        """Each set, with the images as they would be if only its region had changed."""
        front, back = self.foreground, self.background
        return [
            (front, torch.where(self.mask, images, front.originals)),
            (back, torch.where(self.mask, back.originals, images)),
        ]

    def _joined(self, front: Tensor, back: Tensor) -> Tensor:
        return torch.where(self.mask, front, back)
