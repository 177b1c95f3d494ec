"""What is climbed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch
from torch import Tensor
from torch.nn.functional import softplus

from limen.attacks.constraint.boundary import to_linear_boundary
from limen.attacks.part import Problem, flat, other_logits, rows, setting
from limen.attacks.protocols import Kind, Objective, State
from limen.errors import UsageError
from limen.images import norm
from limen.structure import Saliency, density_of, passes_taken


def logit_margin(state: State) -> Tensor:
    """The logit margin (n,) of `Problem.margin`, at the state's logits."""
    return state.problem.margin(state.logits)


_TINY = 1e-6
"""A logit margin below which its size says nothing."""

_SURE = 10.0
"""The logit margin beyond which the scale of logits says no more of a model's answer."""


@dataclass(frozen=True)
class CrossEntropy(Objective):
    """The cross-entropy's direction, by the log-odds against the label; their negative for a target.

    With the log-odds m = log Σ exp(other logits) − the label's logit, the cross-entropy is log(1 + exp m),
    and its gradient σ(m)·∇m. So both have one direction everywhere; but where the model is sure, σ(m)
    is 0 in floats and the cross-entropy cannot be climbed, while ∇m never fades. Only a rule that
    heeds the gradient's length tells them apart.

    Where the logit margin is beyond ±10, and σ(m) within 5e-5 of 0 or 1, m is that of logits scaled to a
    margin of 10: greater logits would leave of all other classes only the likeliest in ∇m.

    Attributes:
        fading: Whether the cross-entropy itself is climbed, with the gradient that fades.
    """

    fading: bool = False

    def __call__(self, state: State) -> Tensor:
        labels, logits = state.problem.labels, state.logits
        if self.fading:
            scale = torch.ones_like(logits[:, :1])
        else:
            scale = (logit_margin(state).detach().abs() / _SURE).clamp_min(1)[:, None]
        own = logits.gather(1, labels[:, None])[:, 0]
        odds = (other_logits(logits, labels) / scale).logsumexp(1) * scale[:, 0] - own
        loss = softplus(odds) if self.fading else odds
        return -loss if state.problem.targeted else loss


@dataclass(frozen=True)
class Margin(Objective):
    """The logit margin, climbed up to κ and no further (Carlini & Wagner 2017, f6).

    Attributes:
        kappa: The margin at which the climb ends.
    """

    kappa: float | Tensor = setting(torch.inf)

    def __call__(self, state: State) -> Tensor:
        return logit_margin(state).clamp(max=flat(self.kappa))


@dataclass(frozen=True)
class LogOddsOfMargin(Objective):
    """−log(1 + exp(−margin)): the logit margin, which is climbed the less, the greater it is.

    Attributes:
        first: If given, margins are scaled such that each sample's first is of this size.
        scale: What they are scaled by (n,); None until the first iterate has been seen.
    """

    first: float | None = None
    scale: Tensor | None = rows()

    def update(self, state: State) -> Self:
        return replace(self, scale=self._scale(logit_margin(state)))

    def _scale(self, margin: Tensor) -> Tensor:
        if self.scale is not None:
            return self.scale
        if self.first is None:
            return torch.ones_like(margin)
        return self.first / margin.detach().abs().clamp_min(_TINY)

    def __call__(self, state: State) -> Tensor:
        margin = logit_margin(state)
        return -softplus(-margin * self._scale(margin))


@dataclass(frozen=True)
class HingeAndSupport(Objective):
    """−([−logit margin]₊ + ℓ0 / N): up to a success, with as few changed values as can be.

    ℓ0 = Σ δ² / (δ² + σ) nearly counts the values that change, and can be differentiated.

    Source:
        Cinà et al. 2025, σ-zero: gradient-based optimization of l0-norm adversarial examples, eq. 4 and 5.

    Attributes:
        smoothing: σ, the less, the nearer to a count.
    """

    smoothing: float = 1e-3

    def __call__(self, state: State) -> Tensor:
        square = (state.exact - state.problem.originals).square()
        support = (square / (square + self.smoothing)).flatten(1).mean(1)
        short = flat(state.problem.confidence) - logit_margin(state)
        return -(short.clamp_min(0) + support)


@dataclass(frozen=True)
class DistanceAndHinge(Objective):
    """−(w·‖x − x0‖² + c·[m − logit margin]₊): the Lagrangian of Carlini & Wagner (2017), Section V.

    The logit margin is that of the stored image, the distance that of the image before rounding: the
    rounded distance is flat between the lattice's values, and pulls nothing back there.

    As in the paper w is 1, and which c suffices depends on the scale of the logits and on how far the
    boundary is. If `relative`, w is found at the first iterate, such that a linear model is fooled by a c
    of 1 or more; until then it is 0, as the distance is at the original.

    Attributes:
        constant: The multiplier c.
        margin: The logit margin m at which the hinge lets go.
        squared: Whether the distance is squared.
        relative: Whether c counts in multiples of what a linear model would need.
        weight: w (n,); None until it is found, and for 1.
    """

    constant: float | Tensor = setting()
    margin: float = 0.0
    squared: bool = True
    relative: bool = False
    weight: Tensor | None = rows()

    def update(self, state: State) -> Self:
        if not self.relative or self.weight is not None:
            return self
        distance, slope = to_linear_boundary(state)
        weight = slope / flat(self.constant)
        if self.squared:
            weight = torch.where(distance > 0, weight / (2 * distance), 0)
        return replace(self, weight=weight)

    def __call__(self, state: State) -> Tensor:
        hinge = flat(self.constant) * (self.margin - logit_margin(state)).clamp_min(0)
        if self.relative and self.weight is None:
            return -hinge
        distance = norm(state.exact - state.problem.originals)
        distance = distance.square() if self.squared else distance
        return -((distance if self.weight is None else self.weight * distance) + hinge)


@dataclass(frozen=True)
class Sum(Objective):
    """Several objectives of one function each, added up.

    Attributes:
        terms: What is added.
    """

    terms: tuple[Objective, ...]

    def __post_init__(self) -> None:
        several = [type(term).__name__ for term in self.terms if term.gives != "one function"]
        if several or not self.terms:
            raise UsageError(f"a sum is of objectives of one function each, not {several or 'of none'}")

    @property
    def beside(self) -> tuple[int, int]:
        forwards, backwards = zip(*(term.beside for term in self.terms), strict=True)
        return sum(forwards), sum(backwards)

    def __call__(self, state: State) -> Tensor:
        first, *others = (term(state) for term in self.terms)
        return sum(others, first)


@dataclass(frozen=True)
class ForegroundScore(Objective):
    """λ·S(x): how much of what people would look at is foreground (Tong et al. 2020, Section 3.2).

    S is the predicted density of fixations, summed over the foreground of the original.

    Attributes:
        model: What predicts the density.
        weight: λ, a number or one per sample.
    """

    model: Saliency
    weight: float | Tensor = setting()
    mask: Tensor = rows()

    @property
    def beside(self) -> tuple[int, int]:
        return passes_taken(self.model)

    def needs_foreground(self) -> bool:
        return True

    def bind(self, problem: Problem) -> Self:
        return replace(super().bind(problem), mask=problem.foreground)

    def __call__(self, state: State) -> Tensor:
        density = density_of(self.model, state.images, state.problem.classifier)
        return flat(self.weight) * (density * self.mask[:, 0]).flatten(1).sum(1)


@dataclass(frozen=True)
class ClassMargins(Objective):
    """The logit margins (n, k) of the k classes nearest to winning (Moosavi-Dezfooli et al. 2016).

    A target has one: its own.

    Attributes:
        classes: How many classes k.
    """

    classes: int = 10
    gives: ClassVar[Kind] = "margins of classes"

    def __call__(self, state: State) -> Tensor:
        if state.problem.targeted:
            return logit_margin(state)[:, None]
        labels = state.problem.labels[:, None]
        others = other_logits(state.logits, labels[:, 0])
        count = min(self.classes, others.shape[1] - 1)
        nearest = others.topk(count, dim=1).indices
        return state.logits.gather(1, nearest) - state.logits.gather(1, labels)


@dataclass(frozen=True)
class TargetAndRest(Objective):
    """The two functions of the Jacobian saliency map (Papernot et al. 2016): (n, 2).

    The target's logit and the sum of all others; without a target, the roles change sign: the
    label's logit falls and the sum of the others rises.
    """

    gives: ClassVar[Kind] = "a target and the rest"

    def __call__(self, state: State) -> Tensor:
        own = state.logits.gather(1, state.problem.labels[:, None])[:, 0]
        rest = state.logits.sum(1) - own
        pair = torch.stack([own, rest], 1)
        return pair if state.problem.targeted else -pair
