"""What the result may be: sets of images around the original, inside [0, 1], on the lattice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from limen.attacks.protocols import Part, Point, Problem
from limen.images import norm, quantize

_SLACK = 1e-6
_BISECTIONS = 24


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

    def prepare(self, problem: Problem) -> Self:
        return _with(_bind(self, problem, lattice=problem.lattice), originals=problem.originals)

    def project(self, images: Tensor) -> Tensor:
        delta = images.sub_(self.originals)
        scale = self.eps / _column(norm(delta), delta).clamp_min(1e-12)
        if not self.exact:
            scale = scale.clamp_max(1)
        return torch.addcmul(self.originals, delta, scale, out=delta).clamp_(0, 1)

    def store(self, images: Tensor) -> Tensor:
        if self.lattice is None:
            return images.clone()
        return _round_to_length(self.originals, images, self.eps, self.lattice, stretch=self.exact)

    def contains(self, images: Tensor) -> Tensor:
        inside = norm(images - self.originals) <= _scalar(self.eps) * (1 + _SLACK) + _SLACK
        return inside & super().contains(images)

    def maximise(self, gradient: Tensor) -> Tensor:
        """The member of greatest inner product with the gradient: x0 + clip(t·g), t by bisection."""
        x = self.originals
        unit = gradient / _column(norm(gradient), gradient).clamp_min(1e-30)
        least = torch.zeros_like(unit[:, :1, :1, :1]) + self.eps
        most = least * unit[0].numel() ** 0.5 * 1e3
        for _ in range(_BISECTIONS * 2):
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

    def contains(self, images: Tensor) -> Tensor:
        return (norm(images - self.originals, 0) <= _scalar(self.eps)) & super().contains(images)


@dataclass(frozen=True)
class AdaptiveSphere(L2Ball):
    """A sphere that shrinks while the attack succeeds and grows while it fails (Rony et al. 2019, DDN).

    Attributes:
        eps: The first radius.
        gamma: The share γ by which the radius changes a step.
    """

    exact: bool = True
    gamma: float = 0.05
    best: float | Tensor = torch.inf

    def react(self, point: Point) -> Self:
        reached = norm(point.images - self.originals)
        radius = torch.where(point.success, reached * (1 - self.gamma), _scalar(self.eps) * (1 + self.gamma))
        return _with(self, eps=_column(radius, point.images))

    def contains(self, images: Tensor) -> Tensor:
        return Box.contains(self, images)


def _round_to_length(
    originals: Tensor, images: Tensor, radius: float | Tensor, lattice: int, stretch: bool
) -> Tensor:
    """The lattice image along x0 + t·(x − x0) that is as long as `radius` allows, after rounding.

    For a direction g, rounding t·g to the nearest is the best perturbation of its length on the
    lattice, so only t is to be found: rounding makes a dense perturbation longer and a sparse one
    shorter. t = 1 stands if it is inside and no stretching is asked for.
    """
    base, delta = originals * lattice, (images - originals).mul_(lattice)
    target = torch.as_tensor(radius, dtype=delta.dtype, device=delta.device) * lattice

    def length(t: float | Tensor, d: Tensor, b: Tensor) -> Tensor:
        return _column(norm((b + d * t).round_().sub_(b)), d)

    t = torch.ones_like(delta[:, :1, :1, :1])
    target = target.expand_as(t)
    off = (length(1.0, delta, base) > target) if not stretch else torch.ones_like(t, dtype=torch.bool)
    rows = off.flatten().nonzero()[:, 0]
    if len(rows):
        d, b, goal = delta[rows], base[rows], target[rows]
        t[rows] = _longest_inside(lambda s: length(s, d, b), goal, norm(d), d)
    return torch.addcmul(base, delta, t).round_().clamp_(0, lattice).div_(lattice)


def _longest_inside(length, goal: Tensor, float_length: Tensor, delta: Tensor) -> Tensor:
    size = delta[0].numel()
    low = 0.499 / delta.flatten(1).abs().amax(1).clamp_min(1e-12)
    high = (goal.flatten() + 0.5 * size**0.5) / float_length.clamp_min(1e-12)
    low, high = _column(low, delta), _column(high, delta).clamp_min(1e-12)
    for _ in range(12):
        middle = (low * high).sqrt()
        inside = length(middle) <= goal
        low, high = torch.where(inside, middle, low), torch.where(inside, high, middle)
    return low


def _column(values: Tensor, like: Tensor) -> Tensor:
    return values.reshape(-1, *[1] * (like.ndim - 1))


def _scalar(value: float | Tensor) -> float | Tensor:
    return value.flatten() if isinstance(value, Tensor) else value


def _bind(part, problem: Problem, **fields):
    return _with(Part.prepare(part, problem), **fields)


def _with(part, **fields):
    import dataclasses

    return dataclasses.replace(part, **fields)
