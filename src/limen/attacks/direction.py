"""What is steepest, in which norm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

import torch
from torch import Tensor

from limen.attacks.cost import Cost
from limen.attacks.guided import Guided
from limen.attacks.part import Problem, flat, may_hold, rows, setting
from limen.attacks.protocols import Kind, State, Transform
from limen.images import column, dot, norm, quantize
from limen.operators import Operator, Preconditioner, conjugate_gradient

_GROWTH = 4.0
"""By which factor λ changes while all that were tried are too small, or all are too great."""

_FAINT = 1e-15
"""A length of gradients below which squares of float32 fade."""


def _of_length(move: Tensor, order: float = 2) -> tuple[Tensor, Tensor]:
    """Moves with their lengths (n,); those too faint to have one are brought to a largest value of 1."""
    length = norm(move, order)
    if may_hold(length < _FAINT):
        largest = norm(move, torch.inf).clamp_min(torch.finfo(move.dtype).tiny)
        factor = torch.where(length < _FAINT, largest, 1)
        move = move.div_(column(factor, move.ndim))
        length = norm(move, order)
    return move, length.clamp_min(torch.finfo(move.dtype).tiny)


@dataclass(frozen=True)
class Sign(Transform):
    """Steepest in L∞: the sign of every value."""

    any_variables: ClassVar[bool] = True

    def __call__(self, move: Tensor, state: State) -> tuple[Tensor, Self]:
        return move.sign_(), self


@dataclass(frozen=True)
class Normalize(Transform):
    """Unit length in an Lp norm; L2 makes it the steepest direction there. A zero stays zero.

    Attributes:
        order: The p of the norm.
    """

    order: float = 2
    any_variables: ClassVar[bool] = True

    def __call__(self, move: Tensor, state: State) -> tuple[Tensor, Self]:
        move, length = _of_length(move, self.order)
        return move.div_(column(length, move.ndim)), self


@dataclass(frozen=True)
class UnitChange(Transform):
    """A move whose perturbation has unit L2 length in the image, whatever the variables are."""

    any_variables: ClassVar[bool] = True
    needs_additive: ClassVar[bool] = True

    def __call__(self, move: Tensor, state: State) -> tuple[Tensor, Self]:
        move, _ = _of_length(move)
        length = column(norm(state.perturbation.spread(move)))
        return move.div_(length.clamp_min(torch.finfo(move.dtype).tiny)), self


@dataclass(frozen=True)
class Maximize(Transform):
    """To the member of the constraint with the greatest inner product with the gradient."""

    needs_maximiser: ClassVar[bool] = True

    def __call__(self, move: Tensor, state: State) -> tuple[Tensor, Self]:
        return state.constraint.maximise(_of_length(move)[0]).sub_(state.exact), self


@dataclass(frozen=True)
class Precondition(Transform):
    """Steepest in the norm of a symmetric positive operator A: A⁻¹g, of length 1 in √(uᵀAu).

    Attributes:
        operator: Makes A of the originals.
        exact: Whether A⁻¹ is solved for by conjugate gradients, for images alone; if not, A's diagonal
            stands for it, for whatever makes a perturbation.
        tolerance: The relative residual at which a solution counts.
        iterations: How many products with A a step may take for it.
    """

    operator: Callable[[Tensor], Operator]
    exact: bool = False
    tolerance: float = 1e-2
    iterations: int = 100
    metric: Operator = rows()
    inverse: Preconditioner = rows()
    diagonal: Tensor = rows()
    needs_diagonal: ClassVar[bool] = True

    @property
    def needs_image(self) -> bool:
        return self.exact

    def bind(self, problem: Problem) -> Self:
        metric = self.operator(problem.originals)
        if self.exact:
            return replace(self, metric=metric, inverse=metric.preconditioner())
        return replace(self, diagonal=metric.diagonal())

    def __call__(self, move: Tensor, state: State) -> tuple[Tensor, Self]:
        tiny = torch.finfo(move.dtype).tiny
        # Its length does not matter, and its squares must not underflow.
        gradient = move / column(norm(move, torch.inf)).clamp_min(tiny)
        if self.exact:
            solution = conjugate_gradient(
                self.metric, gradient, self.inverse, self.tolerance, self.iterations
            )
            direction = solution.values
        else:
            direction = gradient / state.perturbation.pulled(self.diagonal).clamp_min(tiny)
        length = dot(gradient, direction).clamp_min_(tiny).sqrt_()
        return direction.div_(column(length)), self


@dataclass(frozen=True)
class SmoothGradient(Guided, Transform):
    """The gradient, smooth as the original is: ŝ(g) (Zhang et al. 2020, eq. 12)."""

    def __call__(self, move: Tensor, state: State) -> tuple[Tensor, Self]:
        return self.smoother(move), self


@dataclass(frozen=True)
class SmoothTotal(Guided, Transform):
    """To the whole perturbation after the move, made smooth as the original is: x0 + ŝ(x + move − x0)."""

    def __call__(self, move: Tensor, state: State) -> tuple[Tensor, Self]:
        delta = state.exact - state.problem.originals
        return self.smoother(move.add_(delta)).sub_(delta), self


@dataclass(frozen=True)
class Penalize(Transform):
    """Up what is climbed and down a cost at once: g − λ·∇c (Hua et al., Algorithm 3.1).

    Attributes:
        cost: c.
        weight: λ, a number or one per sample.
        relative: Whether λ is `weight`·‖g‖/‖∇c‖, of each sample and step, so that its size says the same of
            every cost; 0 where ∇c is 0.
    """

    cost: Cost
    weight: float | Tensor = setting()
    relative: bool = False
    any_variables: ClassVar[bool] = True

    def __call__(self, move: Tensor, state: State) -> tuple[Tensor, Self]:
        _, slope = self.cost.slope(state)
        if self.relative:
            length = norm(slope)
            slope.mul_(column(torch.where(length > 0, norm(move) / length, 0)))
        return move.sub_(slope.mul_(self.weight)), self


@dataclass(frozen=True)
class PenalizeToBound(Transform):
    """Along g − λ·∇c, with the least λ of each sample's own at which c ≤ ε, by bisection of its logarithm.

    The maximum of ℓ − λ·c costs the less, the greater λ is, and where it costs ε it is the maximum of ℓ
    within c ≤ ε. λ is 0 until c exceeds ε; at such a maximum it is ‖g‖ / ‖∇c‖, and so begins as that. After
    each round it is greater where c exceeds ε, and less where it does not.

    What begins at the first iterate outside is read off there as if c were quadratic. So is how far the bound
    is from the original: no step is longer, as none would tell on which side of the bound a λ leads.

    Attributes:
        cost: c.
        eps: ε, a number or one per sample.
        steps: How many steps a round has.
        step_size: The length of a step in L2, a number or one per sample; it falls to a tenth in each round,
            and over all of them.
    """

    cost: Cost
    eps: float | Tensor = setting()
    steps: int = 5
    step_size: float | Tensor = setting(0.5)
    weight: Tensor = rows()
    low: Tensor = rows()
    high: Tensor = rows()
    reach: Tensor = rows()
    step: int = field(default=0, kw_only=True)

    def bind(self, problem: Problem) -> Self:
        zero = problem.originals.new_zeros(len(problem.originals))
        infinite = torch.full_like(zero, torch.inf)
        return replace(super().bind(problem), weight=zero, low=zero, high=infinite, reach=infinite)

    def __call__(self, move: Tensor, state: State) -> tuple[Tensor, Self]:
        costs, slope = self.cost.slope(state)
        outside, tiny = costs > flat(self.eps), torch.finfo(move.dtype).tiny
        begins, nearer = outside & (self.weight == 0), (flat(self.eps) / costs.clamp_min(tiny)).sqrt()
        weight = torch.where(begins, norm(move) / (norm(slope) * nearer).clamp_min(tiny), self.weight)
        distance = norm(state.exact - state.problem.originals)
        reach = torch.where(begins, nearer * distance, self.reach)
        move.sub_(slope.mul_(column(weight)))
        share = 0.1 ** (state.progress + self.step % self.steps / self.steps)
        length = share * reach.clamp_max(flat(self.step_size)) / norm(move).clamp_min(tiny)
        onward = replace(self, weight=weight, reach=reach, step=self.step + 1)
        return move.mul_(column(length)), onward if onward.step % self.steps else onward._bisected(outside)

    def _bisected(self, outside: Tensor) -> Self:
        """With the next λ between the greatest that was too small and the least that was not."""
        low = torch.where(outside, self.low.maximum(self.weight), self.low)
        high = torch.where(outside | (self.weight == 0), self.high, self.high.minimum(self.weight))
        middle = torch.where(high.isinf(), _GROWTH * low, (low * high).sqrt())
        middle = torch.where((low == 0) & ~high.isinf(), high / _GROWTH, middle)
        return replace(self, weight=middle, low=low, high=high)


@dataclass(frozen=True)
class Descend(Transform):
    """Down a cost, whatever is climbed: −∇c.

    Attributes:
        cost: c.
    """

    cost: Cost
    any_variables: ClassVar[bool] = True

    def __call__(self, move: Tensor, state: State) -> tuple[Tensor, Self]:
        _, slope = self.cost.slope(state)
        return torch.neg(slope, out=move), self


@dataclass(frozen=True)
class NearestBoundary(Transform):
    """To the nearest of the k linearised boundaries (Moosavi-Dezfooli et al. 2016, Algorithm 2).

    Takes the gradients (n, k, …) of k logit margins and gives one move (n, …). Values at their end of
    [0, 1] are left out: they cannot help, and would make the boundary seem nearer than it is.
    """

    takes: ClassVar[Kind] = "margins of classes"

    def __call__(self, move: Tensor, state: State) -> tuple[Tensor, Self]:
        images = state.images[:, None]
        move = move.masked_fill_(((move > 0) & (images >= 1)) | ((move < 0) & (images <= 0)), 0)
        # Squares of faint gradients must not underflow.
        largest = norm(move, torch.inf).clamp_min(torch.finfo(move.dtype).tiny)
        move = move.div_(column(largest, move.ndim))
        lengths = torch.linalg.vector_norm(move.flatten(2), dim=2)
        gaps = (state.values.abs() / largest[:, None]).clamp_max(1e30)
        nearest = (gaps / lengths.clamp_min(1e-12)).masked_fill(lengths == 0, torch.inf).argmin(1)
        rows = torch.arange(len(move), device=move.device)
        gap, length = gaps[rows, nearest], lengths[rows, nearest]
        factor = torch.where(length > 0, gap / length.square().clamp_min(1e-24), 0)
        return move[rows, nearest] * column(factor), self


@dataclass(frozen=True)
class TopSaliency(Transform):
    """The one value of greatest saliency, up or down (Papernot et al. 2016, eq. 8, single feature).

    Takes the gradients (n, 2, …) of the target and of the rest. A value counts if it raises the
    target and lowers the rest, in either direction of change; one already changed since the original was
    stored, or already at its end of [0, 1], does not.
    """

    takes: ClassVar[Kind] = "a target and the rest"

    def __call__(self, move: Tensor, state: State) -> tuple[Tensor, Self]:
        # Products of small derivatives must not underflow.
        move = move / column(norm(move, torch.inf).clamp_min(torch.finfo(move.dtype).tiny), move.ndim)
        target, rest = move[:, 0], move[:, 1]
        images, stored = state.images, quantize(state.problem.originals, state.problem.lattice)
        room = torch.where(target > 0, images < 1, images > 0) & (images == stored)
        saliency = (target * rest).neg_().masked_fill_(~room, 0).flatten(1)
        best, index = saliency.max(1)
        chosen = torch.zeros_like(saliency).scatter_(1, index[:, None], (best > 0).to(move.dtype)[:, None])
        return target.sign() * chosen.reshape(images.shape), self
