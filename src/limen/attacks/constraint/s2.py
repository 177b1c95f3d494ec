"""The ball of images of like structure: S2, the second factor of SSIM, over the whole image."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch
from torch import Tensor

from limen.attacks.constraint.ray import ClippedRay, squared, total
from limen.attacks.constraint.rounding import SLACK, stretch
from limen.attacks.part import Problem, flat, rows, setting
from limen.attacks.protocols import Constraint, State
from limen.errors import UsageError
from limen.images import norm, per_sample
from limen.metrics.structural_similarity import C2


@dataclass(frozen=True)
class S2Ball(Constraint):
    """S2(x, y) ≥ 1 − ε² and mean(y) = mean(x), in [0, 1] (Pochimireddy et al., eq. 8 and 9).

    With x̃ = x − mean(x) and N values, S2 = 1 − ‖x̃ − ỹ‖² / (‖x̃‖² + ‖ỹ‖² + N·c2), and the set is a
    Euclidean ball: ‖y − c‖ ≤ R, c = mean(x) + η·x̃, η = 1/(1 − ε²), R² = (η² − 1)·‖x̃‖² + η·ε²·N·c2.
    The paper's k21 is this R², misprinted: it lacks the −1.

    Attributes:
        eps: ε, a number or one per sample, less than 1.
        recenter: Whether the ball is around the image of each step, as in the paper, and so
            bounds the step, and T of them by T·ε, as √(1 − S2) is a metric. If not, it is one ball
            around the original.
        mean: Whether the mean is kept. Without it, the ball ‖y − c‖ ≤ R still holds S2 ≥ 1 − ε²,
            and what the mean drifts is taken from it.
        box: Whether the maximiser heeds [0, 1]. If not, it is the closed form of the paper's eq. 9
            and 10, and projection brings its image into [0, 1].
        per_channel: Whether every channel has statistics, and a ball, of its own. The set is
            their intersection; if not, statistics are over all values of the image.
    """

    is_local: ClassVar[bool] = False
    eps: float | Tensor = setting(0.0)
    recenter: bool = False
    mean: bool = True
    box: bool = True
    per_channel: bool = False
    around: Tensor = rows()
    offset: Tensor = rows()
    low: Tensor = rows()
    radius2: Tensor = rows()

    def __post_init__(self) -> None:
        eps = self.eps if isinstance(self.eps, Tensor) else torch.tensor(self.eps, device="cpu")
        if eps.ndim < 2 and bool((eps >= 1).any()):
            raise UsageError(f"eps is {self.eps}; expected less than 1: S2 ≥ 1 − ε² excludes little beyond")

    def bind(self, problem: Problem) -> Self:
        bound = super().bind(problem)
        eps = per_sample(flat(bound.eps), problem.originals, "eps")
        return replace(bound, eps=eps)._around(problem.originals)

    def update(self, state: State) -> Self:
        return self._around(state.exact) if self.recenter else self

    def _around(self, images: Tensor) -> Self:
        """The ball around these images: how far its centre is from them, and R² (n, 1 or C, 1, 1)."""
        planes = _planes(images, self.per_channel)
        structure, square = planes - _mean(planes), torch.as_tensor(self.eps, device=images.device).square()
        growth = square / (1 - square)
        contrast = squared(structure).reshape(len(images), -1, 1, 1)
        radius2 = growth * ((2 - square) / (1 - square) * contrast + C2 * planes[0].numel())
        offset = growth * structure.reshape(images.shape)
        return replace(self, around=images, offset=offset, low=(images + offset).neg_(), radius2=radius2)

    def maximise(self, gradient: Tensor) -> Tensor:
        """The member of greatest inner product with the gradient; the image itself where that is 0."""
        direction = _planes(gradient, self.per_channel)
        tiny, digits = torch.finfo(direction.dtype).tiny, torch.finfo(direction.dtype).eps
        direction = direction / direction.abs().amax((1, 2, 3), True).clamp_min(tiny)
        direction = direction - _mean(direction) if self.mean else direction
        length, root = squared(direction).sqrt().clamp_min(digits), direction[0].numel() ** 0.5
        if self.box:
            # Where all of the box lies in the ball, t grows until only values at the threshold are free.
            reached = self._ray(direction, root / digits**0.5 / length).furthest()
        else:
            reached = direction.mul_(self._square().sqrt() / length)
        flat_ones = (length <= 4 * digits * root).flatten().nonzero()[:, 0]
        reached[flat_ones] = -_planes(self.offset, self.per_channel)[flat_ones]
        images = self._image(reached)
        return images.clamp_(0, 1) if self.box else images

    def project(self, images: Tensor) -> Tensor:
        direction = _planes(images.sub_(self.around).sub_(self.offset), self.per_channel)
        direction = direction - _mean(direction) if self.mean else direction
        reached = self._ray(direction, torch.ones_like(self._square())).furthest()
        return self._image(reached).clamp_(0, 1)

    def store(self, images: Tensor) -> Tensor:
        stored = super().store(images)
        if self.lattice is None or self.recenter:
            return stored
        rows = (self._distance(stored) > flat(self.eps)).nonzero()[:, 0]
        if len(rows):
            stored[rows] = self.select(rows)._longest_inside(images[rows], self.lattice)
        return stored

    def _longest_inside(self, images: Tensor, lattice: int) -> Tensor:
        delta = images - self.around

        def short(stored: Tensor) -> Tensor:
            return self._distance(stored) <= flat(self.eps)

        return stretch(self.around, delta, norm(delta), lattice, short)[0]

    def contains(self, images: Tensor) -> Tensor:
        """Which images (n,) have S2 ≥ 1 − ε², with the mean that rounding to a lattice gave them.

        Steps that take the ball along may lead anywhere in [0, 1].
        """
        inside = super().contains(images)
        if not self.recenter:
            inside &= self._distance(images) <= flat(self.eps) * (1 + SLACK) + SLACK
        return inside

    def _distance(self, images: Tensor) -> Tensor:
        """√(1 − S2) (n,) from what the ball is around, the greatest over channels by themselves.

        Where the mean is free, ‖y − c‖ ≤ R is S2 ≥ 1 − ε² with both deviations from the mean of x.
        """
        around, planes = (_planes(batch, self.per_channel) for batch in (self.around, images))
        middle = _mean(around)
        around, planes = around - middle, planes - (_mean(planes) if self.mean else middle)
        scale = squared(around) + squared(planes) + C2 * planes[0].numel()
        return (squared(planes - around) / scale).sqrt().reshape(len(images), -1).amax(1)

    def _square(self) -> Tensor:
        return self.radius2.reshape(-1, 1, 1, 1)

    def _ray(self, direction: Tensor, most: Tensor) -> ClippedRay:
        low = _planes(self.low, self.per_channel)
        return ClippedRay(
            direction=direction, low=low, high=low + 1, square=self._square(), most=most, balanced=self.mean
        )

    def _image(self, reached: Tensor) -> Tensor:
        return reached.reshape(self.around.shape).add_(self.offset).add_(self.around)


def _planes(images: Tensor, per_channel: bool) -> Tensor:
    """What has statistics of its own, as images: each of them, or each channel as an image of one."""
    return images.flatten(0, 1)[:, None] if per_channel else images


def _mean(planes: Tensor) -> Tensor:
    return total(planes) / planes[0].numel()
