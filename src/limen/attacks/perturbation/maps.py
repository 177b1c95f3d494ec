"""Maps of perturbations: what is left of one, or made of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch
from torch import Tensor

from limen.attacks.constraint.rounding import radius_before_rounding
from limen.attacks.guided import Guided
from limen.attacks.mask import Mask
from limen.attacks.part import Problem, rows, setting
from limen.attacks.protocols import Map
from limen.images import column, norm
from limen.structure import empty_or_full


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
        mask: Makes the share m in [0, 1] of each value that may change, of a shape that broadcasts to the
            images': a `Mask`, or a plain function of the originals (n, C, H, W), which may name no value.
        share: m.
        empty: Of which samples (n,) a `Mask` named no value, so that all may change.
    """

    mask: Mask | Callable[[Tensor], Tensor]
    share: Tensor = rows()
    empty: Tensor = rows()

    def bind(self, problem: Problem) -> Self:
        originals = problem.originals
        if isinstance(self.mask, Mask):
            share = self.mask.share(problem)
            empty, _ = empty_or_full(share > 0)
            share = share.to(originals.dtype).masked_fill(column(empty), 1)
        else:
            share, empty = (
                self.mask(originals).to(originals.dtype),
                originals.new_zeros(len(originals)).bool(),
            )
        return replace(self, share=share.expand_as(originals), empty=empty)

    def unmasked(self) -> Tensor | bool:
        return self.empty

    def __call__(self, delta: Tensor) -> Tensor:
        return delta * self.share

    def invert(self, delta: Tensor) -> Tensor:
        return torch.where(self.share > 0, delta / self.share, 0)

    def pulled(self, diagonal: Tensor) -> Tensor:
        return diagonal * self.share.square()


@dataclass(frozen=True)
class ExactLength(Map):
    """Of a given length: ε·δ/‖δ‖₂, and nothing of nothing (Dong et al. 2020, eq. 3, Scale).

    On the lattice the length is such that rounding leads out to ε. What [0, 1] then cuts off is not made up.

    Attributes:
        eps: ε as a root mean square over the values of the image, a number or one per sample.
    """

    eps: float | Tensor = setting()
    radius: Tensor = rows()
    bounded: ClassVar[bool] = True

    def bind(self, problem: Problem) -> Self:
        bound = super().bind(problem)
        length = bound.eps * problem.originals[0].numel() ** 0.5
        return replace(bound, radius=radius_before_rounding(length, problem))

    def __call__(self, delta: Tensor) -> Tensor:
        length = column(norm(delta))
        return delta * (self.radius / length.where(length > 0, 1))

    def invert(self, delta: Tensor) -> Tensor:
        return delta
