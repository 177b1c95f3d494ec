"""Any metric as a bound, any metric as what is made least, and the change that people would notice least."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from torch import Tensor

from limen.attacks.best import Distance
from limen.attacks.composition import Composition
from limen.attacks.constraint import AdaptiveSphere, CostBall, ShrinkingBall, SoftBall
from limen.attacks.cost import Cost
from limen.attacks.direction import Normalize, PenalizeToBound, Precondition
from limen.attacks.factory import attack
from limen.attacks.library.arguments import (
    Loss,
    Measure,
    budget,
    cost_named,
    loss_named,
    one_of,
    positive,
)
from limen.attacks.objective import CrossEntropy, Margin
from limen.attacks.search import InTurn, Search
from limen.attacks.update import Scale, ShareOfRadius
from limen.metrics import Metric, mad
from limen.metrics.moments import BLOCK
from limen.metrics.visibility_tensor import VisibilityTensor
from limen.safety import check_count

Method = Literal["projection", "multiplier"]
"""How a bound is kept: by going back to it after each step, or by what the metric weighs beside the loss."""


@attack(budget="eps")
def perceptual_pgd(
    eps: float | Tensor = 1e-3,
    metric: Metric | Measure | str = "ssim",
    steps: int = 40,
    step_size: float | Tensor = 0.5,
    confidence: float | Tensor = 0.0,
    loss: Loss = "cross_entropy",
    early_stop: bool = False,
    method: Method = "projection",
    rounds: int = 8,
) -> Search:
    """The greatest loss within a bound on any metric, which every stored image keeps.

    By `projection`, each step goes up the loss, and then down the metric until the bound holds: by Newton's
    method, or else toward the original by bisection. By `multiplier`, it goes up ℓ − λ·c, with a λ of each
    sample's own that is bisected to the least at which the bound holds; iterates may leave it, but count as a
    success only inside, and the last is put there.

    Args:
        eps: The bound, a number or one per sample, in the metric's own unit: of one that is 1 for equal
            images, such as SSIM, of 1 less its value.
        metric: Any metric that can be differentiated, as in `perceptual_gradient`.
        steps: How many steps; by `multiplier`, of each round.
        step_size: The length of the first step in L2; it falls to a hundredth along a cosine. By `multiplier`
            it falls to a tenth in each round and over all, and no step is longer than the bound is far.
        confidence: The logit margin that a success must exceed, a number or one per sample.
        loss: What is climbed.
        early_stop: Whether a sample stops at its first success.
        method: How the bound is kept.
        rounds: How many values of λ are tried by `multiplier`, each from where the one before has led.

    Source:
        Hua et al., eq. 3.1 to 3.3: the λ of their Algorithm 3.1 is the multiplier of a bound.

    Example:
        >>> perceptual_pgd(metric="ciede2000", eps=0.05).name
        'perceptual_pgd'
    """
    one_of("method", method, Method)
    cost, eps, steps = cost_named(metric), budget(eps), check_count("steps", steps)
    rounds, length = check_count("rounds", rounds), positive("step_size", step_size)
    if method == "multiplier":
        parts = multiplied(cost, eps, steps * rounds, rounds, length)
    else:
        parts = Composition(
            objective=CrossEntropy(),
            constraint=CostBall(cost=cost, eps=eps, overshoot=0.01),
            rule=(Normalize(), Scale(length, final=length / 100)),
            steps=steps,
        )
    confidence = positive("confidence", confidence, zero=True)
    parts = replace(parts, objective=loss_named(loss), early_stop=early_stop, confidence=confidence)
    return InTurn((parts,))


def multiplied(
    cost: Cost, eps: float | Tensor, steps: int, rounds: int = 8, length: float | Tensor = 0.5
) -> Composition:
    """The climb of `perceptual_pgd` by its multiplier, of so many steps in all."""
    return Composition(
        objective=CrossEntropy(),
        constraint=SoftBall(cost=cost, eps=eps, overshoot=0.01, until=(steps - 1) / steps),
        rule=(PenalizeToBound(cost, eps, max(steps // rounds, 1), length),),
        steps=steps,
    )


@attack()
def perceptual_ddn(
    metric: Metric | Measure | str = "ssim",
    steps: int = 100,
    gamma: float = 0.2,
    step_size: float = 0.5,
    confidence: float | Tensor = 0.0,
    loss: Loss = "margin",
) -> Search:
    """The least of any metric: steps in a ball of it that shrinks after a success and grows after a failure.

    Args:
        metric: What is made least: any metric that can be differentiated, as in `perceptual_gradient`.
        steps: How many steps.
        gamma: The share by which the ball's radius changes at the first step; at the last it is a tenth.
        step_size: The length of the first step in L2; it falls to a hundredth along a cosine.
        confidence: The logit margin that a success must exceed, a number or one per sample.
        loss: What is climbed.

    Source:
        Rony et al. 2019, Decoupling direction and norm, Algorithm 1, with a metric in place of the norm.

    Example:
        >>> perceptual_ddn(metric="ciede2000", steps=50).name
        'perceptual_ddn'
    """
    length, gamma = positive("step_size", step_size), float(positive("gamma", gamma))
    cost = cost_named(metric)
    parts = Composition(
        objective=loss_named(loss),
        constraint=ShrinkingBall(cost=cost, gamma=gamma, final=gamma / 10, overshoot=0.0),
        rule=(Normalize(), Scale(length, final=length / 100)),
        steps=check_count("steps", steps),
        confidence=positive("confidence", confidence, zero=True),
        distance=_measured(cost.function),
    )
    return InTurn((parts,))


@attack()
def least_noticed(
    steps: int = 100,
    confidence: float | Tensor = 0.0,
    gamma: float = 0.2,
    step_size: float = 0.5,
    iterations: int = 6,
    colour: float = 0.05,
) -> Search:
    """The change that people would notice least: natural steps in the geometry of what an image hides.

    Length is a quadratic form of MAD's detection stage (`VisibilityTensor`): changes are cheap where the
    image is busy, and in frequencies that the eye hardly sees. Of the successes, that of least MAD is kept
    and, as MAD is 0 below the threshold of vision, of these that of least length. Images with a side under 16
    pixels, the side of MAD's blocks, have length alone.

    Args:
        steps: How many steps.
        confidence: The logit margin that a success must exceed, a number or one per sample.
        gamma: The share by which the ellipsoid's radius changes at the first step; it falls to 1.5 % of that.
        step_size: The length of a step as a share of the radius, at first; it falls to a 25th.
        iterations: How many of conjugate gradients solve for a direction.
        colour: What changes of colour, and those too fine to be seen, cost beside those of lightness, which
            alone MAD looks at.

    Source:
        Larson & Chandler 2010, Most apparent distortion, Section 3.1, for what is seen; Rony et al. 2019,
        Algorithm 1, for the schedule.

    Example:
        >>> least_noticed(confidence=5).name
        'least_noticed'
    """
    gamma, share = float(positive("gamma", gamma)), float(positive("step_size", step_size))
    tensor = functools.partial(VisibilityTensor.at, colour=float(positive("colour", colour)))
    iterations = check_count("iterations", iterations)
    parts = Composition(
        objective=Margin(),
        constraint=AdaptiveSphere(gamma=gamma, final=gamma / 64, operator=tensor),
        rule=(
            Precondition(tensor, exact=True, tolerance=1e-2, iterations=iterations),
            ShareOfRadius(share, final=share / 25),
        ),
        steps=check_count("steps", steps),
        confidence=positive("confidence", confidence, zero=True),
        distance=_noticed(tensor),
    )
    return InTurn((parts,))


def _measured(function: Measure) -> Distance:
    return lambda images, originals: function(originals, images)


_FINER = 1e-4
"""What length counts beside MAD, to decide between images of equal MAD."""


def _noticed(tensor: Callable[[Tensor], VisibilityTensor]) -> Distance:
    def distance(images: Tensor, originals: Tensor) -> Tensor:
        length = tensor(originals).energy(images - originals).sqrt()
        return _FINER * length + (mad(originals, images) if min(images.shape[2:]) >= BLOCK else 0)

    return distance
