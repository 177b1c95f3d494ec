"""A perturbation that maps make of free variables."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from limen.attacks.part import Problem, rows, setting
from limen.attacks.protocols import Map, Perturbation, State


@dataclass(frozen=True)
class Additive(Perturbation):
    """x = clip(x0 + M(z), 0, 1): a perturbation that comes of free variables by maps, in turn.

    Attributes:
        maps: What makes M, the first one applied to z.
        later: Maps that follow these from the second iterate on.
        noise: If given, a random start is z = ±noise in every variable; a number or one per sample.
    """

    maps: tuple[Map, ...]
    later: tuple[Map, ...] = ()
    noise: float | Tensor | None = setting(None)
    originals: Tensor = rows()

    @property
    def bounded(self) -> bool:
        return any(link.bounded for link in (*self.maps, *self.later))

    @property
    def can_be_sampled(self) -> bool:
        return self.noise is not None

    @property
    def has_diagonal(self) -> bool:
        return all(link.has_diagonal for link in self.maps)

    def bind(self, problem: Problem) -> Self:
        return replace(super().bind(problem), originals=problem.originals)

    def invert(self, images: Tensor) -> Tensor:
        delta = images - self.originals
        for link in reversed(self.maps):
            delta = link.invert(delta)
        return delta

    def images(self, variables: Tensor) -> Tensor:
        delta = variables
        for link in self.maps:
            delta = link(delta)
        return _Clip.apply(self.originals + delta)

    def update(self, state: State) -> Self:
        return replace(self, maps=(*self.maps, *self.later), later=()) if self.later else self

    def spread(self, move: Tensor) -> Tensor:
        for link in self.maps:
            move = move if link.bounded else link(move)
        return move

    def pulled(self, diagonal: Tensor) -> Tensor:
        for link in reversed(self.maps):
            diagonal = link.pulled(diagonal)
        return diagonal

    def of_region(self, mask: Tensor) -> Tensor:
        for link in reversed(self.maps):
            mask = link.of_region(mask)
        return mask

    def sample(self, problem: Problem, salt: int) -> Tensor:
        zeros, size = self.invert(problem.originals), 0.0 if self.noise is None else self.noise
        # Drawn for every value of the image, so that it does not matter how many variables others have.
        drawn = problem.draw(torch.rand, salt).flatten(2)[..., : zeros.shape[2:].numel()]
        return (drawn.reshape(zeros.shape) - 0.5).sign() * size


class _Clip(torch.autograd.Function):
    """To [0, 1], with the gradient of what is climbed, where it does not lead further out.

    A value beyond its bound cannot rise, but it can come back: clamping's own gradient, which is 0
    there, would leave it stuck (Zhang et al. 2020, Section 4.2.4).
    """

    @staticmethod
    def forward(ctx, images: Tensor) -> Tensor:
        clipped = images.clamp(0, 1)
        ctx.save_for_backward(clipped)
        return clipped

    @staticmethod
    def backward(ctx, *gradients: Tensor) -> Tensor:
        (gradient,), (clipped,) = gradients, ctx.saved_tensors
        outward = ((clipped >= 1) & (gradient > 0)) | ((clipped <= 0) & (gradient < 0))
        return gradient.masked_fill(outward, 0)
