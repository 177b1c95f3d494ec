"""What the result may be: sets of images around the original, inside [0, 1], on the lattice."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from limen.attacks.protocols import Part, Point, Problem, cosine
from limen.images import norm, per_sample, quantize

_SLACK = 1e-6
_BISECTIONS = 32


@dataclass(frozen=True)
class Box(Part):
    """Any image in [0, 1]."""

    lattice: int | None = None

    def prepare(self, problem: Problem) -> Self:
        return _bind(self, problem, lattice=problem.lattice)

    def react(self, point: Point) -> Self:
        return self

    def project(self, images: Tensor) -> Tensor:
        return images.clamp_(0, 1)

    def store(self, images: Tensor) -> Tensor:
        return quantize(images, self.lattice)

    def contains(self, images: Tensor) -> Tensor:
        low, high = images.flatten(1).aminmax(dim=1)
        return (low >= 0) & (high <= 1)


@dataclass(frozen=True)
class LinfBall(Box):
    """‖x − x0‖∞ ≤ ε.

    On the lattice the ball is the box of the stored values it holds, so that a projected image
    stays inside when it is rounded to the nearest.

    Attributes:
        eps: ε, a number or one a sample.
    """

    eps: float | Tensor = 0.0
    originals: Tensor | None = None
    low: Tensor | None = None
    high: Tensor | None = None

    def prepare(self, problem: Problem) -> Self:
        bound = _bind(self, problem, lattice=problem.lattice)
        x = problem.originals
        low, high = (x - bound.eps).clamp_(min=0), (x + bound.eps).clamp_(max=1)
        if problem.lattice is not None:
            low = low.mul_(problem.lattice).sub_(_SLACK * problem.lattice).ceil_().div_(problem.lattice)
            high = high.mul_(problem.lattice).add_(_SLACK * problem.lattice).floor_().div_(problem.lattice)
        return _with(bound, originals=x, low=low, high=high)

    def project(self, images: Tensor) -> Tensor:
        return torch.clamp(images, self.low, self.high, out=images)

    def contains(self, images: Tensor) -> Tensor:
        inside = norm(images - self.originals, torch.inf) <= _scalar(self.eps) + _SLACK
        return inside & super().contains(images)

    def maximise(self, gradient: Tensor) -> Tensor:
        """The member of greatest inner product with the gradient, exactly."""
        bound = torch.where(gradient > 0, self.high, self.low)
        return torch.where(gradient == 0, self.originals, bound)

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
    originals: Tensor | None = None
    radius: float | Tensor | None = None

    def prepare(self, problem: Problem) -> Self:
        bound = _bind(self, problem, lattice=problem.lattice)
        return _with(bound, originals=problem.originals, radius=_radius_before_rounding(bound.eps, problem))

    def project(self, images: Tensor) -> Tensor:
        delta = images.sub_(self.originals)
        scale = self.radius / _column(norm(delta), delta).clamp_min(1e-12)
        if not self.exact:
            scale = scale.clamp_max(1)
        return torch.addcmul(self.originals, delta, scale, out=delta).clamp_(0, 1)

    def store(self, images: Tensor) -> Tensor:
        if self.lattice is None:
            return images.clone()
        stored = quantize(images, self.lattice)
        length, eps = norm(stored - self.originals), _scalar(self.eps)
        off = (length > eps * (1 + _SLACK)) | (length < 0.98 * eps if self.exact else length < 0)
        rows = off.nonzero()[:, 0]
        if len(rows):
            ball = self.keep(rows)
            stored[rows] = _round_to_length(ball.originals, images[rows], ball.eps, self.lattice)
        return stored

    def contains(self, images: Tensor) -> Tensor:
        inside = norm(images - self.originals) <= _scalar(self.eps) * (1 + _SLACK) + _SLACK
        return inside & super().contains(images)

    def maximise(self, gradient: Tensor) -> Tensor:
        """The member of greatest inner product with the gradient: x0 + clip(t·g), t by bisection."""
        x = self.originals
        unit = gradient / _column(norm(gradient), gradient).clamp_min(1e-30)
        least = torch.zeros_like(unit[:, :1, :1, :1]) + self.eps
        most = least * unit[0].numel() ** 0.5 * 1e3
        for _ in range(_BISECTIONS):
            middle = (least * most).sqrt()
            length = norm((x + middle * unit).clamp_(0, 1).sub_(x))
            inside = _column(length, x) <= self.eps
            least, most = torch.where(inside, middle, least), torch.where(inside, most, middle)
        return (x + least * unit).clamp_(0, 1)

    def sample(self, problem: Problem, salt: int) -> Tensor:
        """A member drawn uniformly from the ball, then clipped to [0, 1]."""
        noise = problem.draw(torch.randn, salt)
        share = problem.draw(torch.rand, salt + 1)[:, :1, :1, :1] ** (1 / noise[0].numel())
        radius = self.eps * share / _column(norm(noise), noise)
        return (problem.originals + noise * radius).clamp_(0, 1)


@dataclass(frozen=True)
class L0Ball(Box):
    """At most ε values differ from the original's.

    Attributes:
        eps: ε, a number or one a sample.
    """

    eps: float | Tensor = 0.0
    originals: Tensor | None = None

    def prepare(self, problem: Problem) -> Self:
        return _with(_bind(self, problem, lattice=problem.lattice), originals=problem.originals)

    def project(self, images: Tensor) -> Tensor:
        images.clamp_(0, 1)
        if not bool((norm(images - self.originals, 0) > _scalar(self.eps)).any()):
            return images
        size = (images - self.originals).abs_().flatten(1)
        rank = size.argsort(dim=1, descending=True, stable=True).argsort(dim=1).reshape(images.shape)
        return torch.where(rank < self.eps, images, self.originals)

    def store(self, images: Tensor) -> Tensor:
        return torch.where(images == self.originals, images, super().store(images))

    def contains(self, images: Tensor) -> Tensor:
        return (norm(images - self.originals, 0) <= _scalar(self.eps)) & super().contains(images)


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
        return _with(bound, radius=per_sample(_scalar(bound.eps), problem.originals, "eps"))

    def react(self, point: Point) -> Self:
        gamma = cosine(self.gamma, self.final, point.progress)
        change = 1 + gamma - 2 * gamma * point.success.to(self.radius.dtype)
        return _with(self, radius=self.radius * _column(change, point.images))

    def store(self, images: Tensor) -> Tensor:
        return quantize(images, self.lattice)

    def contains(self, images: Tensor) -> Tensor:
        return Box.contains(self, images)


def _radius_before_rounding(eps: float | Tensor, problem: Problem) -> float | Tensor:
    """The radius from which rounding to the nearest leads out to ε.

    A dense perturbation gains 1/12 of a squared step in every value, in the mean; what it gains
    beyond that by chance stays under four standard deviations. Where that would take most of the
    budget, perturbations are sparse, and rounding makes them shorter.
    """
    if problem.lattice is None:
        return eps
    size = problem.originals[0].numel()
    gain = (size / 12 + 4 * (size / 180) ** 0.5) / problem.lattice**2
    eps = per_sample(_scalar(eps), problem.originals, "eps")
    return torch.where(eps.square() > 2 * gain, (eps.square() - gain).clamp_min(0).sqrt(), eps)


def _round_to_length(originals: Tensor, images: Tensor, eps: float | Tensor, lattice: int) -> Tensor:
    """The longest lattice image along x0 + t·(x − x0) that is no longer than ε, by bisection of t.

    For a direction g, rounding t·g to the nearest gives the best perturbation of its length on
    the lattice, so t is all that is to be found.
    """
    base, delta = originals * lattice, (images - originals).mul_(lattice)
    goal = _scalar(eps) * lattice
    low = 0.49 / norm(delta, torch.inf).clamp_min(1e-12)
    high = (goal + 0.5 * delta[0].numel() ** 0.5) / norm(delta).clamp_min(1e-12)

    def rounded(t: Tensor) -> Tensor:
        return torch.addcmul(base, delta, _column(t, delta)).round_().clamp_(0, lattice)

    for _ in range(_BISECTIONS):
        middle = (low * high).sqrt()
        inside = norm(rounded(middle).sub_(base)) <= goal
        low, high = torch.where(inside, middle, low), torch.where(inside, high, middle)
    return rounded(low).div_(lattice)


def _column(values: Tensor, like: Tensor) -> Tensor:
    return values.reshape(-1, *[1] * (like.ndim - 1))


def _scalar(value: float | Tensor) -> float | Tensor:
    return value.flatten() if isinstance(value, Tensor) else value


def _bind(part, problem: Problem, **fields):
    return _with(Part.prepare(part, problem), **fields)


def _with(part, **fields):
    return dataclasses.replace(part, **fields)
