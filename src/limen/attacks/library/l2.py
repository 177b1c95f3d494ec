"""Attacks within an L2 budget, by the normalised gradient."""

from __future__ import annotations

from torch import Tensor

from limen.attacks.composition import Composition
from limen.attacks.constraint import L2Ball
from limen.attacks.direction import Maximize, Normalize
from limen.attacks.factory import attack
from limen.attacks.library.arguments import Loss, budget, loss_named, step_length
from limen.attacks.search import InTurn, Search
from limen.attacks.update import Scale
from limen.safety import check_count


@attack(budget="eps")
def fgm(eps: float | Tensor = 3.0, loss: Loss = "cross_entropy") -> Search:
    """One step to the point of the L2 ball, cut by [0, 1], that lies furthest along the gradient.

    What the bounds of [0, 1] take away is given to the other values, so the budget is used whole.

    Args:
        eps: The budget in L2, a number or one per sample.
        loss: What is climbed.

    Source:
        Goodfellow, Shlens & Szegedy 2015, Section 4, in L2 (Miyato, Dai & Goodfellow 2017).

    Example:
        >>> fgm(eps=2.0).name
        'fgm'
    """
    ball = L2Ball(eps=budget(eps))
    parts = Composition(objective=loss_named(loss), rule=(Maximize(),), steps=1, constraint=ball)
    return InTurn((parts,))


@attack(budget="eps")
def pgd_l2(
    eps: float | Tensor = 3.0,
    steps: int = 40,
    step_size: float | Tensor | None = None,
    exact: bool = False,
    random_start: bool = False,
    restarts: int = 1,
    loss: Loss = "cross_entropy",
    early_stop: bool = False,
) -> Search:
    """Steps of fixed L2 length along the gradient, projected to the L2 ball or sphere.

    Args:
        eps: The budget in L2, a number or one per sample.
        steps: How many steps.
        step_size: The length of a step in L2; None for 2.5 · eps / steps.
        exact: Whether every iterate has length eps exactly (Zhang et al. 2020, PGD2), where the
            bounds of [0, 1] allow it, rather than at most.
        random_start: Whether to start at a random point of the ball rather than at the original.
        restarts: How many times to try, each on the samples that have not been fooled yet.
        loss: What is climbed.
        early_stop: Whether a sample stops at its first success.

    Source:
        Madry et al. 2018, Section 2.1, in L2; Zhang et al. 2020, Smooth adversarial examples, Section 2.3.

    Example:
        >>> pgd_l2(eps=3.0, steps=40, early_stop=True).name
        'pgd_l2'
    """
    eps, steps = budget(eps), check_count("steps", steps)
    parts = Composition(
        objective=loss_named(loss),
        rule=(Normalize(), Scale(step_length(step_size, 2.5 * eps / steps))),
        steps=steps,
        constraint=L2Ball(eps=eps, exact=exact),
        random_start=random_start,
        early_stop=early_stop,
    )
    return InTurn((parts,), restarts)
