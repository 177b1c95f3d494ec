"""The ball of images of like SSIM."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from torch import Tensor

from limen.attacks.constraint.rounding import SLACK, stretch
from limen.attacks.part import Problem, flat, rows, setting
from limen.attacks.protocols import Constraint
from limen.images import column, norm, per_sample
from limen.metrics import dissimilarity
from limen.operators import SsimTensor
from limen.operators.ssim_tensor import Border, border_weight
from limen.operators.window import RADIUS

_POWERS = (0.5,) * 7 + (1.0,)


@dataclass(frozen=True)
class SsimBall(Constraint):
    """1 − SSIM(x, x0) ≤ ε.

    It is no ellipsoid, but near one at the budgets that matter. Projection scales the perturbation
    by the metric tensor's measure of it, which takes one filter; what is stored and comes near the
    budget is measured by SSIM itself, and scaled until it fits.

    Attributes:
        eps: ε, a number or one per sample.
        border: How the tensor treats the image's border.
    """

    eps: float | Tensor = setting(0.0)
    border: Border = "reflect"
    tensor: SsimTensor = rows()

    def bind(self, problem: Problem) -> Self:
        bound, x = super().bind(problem), problem.originals
        eps = per_sample(flat(bound.eps), x, "eps")
        return replace(bound, eps=eps, tensor=SsimTensor.at(x, self.border))

    def project(self, images: Tensor) -> Tensor:
        delta = images.sub_(self.originals)
        cost = column(self.tensor.energy(delta)) / 2
        scale = (self.eps / cost.clamp_min(1e-30)).sqrt_().clamp_max_(1)
        return delta.mul_(scale).add_(self.originals).clamp_(0, 1)

    def store(self, images: Tensor) -> Tensor:
        stored, eps = super().store(images), flat(self.eps)
        # In each window 1 − SSIM is at most twice what the tensor says, by a² + b² ≥ (a + b)²/2 in both its
        # factors; and SSIM's windows are among the tensor's, which counts those over the border too.
        height, width = images.shape[2:]
        over = height * width / ((height - 2 * RADIUS) * (width - 2 * RADIUS)) - 1
        more = 1 + border_weight(self.border) * over
        rows = (self.tensor.energy(stored - self.originals) * more > eps).nonzero()[:, 0]
        if len(rows):
            near = self.select(rows)
            stored[rows] = near._inside(images[rows], stored[rows])
        return stored

    def _inside(self, images: Tensor, stored: Tensor) -> Tensor:
        rows = (dissimilarity(stored, self.originals) > flat(self.eps)).nonzero()[:, 0]
        if len(rows):
            outside = self.select(rows)
            scaled = outside._scaled if self.lattice is None else outside._longest_on_the_lattice
            stored[rows] = scaled(images[rows])
        return stored

    def _scaled(self, images: Tensor) -> Tensor:
        """1 − SSIM grows about with the square of the scale; the last step goes further, and ends inside."""
        delta = images - self.originals
        for power in _POWERS:
            cost = column(dissimilarity(self.originals + delta, self.originals))
            delta = delta * (self.eps / cost.clamp_min(1e-30)).clamp_max(1) ** power
        return self.originals + delta

    def _longest_on_the_lattice(self, images: Tensor) -> Tensor:
        delta = images - self.originals

        def short(stored: Tensor) -> Tensor:
            return dissimilarity(stored, self.originals) <= flat(self.eps)

        return stretch(self.originals, delta, norm(delta), self.lattice or 1, short)[0]

    def contains(self, images: Tensor) -> Tensor:
        inside = dissimilarity(images, self.originals) <= flat(self.eps) * (1 + SLACK) + SLACK**2
        return inside & super().contains(images)
