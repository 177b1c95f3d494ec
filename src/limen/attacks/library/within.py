"""Auto-PGD in each geometry: the ball, the steps in it, and the climbs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import cast

from torch import Tensor

from limen.attacks.auto_step import AutoStep, FromBest, SparseStep
from limen.attacks.best import Distance
from limen.attacks.composition import Composition
from limen.attacks.constraint import CostBall, FallingL1Ball, L1Ball, L2Ball, LinfBall, SsimBall
from limen.attacks.cost import Difference
from limen.attacks.direction import Normalize, Precondition, Sign
from limen.attacks.library.arguments import ORDERS, Loss, Measure, Norm, cost_named, distance_of, loss_named
from limen.attacks.logit_ratio import LogitRatioToward
from limen.attacks.protocols import Constraint, Objective
from limen.metrics import Metric
from limen.operators import SsimTensor
from limen.safety import check_count

Geometry = Metric | Measure | str
"""What a budget is measured by: "l1", "l2", "linf", "ssim", which is 1 − SSIM, or a metric."""


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


def in_ssim(eps: float | Tensor, steps: int) -> tuple[Constraint, FromBest]:
    """The ball, and the steps in it."""
    # 1 − SSIM grows with the square of a perturbation, so a step is measured by its root.
    step = AutoStep(2 * (2 * eps) ** 0.5, steps, direction=(Precondition(SsimTensor.at),))
    return SsimBall(eps=eps), step


def in_metric(eps: float | Tensor, steps: int, cost: Difference) -> tuple[Constraint, FromBest]:
    """The ball of a metric, and the steps in it."""
    return CostBall(cost=cost, eps=eps, overshoot=0.01), AutoStep(_LENGTH, steps, direction=(Normalize(),))


_LENGTH = 0.5
"""The first step in L2 where nobody knows how long a ball is; it is halved until it fits."""

Within = Callable[[float | Tensor, int], tuple[Constraint, FromBest]]
"""A geometry: of a budget and a number of steps the ball, and the steps in it."""

GEOMETRIES: dict[str, Within] = {"l1": in_l1, "l2": in_l2, "linf": in_linf, "ssim": in_ssim}
"""Those that have a ball and steps of their own, by name."""


def geometry_named(norm: Geometry) -> Within:
    """The geometry of a norm or a metric, by its name, or as a metric or a function of one's own."""
    if isinstance(norm, str) and norm in GEOMETRIES:
        return GEOMETRIES[norm]
    return functools.partial(in_metric, cost=cost_named(norm, "norm", GEOMETRIES))


def distance_in(norm: Geometry) -> Distance:
    """How far images are from originals in a geometry, (n,)."""
    if isinstance(norm, str) and norm in ORDERS:
        return distance_of(cast(Norm, norm))
    cost = cost_named(norm, "norm", GEOMETRIES)
    return lambda images, originals: cost.function(originals, images)


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


def within(
    eps: float | Tensor, norm: Geometry, steps: int, loss: Loss, targets: int, starts: Iterable[bool]
) -> tuple[Composition, ...]:
    """The climbs within a budget in one of the geometries, once for each start.

    Args:
        eps: The budget, a number or one per sample.
        norm: The geometry.
        steps: How many steps of each climb.
        loss: What is climbed.
        targets: Toward how many classes in turn; 0 for none.
        starts: Which of them are random, where the ball has such.
    """
    ball, step = geometry_named(norm)(eps, steps)
    random = (start and ball.can_be_sampled for start in starts)
    return tuple(parts for start in random for parts in climbs(ball, step, loss, targets, start))
