"""Auto-PGD: steps within a budget whose length nobody has to choose."""

from __future__ import annotations

from torch import Tensor

from limen.attacks.auto_step import AutoStep, FromBest, SparseStep
from limen.attacks.composition import Composition
from limen.attacks.constraint import FallingL1Ball, L1Ball, L2Ball, LinfBall
from limen.attacks.direction import Normalize, Sign
from limen.attacks.factory import attack
from limen.attacks.library.arguments import Loss, budget, loss_named
from limen.attacks.logit_ratio import LogitRatioToward
from limen.attacks.protocols import Constraint, Objective
from limen.attacks.search import InTurn, Search
from limen.safety import check_count


@attack(budget="eps")
def apgd_linf(
    eps: float | Tensor = 8 / 255,
    steps: int = 100,
    loss: Loss = "cross_entropy",
    targets: int = 0,
    random_start: bool = True,
    restarts: int = 1,
    early_stop: bool = False,
) -> Search:
    """Auto-PGD in L∞: momentum, and steps from 2ε on that are halved where the climb does not go on.

    Args:
        eps: The budget in L∞, a number or one per sample.
        steps: How many steps.
        loss: What is climbed; "dlr" is the ratio of logit differences, which their scale does not change.
        targets: If more than 0, the ratio is climbed toward so many of the likeliest other classes in turn,
            each on the samples that have not been fooled yet; `loss` then says nothing.
        random_start: Whether to start at a random point of the ball rather than at the original.
        restarts: How many times to try, each on the samples that have not been fooled yet.
        early_stop: Whether a sample stops at its first success.

    Source:
        Croce & Hein 2020, Reliable evaluation of adversarial robustness with an ensemble of diverse
        parameter-free attacks, Algorithm 1.

    Example:
        >>> apgd_linf(eps=4 / 255, loss="dlr").name
        'apgd_linf'
    """
    ball, step = in_linf(budget(eps, most=1), check_count("steps", steps))
    return InTurn(climbs(ball, step, loss, targets, random_start, early_stop), restarts)


@attack(budget="eps")
def apgd_l2(
    eps: float | Tensor = 3.0,
    steps: int = 100,
    loss: Loss = "cross_entropy",
    targets: int = 0,
    random_start: bool = True,
    restarts: int = 1,
    early_stop: bool = False,
) -> Search:
    """Auto-PGD in L2; arguments as in `apgd_linf`.

    Args:
        eps: The budget in L2, a number or one per sample.
        steps: How many steps.
        loss: What is climbed.
        targets: Toward how many classes in turn; 0 for none.
        random_start: Whether to start at a random point of the ball rather than at the original.
        restarts: How many times to try.
        early_stop: Whether a sample stops at its first success.

    Source:
        Croce & Hein 2020, Reliable evaluation of adversarial robustness with an ensemble of diverse
        parameter-free attacks, Algorithm 1.

    Example:
        >>> apgd_l2(eps=2.0, targets=9).name
        'apgd_l2'
    """
    ball, step = in_l2(budget(eps), check_count("steps", steps))
    return InTurn(climbs(ball, step, loss, targets, random_start, early_stop), restarts)


@attack(budget="eps")
def apgd_l1(
    eps: float | Tensor = 12.0,
    steps: int = 100,
    loss: Loss = "cross_entropy",
    targets: int = 0,
    larger_first: bool = True,
    random_start: bool = True,
    restarts: int = 1,
    early_stop: bool = False,
) -> Search:
    """Auto-PGD in L1: each step changes the few values that count most; arguments as in `apgd_linf`.

    Args:
        eps: The budget in L1, a number or one per sample.
        steps: How many steps.
        loss: What is climbed.
        targets: Toward how many classes in turn; 0 for none.
        larger_first: Whether the ball is three times as large for 30 % of the steps, and twice for another
            30; only what lies within ε counts as a success.
        random_start: Whether to start at a random point of the ball rather than at the original.
        restarts: How many times to try.
        early_stop: Whether a sample stops at its first success.

    Source:
        Croce & Hein 2021, Mind the box: l1-APGD for sparse adversarial attacks on image classifiers,
        Algorithm 1 and Section 3.2.

    Example:
        >>> apgd_l1(eps=10.0).name
        'apgd_l1'
    """
    ball, step = in_l1(budget(eps), check_count("steps", steps), larger_first)
    return InTurn(climbs(ball, step, loss, targets, random_start, early_stop), restarts)


def in_linf(eps: float | Tensor, steps: int) -> tuple[Constraint, FromBest]:
    """The ball, and the steps in it."""
    return LinfBall(eps=eps), AutoStep(2 * eps, steps, direction=(Sign(),))


def in_l2(eps: float | Tensor, steps: int) -> tuple[Constraint, FromBest]:
    """The ball, and the steps in it."""
    return L2Ball(eps=eps), AutoStep(2 * eps, steps, direction=(Normalize(),))


def in_l1(eps: float | Tensor, steps: int, larger_first: bool = True) -> tuple[Constraint, FromBest]:
    """The ball, and the steps in it."""
    ball = FallingL1Ball(eps=eps) if larger_first else L1Ball(eps=eps)
    phases = ball.factors[1:] if isinstance(ball, FallingL1Ball) else ()
    return ball, SparseStep(eps, steps, begins=tuple(_first_step(share, steps) for share, _ in phases))


def _first_step(share: float, steps: int) -> int:
    """The first of the steps at which that share of them has been made."""
    return next(step for step in range(steps + 1) if step / steps >= share)


def climbs(
    ball: Constraint,
    step: FromBest,
    loss: Loss,
    targets: int,
    random_start: bool = True,
    early_stop: bool = True,
) -> tuple[Composition, ...]:
    """A climb of the loss, or one of the ratio of logits toward each of so many classes."""
    ranks = range(1, check_count("targets", targets, least=0) + 1)
    objectives: tuple[Objective, ...] = tuple(LogitRatioToward(rank) for rank in ranks)
    return tuple(
        Composition(
            objective=objective,
            constraint=ball,
            rule=(step,),
            steps=step.steps,
            random_start=random_start,
            early_stop=early_stop,
        )
        for objective in objectives or (loss_named(loss),)
    )
