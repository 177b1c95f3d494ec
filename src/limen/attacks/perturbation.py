"""What the free variables are, and how they make an image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from limen.attacks.guided import Guided
from limen.attacks.part import Problem, rows
from limen.attacks.protocols import Map, Perturbation


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


@dataclass(frozen=True)
class Additive(Perturbation):
    """x = clip(x0 + M(z), 0, 1): a perturbation that comes of free variables by linear maps, in turn.

    Attributes:
        maps: What makes M, the first one applied to z.
    """

    maps: tuple[Map, ...]
    originals: Tensor = rows()

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


@dataclass(frozen=True)
class GraphSmooth(Guided, Map):
    """Smooth as the original is: ŝ(z) (Zhang et al. 2020, eq. 17)."""

    def __call__(self, delta: Tensor) -> Tensor:
        return self.smoother(delta)

    def invert(self, delta: Tensor) -> Tensor:
        return self.smoother.invert(delta)


@dataclass(frozen=True)
class Masked(Map):
    """Only where a mask lets it be: m ⊙ δ.

    Attributes:
        mask: Makes of the originals (n, C, H, W) the share m in [0, 1] of each value that may change,
            of a shape that broadcasts to theirs.
    """

    mask: Callable[[Tensor], Tensor]
    share: Tensor = rows()

    def bind(self, problem: Problem) -> Self:
        return replace(self, share=self.mask(problem.originals).expand_as(problem.originals))

    def __call__(self, delta: Tensor) -> Tensor:
        return delta * self.share

    def invert(self, delta: Tensor) -> Tensor:
        return torch.where(self.share > 0, delta / self.share, 0)
