"""Several attacks within one budget, each on the images that those before it left."""

from __future__ import annotations

from dataclasses import replace
from typing import cast, get_args

from torch import Tensor

from limen.attacks.composition import Composition
from limen.attacks.constraint import BoundedMinimumNormBall
from limen.attacks.direction import Normalize
from limen.attacks.factory import attack
from limen.attacks.library.arguments import ORDERS, budget, cost_named
from limen.attacks.library.perceptual_least import multiplied
from limen.attacks.library.square import Ball, blind
from limen.attacks.library.within import Geometry, within
from limen.attacks.objective import Margin
from limen.attacks.search import InTurn, Search
from limen.attacks.update import Scale
from limen.safety import check_count


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
    attack of the published ensemble; and random squares, which need no gradient. Of a metric, the least
    multiplier that keeps its bound is in place of the least perturbation. Squares are for L2 and L∞ alone.

    Args:
        eps: The budget, a number or one per sample.
        norm: What it is measured by: "l1", "l2", "linf", "ssim", which is 1 − SSIM, or any metric that can be
            differentiated, as in `perceptual_pgd`.
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
    eps = budget(eps, most=1) if norm in ("linf", "ssim") else budget(eps)
    steps, squares = check_count("steps", steps), check_count("squares", squares, least=0)
    tried = within(eps, norm, steps, "cross_entropy", targets=0, starts=(True,))
    tried += within(eps, norm, steps, "dlr", targets, starts=(True,))
    if isinstance(norm, str) and norm in ORDERS:
        tried += (_nearest(norm, eps, steps),)
    else:
        tried += (replace(multiplied(cost_named(norm), eps, steps), early_stop=True),)
    if squares and isinstance(norm, str) and norm in get_args(Ball):
        tried += (blind(eps, cast(Ball, norm), squares),)
    return InTurn(tried)


def _nearest(norm: str, eps: float | Tensor, steps: int) -> Composition:
    """The climb of `fmn`, in no ball larger than the budget."""
    return Composition(
        objective=Margin(),
        constraint=BoundedMinimumNormBall(order=ORDERS[norm], eps=eps),
        rule=(Normalize(), Scale(1.0, final=0.01)),
        steps=steps,
        early_stop=True,
    )
