"""Attacks within an L∞ budget, by the sign of the gradient."""

from __future__ import annotations

from torch import Tensor

from limen.attacks.composition import Composition
from limen.attacks.constraint import LinfBall
from limen.attacks.direction import Maximize, Normalize, Sign
from limen.attacks.factory import attack
from limen.attacks.library.arguments import (
    Loss,
    budget,
    loss_named,
    positive,
    step_length,
)
from limen.attacks.search import InTurn, Search
from limen.attacks.update import Momentum, Scale
from limen.safety import check_count


@attack(budget="eps")
def fgsm(eps: float | Tensor = 8 / 255, loss: Loss = "cross_entropy") -> Search:
    """One step to the corner of the L∞ ball that the gradient points to.

    Args:
        eps: The budget in L∞, a number or one per sample.
        loss: What is climbed.

    Source:
        Goodfellow, Shlens & Szegedy 2015, Explaining and harnessing adversarial examples, Section 4.

    Example:
        >>> fgsm(eps=4 / 255).name
        'fgsm'
    """
    ball = LinfBall(eps=budget(eps, most=1))
    parts = Composition(objective=loss_named(loss), rule=(Maximize(),), steps=1, constraint=ball)
    return InTurn((parts,))


@attack(budget="eps")
def ifgsm(
    eps: float | Tensor = 8 / 255,
    steps: int = 10,
    step_size: float | Tensor | None = None,
    loss: Loss = "cross_entropy",
    early_stop: bool = False,
) -> Search:
    """Signed steps from the original, projected to the L∞ ball.

    Args:
        eps: The budget in L∞, a number or one per sample.
        steps: How many steps.
        step_size: The length of a step in L∞; None for eps / steps, which just reaches the budget.
        loss: What is climbed.
        early_stop: Whether a sample stops at its first success, with the perturbation it has then.

    Source:
        Kurakin, Goodfellow & Bengio 2017, Adversarial examples in the physical world, Section 2.2.

    Example:
        >>> ifgsm(eps=4 / 255, steps=5).name
        'ifgsm'
    """
    eps, steps = budget(eps, most=1), check_count("steps", steps)
    parts = Composition(
        objective=loss_named(loss),
        rule=(Sign(), Scale(step_length(step_size, eps / steps))),
        steps=steps,
        constraint=LinfBall(eps=eps),
        early_stop=early_stop,
    )
    return InTurn((parts,))


@attack(budget="eps")
def mifgsm(
    eps: float | Tensor = 8 / 255,
    steps: int = 10,
    step_size: float | Tensor | None = None,
    decay: float = 1.0,
    loss: Loss = "cross_entropy",
    early_stop: bool = False,
) -> Search:
    """Signed steps along a running sum of gradients of unit L1 norm.

    Args:
        eps: The budget in L∞, a number or one per sample.
        steps: How many steps.
        step_size: The length of a step in L∞; None for eps / steps.
        decay: The momentum μ.
        loss: What is climbed.
        early_stop: Whether a sample stops at its first success.

    Source:
        Dong et al. 2018, Boosting adversarial attacks with momentum, Algorithm 1.

    Example:
        >>> mifgsm(eps=4 / 255, decay=0.9).name
        'mifgsm'
    """
    eps, steps = budget(eps, most=1), check_count("steps", steps)
    momentum = Momentum(decay=positive("decay", decay, zero=True))
    parts = Composition(
        objective=loss_named(loss),
        rule=(Normalize(1), momentum, Sign(), Scale(step_length(step_size, eps / steps))),
        steps=steps,
        constraint=LinfBall(eps=eps),
        early_stop=early_stop,
    )
    return InTurn((parts,))


@attack(budget="eps")
def pgd_linf(
    eps: float | Tensor = 8 / 255,
    steps: int = 40,
    step_size: float | Tensor | None = None,
    random_start: bool = True,
    restarts: int = 1,
    loss: Loss = "cross_entropy",
    early_stop: bool = False,
) -> Search:
    """Signed steps from a random point of the L∞ ball, projected to the ball.

    Args:
        eps: The budget in L∞, a number or one per sample.
        steps: How many steps.
        step_size: The length of a step in L∞; None for 2.5 · eps / steps.
        random_start: Whether to start at a random point of the ball rather than at the original.
        restarts: How many times to try, each on the samples that have not been fooled yet.
        loss: What is climbed.
        early_stop: Whether a sample stops at its first success.

    Source:
        Madry et al. 2018, Towards deep learning models resistant to adversarial attacks, Section 2.1.

    Example:
        >>> pgd_linf(eps=4 / 255, steps=10).name
        'pgd_linf'
    """
    eps, steps = budget(eps, most=1), check_count("steps", steps)
    parts = Composition(
        objective=loss_named(loss),
        rule=(Sign(), Scale(step_length(step_size, 2.5 * eps / steps))),
        steps=steps,
        constraint=LinfBall(eps=eps),
        random_start=random_start,
        early_stop=early_stop,
    )
    return InTurn((parts,), restarts)
