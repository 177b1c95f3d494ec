"""Several attacks within one budget, each on the images that those before it left."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from limen.attacks.auto_step import AutoStep, FromBest
from limen.attacks.composition import Composition
from limen.attacks.constraint import BoundedMinimumNormBall, SsimBall
from limen.attacks.direction import Normalize, Precondition
from limen.attacks.factory import attack
from limen.attacks.library.arguments import ORDERS, budget, one_of
from limen.attacks.library.auto_pgd import climbs, in_l1, in_l2, in_linf
from limen.attacks.library.square import blind
from limen.attacks.objective import Margin
from limen.attacks.protocols import Constraint
from limen.attacks.search import InTurn, Search
from limen.attacks.update import Scale
from limen.operators import SsimTensor
from limen.safety import check_count

Geometry = Literal["l1", "l2", "linf", "ssim"]
"""What a budget is measured by; "ssim" is 1 − SSIM."""


@attack(budget="eps")
def autoattack(
    eps: float | Tensor = 8 / 255,
    norm: Geometry = "linf",
    steps: int = 100,
    targets: int = 9,
    squares: int = 5000,
) -> Search:
    """An ensemble without parameters to choose: what withstands it is likely to withstand more.

    In turn, each on the images that have not been fooled yet: Auto-PGD of the log-odds; Auto-PGD of the ratio
    of logits toward each of the likeliest other classes; the least perturbation, in place of the boundary
    attack of the published ensemble; and random squares, which need no gradient. The last two are for norms,
    and squares for L2 and L∞ alone.

    Args:
        eps: The budget, a number or one per sample.
        norm: What it is measured by: "l1", "l2", "linf", or "ssim", which is 1 − SSIM.
        steps: How many steps each climb has.
        targets: How many of the likeliest other classes are climbed to.
        squares: How many squares are tried; 0 for none.

    Source:
        Croce & Hein 2020, Reliable evaluation of adversarial robustness with an ensemble of diverse
        parameter-free attacks, Section 5; Pintor et al. 2021 for the least perturbation.

    Example:
        >>> autoattack(eps=0.5, norm="l2").name
        'autoattack'
    """
    one_of("norm", norm, Geometry)
    eps, steps = budget(eps, most=1) if norm in ("linf", "ssim") else budget(eps), check_count("steps", steps)
    targets, squares = check_count("targets", targets), check_count("squares", squares, least=0)
    ball, step = _in(norm, eps, steps)
    starts = norm != "ssim"
    tried = climbs(ball, step, "cross_entropy", 0, starts) + climbs(ball, step, "dlr", targets, starts)
    if norm != "ssim":
        tried += (_nearest(norm, eps, steps),)
    if squares and (norm == "l2" or norm == "linf"):
        tried += (blind(eps, norm, squares),)
    return InTurn(tried)


def _in(norm: Geometry, eps: float | Tensor, steps: int) -> tuple[Constraint, FromBest]:
    if norm == "ssim":
        # 1 − SSIM grows with the square of a perturbation, so a step is measured by its root.
        step = AutoStep(2 * (2 * eps) ** 0.5, steps, direction=(Precondition(SsimTensor.at),))
        return SsimBall(eps=eps), step
    return {"l1": in_l1, "l2": in_l2, "linf": in_linf}[norm](eps, steps)


def _nearest(norm: Geometry, eps: float | Tensor, steps: int) -> Composition:
    """The climb of `fmn`, in no ball larger than the budget."""
    return Composition(
        objective=Margin(),
        constraint=BoundedMinimumNormBall(order=ORDERS[norm], eps=eps),
        rule=(Normalize(), Scale(1.0, final=0.01)),
        steps=steps,
        early_stop=True,
    )
