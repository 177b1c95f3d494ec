"""The L2 ball and sphere."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch
from torch import Tensor

from limen.attacks.constraint.projection import onto_ball
from limen.attacks.constraint.rounding import BISECTIONS, SLACK, radius_before_rounding, steps_within, stretch
from limen.attacks.part import Problem, flat, may_hold, setting
from limen.attacks.protocols import Constraint
from limen.images import column, norm


@dataclass(frozen=True)
class L2Ball(Constraint):
    """‖x − x0‖₂ ≤ ε, or = ε where `exact` and the box [0, 1] allows it.

    Attributes:
        eps: ε, a number or one per sample.
        exact: Whether projection also pushes outward, to the sphere.
        rms: Whether ε is a root mean square over the values of the image; what is bound is the norm.
    """

    eps: float | Tensor = setting(0.0)
    exact: bool = False
    rms: bool = False
    has_radius: ClassVar[bool] = True

    def bind(self, problem: Problem) -> Self:
        bound = super().bind(problem)
        eps = bound.eps * problem.size**0.5 if self.rms else bound.eps
        return replace(bound, eps=eps, rms=False, radius=radius_before_rounding(eps, problem))

    def room(self, problem: Problem) -> Tensor | float:
        values = problem.originals.shape[1:].numel() if self.rms else 1
        return steps_within(self.eps * values**0.5, problem)

    def project(self, images: Tensor) -> Tensor:
        if not self.exact:
            return onto_ball(images, self.originals, self.radius, 2)
        delta = images.sub_(self.originals)
        scale = self.radius / column(norm(delta)).clamp_min(1e-12)
        return torch.addcmul(self.originals, delta, scale, out=delta).clamp_(0, 1)

    def store(self, images: Tensor) -> Tensor:
        stored = super().store(images)
        length, eps = norm(stored - self.originals), flat(self.eps)
        off = length > eps * (1 + SLACK)
        if self.exact and self.lattice is not None:
            off |= length < 0.98 * eps
        if self.lattice is None:
            inside = self.project(images.clone()) if may_hold(off) else stored
            return torch.where(column(off), inside, stored)
        rows = off.nonzero()[:, 0]
        if len(rows):
            stored[rows] = self.select(rows)._longest_inside(images[rows], self.lattice)
        return stored

    def _longest_inside(self, images: Tensor, lattice: int) -> Tensor:
        eps = flat(self.eps)

        def short(stored: Tensor) -> Tensor:
            return norm(stored - self.originals) <= eps

        return stretch(self.originals, images - self.originals, eps, lattice, short)[0]

    def contains(self, images: Tensor) -> Tensor:
        inside = norm(images - self.originals) <= flat(self.eps) * (1 + SLACK) + SLACK
        return inside & super().contains(images)

    def maximise(self, gradient: Tensor) -> Tensor:
        """The member of greatest inner product with the gradient: x0 + clip(t·g), t by bisection."""
        x = self.originals
        unit = gradient / column(norm(gradient)).clamp_min(1e-30)
        least = torch.zeros_like(self.radius) + self.eps
        most = least * unit[0].numel() ** 0.5 * 1e3
        for _ in range(BISECTIONS):
            middle = (least * most).sqrt()
            inside = column(norm((x + middle * unit).clamp_(0, 1).sub_(x))) <= self.eps
            least, most = torch.where(inside, middle, least), torch.where(inside, most, middle)
        return (x + least * unit).clamp_(0, 1)

    def sample(self, problem: Problem, salt: int) -> Tensor:
        """A member drawn uniformly from the ball, then clipped to [0, 1]."""
        noise = problem.draw(torch.randn, salt)
        noise = noise if problem.region is None else noise * problem.region
        share = problem.draw(torch.rand, salt + 1)[:, :1, :1, :1] ** (1 / problem.size)
        unit = noise / column(norm(noise)).clamp_min(torch.finfo(noise.dtype).tiny)
        return (problem.originals + unit * (self.eps * share)).clamp_(0, 1)
