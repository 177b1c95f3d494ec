"""What the result may be: sets of images around the original, inside [0, 1], on the lattice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from limen.attacks.protocols import LATER, Part, Point, Problem, cosine
from limen.images import dot, norm, per_sample, quantize

_SLACK = 1e-6
_BISECTIONS = 24


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

        return _stretch(self.originals, delta, norm(delta), self.lattice, short)[1]


@dataclass(frozen=True)
class LinfBall(Box):
    """‖x − x0‖∞ ≤ ε.

    On the lattice the ball is the box of the stored values it holds, so that a projected image
    stays inside when it is rounded to the nearest.

    Attributes:
        eps: ε, a number or one a sample.
    """

    eps: float | Tensor = 0.0
    originals: Tensor = LATER
    low: Tensor = LATER
    high: Tensor = LATER

    def prepare(self, problem: Problem) -> Self:
        bound, x = super().prepare(problem), problem.originals
        low, high = (x - bound.eps).clamp_(min=0), (x + bound.eps).clamp_(max=1)
        if problem.lattice is not None:
            low = low.sub_(_SLACK).mul_(problem.lattice).ceil_().div_(problem.lattice)
            high = high.add_(_SLACK).mul_(problem.lattice).floor_().div_(problem.lattice)
        return replace(bound, originals=x, low=low, high=high)

    def project(self, images: Tensor) -> Tensor:
        return torch.clamp(images, self.low, self.high, out=images)

    def contains(self, images: Tensor) -> Tensor:
        inside = norm(images - self.originals, torch.inf) <= _flat(self.eps) + _SLACK
        return inside & super().contains(images)

    def maximise(self, gradient: Tensor) -> Tensor:
        """The member of greatest inner product with the gradient, exactly."""
        corner = torch.where(gradient > 0, self.high, self.low)
        return torch.where(gradient == 0, self.originals, corner)

    def sample(self, problem: Problem, salt: int) -> Tensor:
        """A member drawn uniformly."""
        return torch.lerp(self.low, self.high, problem.draw(torch.rand, salt))


@dataclass(frozen=True)
class L2Ball(Box):
    """‖x − x0‖₂ ≤ ε, or = ε where `exact` and the box [0, 1] allows it.

    Attributes:
        eps: ε, a number or one a sample.
        exact: Whether projection also pushes outward, to the sphere.
    """

    eps: float | Tensor = 0.0
    exact: bool = False
    originals: Tensor = LATER
    radius: Tensor = LATER

    def prepare(self, problem: Problem) -> Self:
        bound = super().prepare(problem)
        eps = per_sample(_flat(bound.eps), problem.originals, "eps")
        radius = eps if problem.lattice is None else _radius_before_rounding(eps, problem)
        return replace(bound, originals=problem.originals, radius=radius)

    def project(self, images: Tensor) -> Tensor:
        delta = images.sub_(self.originals)
        scale = self.radius / _column(norm(delta)).clamp_min(1e-12)
        if not self.exact:
            scale = scale.clamp_max(1)
        return torch.addcmul(self.originals, delta, scale, out=delta).clamp_(0, 1)

    def store(self, images: Tensor) -> Tensor:
        stored = super().store(images)
        if self.lattice is None:
            return stored
        length, eps = norm(stored - self.originals), _flat(self.eps)
        off = (length > eps * (1 + _SLACK)) | (self.exact & (length < 0.98 * eps))
        rows = off.nonzero()[:, 0]
        if len(rows):
            stored[rows] = self.keep(rows)._longest_inside(images[rows], self.lattice)
        return stored

    def _longest_inside(self, images: Tensor, lattice: int) -> Tensor:
        eps = _flat(self.eps)

        def short(stored: Tensor) -> Tensor:
            return norm(stored - self.originals) <= eps

        return _stretch(self.originals, images - self.originals, eps, lattice, short)[0]

    def contains(self, images: Tensor) -> Tensor:
        inside = norm(images - self.originals) <= _flat(self.eps) * (1 + _SLACK) + _SLACK
        return inside & super().contains(images)

    def maximise(self, gradient: Tensor) -> Tensor:
        """The member of greatest inner product with the gradient: x0 + clip(t·g), t by bisection."""
        x = self.originals
        unit = gradient / _column(norm(gradient)).clamp_min(1e-30)
        least = torch.zeros_like(self.radius) + self.eps
        most = least * unit[0].numel() ** 0.5 * 1e3
        for _ in range(_BISECTIONS):
            middle = (least * most).sqrt()
            inside = _column(norm((x + middle * unit).clamp_(0, 1).sub_(x))) <= self.eps
            least, most = torch.where(inside, middle, least), torch.where(inside, most, middle)
        return (x + least * unit).clamp_(0, 1)

    def sample(self, problem: Problem, salt: int) -> Tensor:
        """A member drawn uniformly from the ball, then clipped to [0, 1]."""
        noise = problem.draw(torch.randn, salt)
        share = problem.draw(torch.rand, salt + 1)[:, :1, :1, :1] ** (1 / noise[0].numel())
        return (problem.originals + noise * (self.eps * share / _column(norm(noise)))).clamp_(0, 1)


@dataclass(frozen=True)
class AdaptiveSphere(L2Ball):
    """A sphere that shrinks while the attack succeeds and grows while it fails (Rony et al. 2019, DDN).

    Its radius is the length before rounding. Rounding t·g to the nearest gives the best lattice
    perturbation of its length for every t, so the search for the least t needs no other rounding.

    Attributes:
        eps: The first radius.
        gamma: The share γ by which the radius changes at the first step.
        final: The share at the last step, reached along a half cosine.
    """

    exact: bool = True
    gamma: float = 0.1
    final: float = 0.01

    def prepare(self, problem: Problem) -> Self:
        bound = super().prepare(problem)
        return replace(bound, radius=per_sample(_flat(bound.eps), problem.originals, "eps"))

    def react(self, point: Point) -> Self:
        gamma = cosine(self.gamma, self.final, point.progress)
        change = 1 + gamma - 2 * gamma * point.success.to(self.radius.dtype)
        return replace(self, radius=self.radius * _column(change))

    def store(self, images: Tensor) -> Tensor:
        return Box.store(self, images)

    def contains(self, images: Tensor) -> Tensor:
        return Box.contains(self, images)


@dataclass(frozen=True)
class L0Ball(Box):
    """At most ε values differ from the original's.

    Attributes:
        eps: ε, a number or one a sample.
    """

    eps: float | Tensor = 0.0
    originals: Tensor = LATER

    def prepare(self, problem: Problem) -> Self:
        return replace(super().prepare(problem), originals=problem.originals)

    def project(self, images: Tensor) -> Tensor:
        images.clamp_(0, 1)
        if not bool((norm(images - self.originals, 0) > _flat(self.eps)).any()):
            return images
        size = (images - self.originals).abs_().flatten(1)
        rank = size.argsort(dim=1, descending=True, stable=True).argsort(dim=1).reshape(images.shape)
        return torch.where(rank < self.eps, images, self.originals)

    def store(self, images: Tensor) -> Tensor:
        return torch.where(images == self.originals, images, super().store(images))

    def contains(self, images: Tensor) -> Tensor:
        return (norm(images - self.originals, 0) <= _flat(self.eps)) & super().contains(images)


def _radius_before_rounding(eps: Tensor, problem: Problem) -> Tensor:
    """The radius from which rounding to the nearest leads out to ε.

    A dense perturbation gains 1/12 of a squared step in every value, in the mean; what it gains
    beyond that by chance stays under four standard deviations. Where that would take most of the
    budget, perturbations are sparse, and rounding makes them shorter.
    """
    size = problem.originals[0].numel()
    gain = (size / 12 + 4 * (size / 180) ** 0.5) / (problem.lattice or 1) ** 2
    return torch.where(eps.square() > 2 * gain, (eps.square() - gain).clamp_min(0).sqrt(), eps)


def _stretch(
    originals: Tensor, delta: Tensor, length: float | Tensor, lattice: int, short: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """The last lattice image along x0 + t·δ that is too short, and the first that is not, by bisection of t.

    For a direction g, rounding t·g to the nearest gives the best perturbation of its length on
    the lattice, so t is all that is to be found. It lies between where the first value is rounded
    away from the original and where the rounded image must be longer than `length`.
    """
    low = 0.49 / (norm(delta, torch.inf) * lattice).clamp_min(1e-12)
    high = (length + 0.5 * delta[0].numel() ** 0.5 / lattice) / norm(delta).clamp_min(1e-12)

    def stored(t: Tensor) -> Tensor:
        return quantize(torch.addcmul(originals, delta, _column(t)), lattice).clamp_(0, 1)

    for _ in range(_BISECTIONS):
        middle = (low * high).sqrt()
        is_short = short(stored(middle))
        low, high = torch.where(is_short, middle, low), torch.where(is_short, high, middle)
    return stored(low), stored(high)


def _column(values: Tensor) -> Tensor:
    return values.reshape(-1, 1, 1, 1)


def _flat(value: float | Tensor) -> float | Tensor:
    return value.flatten() if isinstance(value, Tensor) else value
