"""Attacks along the natural gradient of SSIM: steepest where 1 − SSIM is the measure of length."""

from __future__ import annotations

import functools
from typing import Literal

from torch import Tensor

from limen.attacks.composition import Composition
from limen.attacks.constraint import AdaptiveSphere, L2Ball, SsimBall
from limen.attacks.direction import Normalize, Precondition
from limen.attacks.factory import attack
from limen.attacks.library.arguments import Loss, budget, loss_named, one_of, positive, step_length
from limen.attacks.objective import Margin
from limen.attacks.search import InTurn, Search
from limen.attacks.update import Scale, ShareOfRadius
from limen.metrics import dissimilarity
from limen.operators import SsimTensor
from limen.operators.ssim_tensor import Border, border_weight
from limen.safety import check_count

Measure = Literal["l2", "ssim"]
Solver = Literal["diagonal", "conjugate_gradient"]

_ITERATIONS = 6
"""For an attack of many steps: what further ones add to a direction, its next step adds anyway."""


@attack(budget="eps")
def ssim_step(
    eps: float | Tensor = 3.0,
    measure: Measure = "l2",
    solver: Solver = "conjugate_gradient",
    border: Border = "reflect",
    tolerance: float = 1e-3,
    loss: Loss = "cross_entropy",
) -> Search:
    """One step along H⁻¹g, H the metric tensor of SSIM at the image.

    Args:
        eps: The budget, a number or one per sample: the step's length in L2, or its 1 − SSIM.
        measure: What the budget counts: "l2" (the paper), or "ssim".
        solver: Whether H⁻¹g is solved for, or H's diagonal stands for it.
        border: How much windows count that hang over the image's border, from 0 ("valid", SSIM
            itself, for which the border is nearly free and takes the perturbation) to 1 ("reflect").
        tolerance: The relative residual of the solution.
        loss: What is climbed.

    Source:
        Hua et al., Section 3.1, eq. 3.4, with the sign that ascends. The paper builds H densely, for MNIST;
        `limen.operators.SsimTensor` applies it at any size.

    Example:
        >>> ssim_step(eps=1e-4, measure="ssim").name
        'ssim_step'
    """
    eps = budget(eps)
    one_of("measure", measure, Measure)
    direction = _natural(solver, border, float(positive("tolerance", tolerance, zero=True)), iterations=500)
    parts = Composition(
        objective=loss_named(loss),
        rule=(direction, Normalize(), Scale(eps)) if measure == "l2" else (direction, Scale(_length(eps))),
        steps=1,
        constraint=L2Ball(eps=eps) if measure == "l2" else SsimBall(eps=eps, border=border),
    )
    return InTurn((parts,))


@attack(budget="eps")
def ssim_pgd(
    eps: float | Tensor = 2e-2,
    steps: int = 40,
    step_size: float | Tensor | None = None,
    solver: Solver = "diagonal",
    border: Border = "reflect",
    loss: Loss = "cross_entropy",
    early_stop: bool = False,
) -> Search:
    """Natural-gradient ascent: steps along H⁻¹g, H the metric tensor of SSIM, within 1 − SSIM ≤ ε.

    The budget holds for `limen.metrics.ssim` of the image that is stored.

    Args:
        eps: The budget in 1 − SSIM, a number or one per sample.
        steps: How many steps.
        step_size: The length of a step in √(2·(1 − SSIM)); None for 2.5 · √(2·eps) / steps.
        solver: Whether H⁻¹g is solved for, or H's diagonal stands for it, for nothing. It finds as
            much where few levels of 8 bits are enough; where it takes many, solving finds far less.
        border: How much windows count that hang over the image's border, from 0 ("valid", SSIM
            itself, for which the border is nearly free and takes the perturbation) to 1 ("reflect").
        loss: What is climbed.
        early_stop: Whether a sample stops at its first success.

    Source:
        Hua et al., Section 3.1, eq. 3.4, iterated; Amari 1998, Natural gradient works efficiently
        in learning, Section 2.

    Example:
        >>> ssim_pgd(eps=1e-4, steps=20, early_stop=True).name
        'ssim_pgd'
    """
    eps, steps = budget(eps), check_count("steps", steps)
    parts = Composition(
        objective=loss_named(loss),
        rule=(_natural(solver, border), Scale(step_length(step_size, 2.5 * _length(eps) / steps))),
        steps=steps,
        constraint=SsimBall(eps=eps, border=border),
        early_stop=early_stop,
    )
    return InTurn((parts,))


@attack()
def ssim_ddn(
    steps: int = 100,
    gamma: float = 0.2,
    step_size: float = 0.5,
    solver: Solver = "diagonal",
    border: Border = "reflect",
) -> Search:
    """The least 1 − SSIM: steps along H⁻¹g on an ellipsoid that shrinks after a success, else grows.

    The direction-and-norm schedule of `ddn` in the geometry of SSIM. The first step goes to the
    linearised boundary and sets the ellipsoid's size; later ones are a falling share of it.

    Args:
        steps: How many steps.
        gamma: The share by which the ellipsoid's radius changes at the first step; it falls to 1.5 %
            of that.
        step_size: The length of a step as a share of the radius, at first; it falls to a 25th.
        solver: Whether H⁻¹g is solved for, or H's diagonal stands for it, for nothing. It finds as
            much where few levels of 8 bits are enough; where it takes many, solving finds far less.
        border: How much windows count that hang over the image's border, from 0 ("valid", SSIM
            itself, for which the border is nearly free and takes the perturbation) to 1 ("reflect").

    Source:
        Rony et al. 2019, Decoupling direction and norm, Algorithm 1, with the metric of Hua et al.,
        eq. 3.4.

    Example:
        >>> ssim_ddn(steps=50).name
        'ssim_ddn'
    """
    gamma, share = float(positive("gamma", gamma)), float(positive("step_size", step_size))
    direction = _natural(solver, border)
    sphere = AdaptiveSphere(gamma=gamma, final=gamma / 64, operator=direction.operator)
    parts = Composition(
        objective=Margin(),
        constraint=sphere,
        rule=(direction, ShareOfRadius(share, final=share / 25)),
        steps=check_count("steps", steps),
        distance=dissimilarity,
    )
    return InTurn((parts,))


def _natural(
    solver: Solver, border: Border, tolerance: float = 1e-2, iterations: int = _ITERATIONS
) -> Precondition:
    one_of("solver", solver, Solver)
    tensor = functools.partial(SsimTensor.at, border=border_weight(border))
    exact = solver == "conjugate_gradient"
    return Precondition(tensor, exact=exact, tolerance=tolerance, iterations=iterations)


def _length(cost: float | Tensor) -> float | Tensor:
    """The length √(δᵀHδ) of a perturbation of this 1 − SSIM, to second order."""
    return (2 * cost) ** 0.5
