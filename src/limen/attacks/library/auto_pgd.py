"""Auto-PGD: steps within a budget whose length nobody has to choose."""

from __future__ import annotations

import functools

from torch import Tensor

from limen.attacks.factory import attack
from limen.attacks.library.arguments import Loss, budget, positive
from limen.attacks.library.within import Geometry, climbs, distance_in, in_l1, in_l2, in_linf, within
from limen.attacks.search import InTurn, LeastBudget, Search
from limen.errors import UsageError
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


@attack(kept=["search_steps"])
def minimal_apgd(
    norm: Geometry = "l2",
    steps: int = 20,
    search_steps: int = 10,
    eps: float | Tensor | None = None,
    loss: Loss = "dlr",
    targets: int = 0,
    onward: bool = True,
    restarts: int = 1,
) -> Search:
    """The least budget within which Auto-PGD succeeds, by bisection for each image.

    Each budget after the first success is tried from the nearest success so far, put into the smaller ball,
    which takes few steps; `onward=False` starts each anew, as published tables of least distances do.

    Args:
        norm: What is made least: "l1", "l2", "linf", "ssim", which is 1 − SSIM, or any metric that can be
            differentiated.
        steps: How many steps each budget is tried by at most.
        search_steps: How many budgets are tried at most.
        eps: The budget that is tried first, a number or one per sample; not a bound. None for one that suits
            the norm.
        loss: What is climbed.
        targets: Toward how many of the likeliest other classes each budget is tried in turn; 0 for none.
        onward: Whether a climb goes on from the nearest success so far, rather than from a random start.
        restarts: How many times each budget is tried at most; after the first time from a random start, which
            may find a boundary that is nearer than the one that `onward` follows.

    Source:
        Croce & Hein 2020, Reliable evaluation of adversarial robustness with an ensemble of diverse
        parameter-free attacks, Algorithm 1, in a bisection as by Cinà et al. 2025, AttackBench, Section 4.

    Example:
        >>> minimal_apgd(norm="linf", search_steps=8).name
        'minimal_apgd'
    """
    distance = distance_in(norm)
    usual = FIRST.get(norm, _FIRST) if isinstance(norm, str) else _FIRST
    first = usual if eps is None else positive("eps", eps)
    at = functools.partial(
        within,
        norm=norm,
        steps=check_count("steps", steps),
        loss=loss,
        targets=targets,
        starts=(not onward, *[True] * (check_count("restarts", restarts) - 1)),
    )
    tried = at(first)  # so that a wrong loss is refused now
    if restarts > 1 and not tried[0].constraint.can_be_sampled:
        raise UsageError(
            f"restarts is {restarts}; expected 1, as no start can be drawn from the ball of {norm}"
        )
    return LeastBudget(at, distance, first, check_count("search_steps", search_steps), onward)


FIRST: dict[str, float] = {"l1": 4.0, "l2": 0.25, "linf": 2 / 255}
"""The budget that is tried first in each norm."""

_FIRST = 1e-3
"""That of a metric."""
