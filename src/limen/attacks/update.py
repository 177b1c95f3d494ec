"""How steps add up."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar, Self, cast

import torch
from torch import Tensor

from limen.attacks.constraint.boundary import to_linear_boundary
from limen.attacks.constraint.regions import Regions
from limen.attacks.part import flat, rows, setting
from limen.attacks.protocols import Constraint, State, Transform, follow
from limen.attacks.schedule import cosine
from limen.images import column, dot, norm


@dataclass(frozen=True)
class Scale(Transform):
    """A step length, fixed or falling along a cosine.

    Attributes:
        step_size: The length, a number or one per sample.
        final: The length at the last step, reached along a half cosine; None keeps it fixed.
        rms: Whether lengths are root mean squares over the values of the image.
    """

    step_size: float | Tensor = setting()
    final: float | Tensor | None = setting(None)
    rms: bool = False
    any_variables: ClassVar[bool] = True

    def __call__(self, move: Tensor, state: State) -> tuple[Tensor, Self]:
        if self.rms:
            move.mul_(state.exact[0].numel() ** 0.5)
        if self.final is None:
            return move.mul_(self.step_size), self
        return move.mul_(cosine(self.step_size, self.final, state.progress)), self


@dataclass(frozen=True)
class PerRegion(Transform):
    """A rule for the foreground and another for the background, each of its own part of a gradient.

    Attributes:
        foreground: The rule of the foreground, which sees the foreground's constraint.
        background: That of the background.
    """

    foreground: tuple[Transform, ...]
    background: tuple[Transform, ...]
    any_variables: ClassVar[bool] = True
    needs_regions: ClassVar[bool] = True

    def rules(self, constraint: Constraint) -> Iterable[tuple[tuple[Transform, ...], Constraint]]:
        regions = cast(Regions, constraint)
        return (self.foreground, regions.foreground), (self.background, regions.background)

    def __call__(self, move: Tensor, state: State) -> tuple[Tensor, Self]:
        regions = cast(Regions, state.constraint)
        mask = state.perturbation.of_region(regions.mask)
        of_front, of_back = (
            replace(state, constraint=part) for part in (regions.foreground, regions.background)
        )
        front, foreground = follow(self.foreground, move * mask, of_front)
        back, background = follow(self.background, move * ~mask, of_back)
        successor = replace(self, foreground=foreground, background=background)
        return torch.where(mask, front, back), successor


@dataclass(frozen=True)
class BySuccess(Transform):
    """A rule for the samples whose iterate is no success, and another for those whose is.

    Attributes:
        failing: The rule of the former.
        succeeding: That of the latter.
    """

    failing: tuple[Transform, ...]
    succeeding: tuple[Transform, ...]
    any_variables: ClassVar[bool] = True

    def rules(self, constraint: Constraint) -> Iterable[tuple[tuple[Transform, ...], Constraint]]:
        return (self.failing, constraint), (self.succeeding, constraint)

    def __call__(self, move: Tensor, state: State) -> tuple[Tensor, Self]:
        # Both for all samples, so that what a rule remembers does not depend on who else succeeds.
        onward, failing = follow(self.failing, move.clone(), state)
        back, succeeding = follow(self.succeeding, move, state)
        successor = replace(self, failing=failing, succeeding=succeeding)
        return torch.where(column(state.success), back, onward), successor


@dataclass(frozen=True)
class ShareOfRadius(Transform):
    """A direction of unit length, as a share of the constraint's radius that falls along a cosine.

    The first step, before the sphere has a radius, goes to the linearised boundary: to where the
    objective would be 0, or the confidence, were it linear. So no length needs to be guessed, whatever the
    geometry.

    Attributes:
        share: The share at the first step.
        final: The share at the last.
    """

    share: float | Tensor = setting()
    final: float | Tensor = setting()
    needs_radius: ClassVar[bool] = True

    def __call__(self, move: Tensor, state: State) -> tuple[Tensor, Self]:
        rise, most = dot(state.gradient, move), torch.finfo(move.dtype).max
        gap = (flat(state.problem.confidence) - state.values).clamp_min(0)
        # Without a gradient there is no way, however far.
        boundary = column((gap / rise).clamp_max(most).where(rise > 0, 0))
        length = state.constraint.radius * cosine(self.share, self.final, state.progress)
        return move.mul_(torch.where(length.isinf(), boundary, length)), self


@dataclass(frozen=True)
class FirstToUnit(Transform):
    """Gradients scaled alike, such that the largest value of the first is 1: Adam's ε heeds their size.

    Attributes:
        scale: What they are divided by (n,).
    """

    scale: Tensor = rows()
    any_variables: ClassVar[bool] = True

    def __call__(self, move: Tensor, state: State) -> tuple[Tensor, Self]:
        first = norm(move, torch.inf) if self.scale is None else self.scale
        return move.div_(column(torch.where(first > 0, first, 1), move.ndim)), replace(self, scale=first)


@dataclass(frozen=True)
class ShareToBoundary(Transform):
    """Moves scaled such that the first changes the image by a share of the way to the linearised boundary.

    So no length needs to be guessed, whatever the image, the variables and the scale of the logits.

    Attributes:
        share: The share, a number or one per sample.
        scale: What moves are scaled by (n,).
    """

    share: float | Tensor = setting()
    scale: Tensor = rows()
    any_variables: ClassVar[bool] = True

    def __call__(self, move: Tensor, state: State) -> tuple[Tensor, Self]:
        scale = self.scale
        if scale is None:
            length = norm(state.perturbation.change(state.variables, move))
            tiny = torch.finfo(move.dtype).tiny
            scale = flat(self.share) * to_linear_boundary(state)[0] / length.clamp_min(tiny)
        return move.mul_(column(scale, move.ndim)), replace(self, scale=scale)


@dataclass(frozen=True)
class Momentum(Transform):
    """m ← μ·m + move (Dong et al. 2018, eq. 6).

    Attributes:
        decay: μ.
    """

    decay: float | Tensor = setting(1.0)
    sum: Tensor | None = rows()
    any_variables: ClassVar[bool] = True

    def __call__(self, move: Tensor, state: State) -> tuple[Tensor, Self]:
        total = move.clone() if self.sum is None else torch.mul(self.sum, self.decay).add_(move)
        return move.copy_(total), replace(self, sum=total)


@dataclass(frozen=True)
class Adam(Transform):
    """Adam's step (Kingma & Ba 2015), uphill.

    Attributes:
        learning_rate: The step length, a number or one per sample.
        betas: The decay of the two moments.
    """

    learning_rate: float | Tensor = setting(0.01)
    betas: tuple[float, float] = (0.9, 0.999)
    first: Tensor = rows()
    second: Tensor = rows()
    step: int = 0
    any_variables: ClassVar[bool] = True

    def __call__(self, move: Tensor, state: State) -> tuple[Tensor, Self]:
        (decay1, decay2), step = self.betas, self.step + 1
        first = torch.zeros_like(move) if self.first is None else self.first
        second = torch.zeros_like(move) if self.second is None else self.second
        first = torch.lerp(first, move, 1 - decay1)
        second = torch.mul(second, decay2).addcmul_(move, move, value=1 - decay2)
        after = replace(self, first=first, second=second, step=step)
        torch.div(first, after.spread(), out=move).mul_(self.learning_rate / (1 - decay1**step))
        return move, after

    def spread(self) -> Tensor:
        """The root of the second moment (n, …), by which the last step was divided."""
        return torch.sqrt(self.second).mul_(1 / math.sqrt(1 - self.betas[1] ** self.step)).add_(1e-8)
