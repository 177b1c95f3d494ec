"""Attacks in the geometry of structural similarity."""

from __future__ import annotations

from torch import Tensor

from limen.attacks.composition import Composition
from limen.attacks.constraint import S2Ball
from limen.attacks.direction import Maximize
from limen.attacks.factory import attack
from limen.attacks.library.arguments import budget, positive
from limen.attacks.objective import Margin
from limen.attacks.search import InTurn, Search
from limen.attacks.update import Scale
from limen.safety import check_count


@attack(budget="eps")
def pgap(
    eps: float | Tensor = 0.002,
    steps: int = 50,
    recenter: bool = True,
    box: bool = True,
    per_channel: bool = False,
    kappa: float | Tensor = 50.0,
    early_stop: bool = True,
) -> Search:
    """Steps to the image of the same mean and S2 ≥ 1 − ε² that lies furthest along the gradient.

    S2 is the contrast and structure factor of SSIM, over the whole image. The paper solves each step as a
    quadratically constrained programme, which it calls too slow for ImageNet; here it is exact and
    as quick as the closed form of `fpgap`.

    Args:
        eps: The budget ε of a step, a number or one per sample, less than 1. T steps spend at most
            T · ε in √(1 − S2).
        steps: How many steps.
        recenter: Whether the budget is counted anew from the image of each step, as in the paper. If
            not, ε bounds the whole attack, on the stored image, and the steps shorten.
        box: Whether a step heeds [0, 1]. If not, it is the closed form of eq. 9 without the
            bounds, brought to the nearest image of its set that lies in them.
        per_channel: Whether mean and S2 are those of every channel by itself.
        kappa: The logit margin κ at which the climb ends.
        early_stop: Whether a sample stops at its first success.

    Source:
        Pochimireddy, Siripuram & Channappayya, Can perceptual guidance lead to semantically
        explainable adversarial perturbations?, Algorithm 1 and eq. 9; docs/ssim-geometry.md mends k21.

    Example:
        >>> pgap(eps=0.001).name
        'pgap'
    """
    ball = S2Ball(eps=budget(eps), recenter=recenter, box=box, per_channel=per_channel)
    return _perceptually_guided("pgap", ball, steps, kappa, early_stop)


@attack(budget="eps")
def fpgap(
    eps: float | Tensor = 0.002,
    steps: int = 50,
    recenter: bool = True,
    box: bool = True,
    per_channel: bool = False,
    kappa: float | Tensor = 50.0,
    early_stop: bool = True,
) -> Search:
    """`pgap` without the constraint on the mean: the gradient is taken as it is, not as it varies.

    What the mean drifts is taken from the budget, so S2 ≥ 1 − ε² holds all the same.

    Args:
        eps: The budget ε of a step, a number or one per sample, less than 1.
        steps: How many steps.
        recenter: Whether the budget is counted anew from the image of each step, as in the paper. If
            not, ε bounds the whole attack, on the stored image, and the steps shorten.
        box: Whether a step heeds [0, 1]. If not, it is eq. 10 to the letter, brought to the
            nearest image of its set that lies in them.
        per_channel: Whether S2 is that of every channel by itself.
        kappa: The logit margin κ at which the climb ends.
        early_stop: Whether a sample stops at its first success.

    Source:
        Pochimireddy, Siripuram & Channappayya, Can perceptual guidance lead to semantically
        explainable adversarial perturbations?, Algorithm 2 and eq. 10; docs/ssim-geometry.md mends k21.

    Example:
        >>> fpgap(eps=0.001).name
        'fpgap'
    """
    ball = S2Ball(eps=budget(eps), recenter=recenter, mean=False, box=box, per_channel=per_channel)
    return _perceptually_guided("fpgap", ball, steps, kappa, early_stop)


def _perceptually_guided(
    name: str, ball: S2Ball, steps: int, kappa: float | Tensor, early_stop: bool
) -> Search:
    # In one ball, steps to its ends would go to and fro between them: they shorten, as Frank and Wolfe's do.
    shorten = () if ball.recenter else (Scale(1.0, final=0.0),)
    parts = Composition(
        objective=Margin(kappa=positive("kappa", kappa)),
        rule=(Maximize(), *shorten),
        steps=check_count("steps", steps),
        constraint=ball,
        early_stop=early_stop,
    )
    return InTurn((parts,))
