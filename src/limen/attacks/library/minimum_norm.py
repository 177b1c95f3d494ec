"""The least perturbation in any Lp norm."""

from __future__ import annotations

from limen.attacks.composition import Composition
from limen.attacks.constraint import MinimumNormBall, Thresholded
from limen.attacks.direction import Normalize
from limen.attacks.factory import attack
from limen.attacks.few_values import Exchange
from limen.attacks.library.arguments import (
    ORDERS,
    Convex,
    Loss,
    Norm,
    budget,
    distance_of,
    loss_named,
    one_of,
    positive,
    share,
)
from limen.attacks.objective import HingeAndSupport, LogOddsOfMargin, Margin
from limen.attacks.primal_dual import PrimalDual
from limen.attacks.retreat import Retreat
from limen.attacks.search import InTurn, Onward, Search
from limen.attacks.update import Adam, Scale
from limen.errors import UsageError
from limen.safety import check_count


@attack()
def fmn(
    norm: Norm = "linf",
    steps: int = 1000,
    step_size: float = 1.0,
    gamma: float = 0.05,
    loss: Loss = "margin",
    retreat: int = 0,
) -> Search:
    """The fast minimum-norm attack: steps in a ball that follows how near the boundary is.

    Args:
        norm: What is made least: "l0", "l1", "l2" or "linf".
        steps: How many steps.
        step_size: The length of the first step in L2; it falls to a hundredth along a cosine.
        gamma: The share by which the ball's radius changes at the first step; at the last it is a 50th.
        loss: What is climbed.
        retreat: How many more steps undo of the nearest success what it needs least; in L0, L1 and L2.

    Source:
        Pintor, Roli, Brendel & Biggio 2021, Fast minimum-norm adversarial attacks through adaptive norm
        constraints, Algorithm 1.

    Example:
        >>> fmn(norm="l1", steps=100).name
        'fmn'
    """
    one_of("norm", norm, Norm)
    length, gamma = positive("step_size", step_size), float(positive("gamma", gamma))
    parts = Composition(
        objective=loss_named(loss),
        constraint=MinimumNormBall(order=ORDERS[norm], gamma=gamma, final=gamma / 50),
        rule=(Normalize(), Scale(length, final=length / 100)),
        steps=check_count("steps", steps),
        distance=distance_of(norm),
    )
    if check_count("retreat", retreat, least=0) == 0:
        return InTurn((parts,))
    if norm == "linf":
        raise UsageError(f"retreat is {retreat}; expected 0 in L∞, where undoing one value wins nothing")
    back = Composition(
        objective=Margin(), rule=(Retreat(ORDERS[norm]),), steps=retreat, distance=distance_of(norm)
    )
    return Onward(InTurn((parts,)), back)


@attack()
def pdpgd(
    norm: Convex = "l2", steps: int = 500, learning_rate: float = 40.0, relative: bool = True
) -> Search:
    """Primal-dual proximal gradient descent: the weight of success against length is played for.

    Args:
        norm: What is made least: "l1", "l2" or "linf".
        steps: How many steps.
        learning_rate: Adam's step length at first, in multiples of the way to the linearised boundary; it
            falls to a hundredth.
        relative: Whether lengths and their weight are relative to the way to the linearised boundary, so that
            the scale of the logits does not matter. The published attack is `relative=False` with a
            `learning_rate` of 0.1.

    Source:
        Matyasko & Chau 2021, PDPGD: primal-dual proximal gradient descent adversarial attack, Algorithm 1.

    Example:
        >>> pdpgd(norm="linf", steps=100).name
        'pdpgd'
    """
    one_of("norm", norm, Convex)
    steps = check_count("steps", steps)
    rate = float(positive("learning_rate", learning_rate))
    first = _FIRST_WEIGHT if relative else 100.0
    parts = Composition(
        objective=LogOddsOfMargin(first=_FIRST_MARGIN if relative else None),
        rule=(PrimalDual(ORDERS[norm], Adam(1.0), rate, steps, relative=relative, first=first),),
        steps=steps,
        distance=distance_of(norm),
    )
    return InTurn((parts,))


_FIRST_MARGIN = 10.0
"""The size of a sample's first logit margin, by which the others are measured."""

_FIRST_WEIGHT = 10.0
"""The first weight of success over that of length."""


@attack()
def sigma_zero(
    steps: int = 1000, learning_rate: float = 1.0, smoothing: float = 1e-3, threshold: float = 0.3
) -> Search:
    """σ-zero: the fewest values that change, by a count that can be differentiated.

    Args:
        steps: How many steps.
        learning_rate: Adam's step length at first; it falls to a tenth along a cosine.
        smoothing: σ of the count Σ δ² / (δ² + σ).
        threshold: Changes of less than this are undone after every step; it rises after a success, and else
            falls.

    Source:
        Cinà et al. 2025, σ-zero: gradient-based optimization of l0-norm adversarial examples, Algorithm 1.

    Example:
        >>> sigma_zero(steps=100).name
        'sigma_zero'
    """
    rate = float(positive("learning_rate", learning_rate))
    parts = Composition(
        objective=HingeAndSupport(float(positive("smoothing", smoothing))),
        constraint=Thresholded(first=float(budget(threshold, most=1, name="threshold")), rate=0.01 * rate),
        rule=(Normalize(float("inf")), Adam(rate), Scale(1.0, final=0.1)),
        steps=check_count("steps", steps),
        distance=distance_of("l0"),
    )
    return InTurn((parts,))


@attack()
def exchange(steps: int = 100, decay: float = 0.7) -> Search:
    """The fewest values that change, each to 0 or 1, by exchanging the least useful for the most promising.

    What rounding to 8 bits takes from other attacks in L0, it does not take from values at 0 or 1.

    Args:
        steps: How many steps.
        decay: The share of the mean of gradients, by which values are chosen, that is left after a step.

    Source:
        Papernot et al. 2016, The limitations of deep learning in adversarial settings, for values that go to
        an end of [0, 1] by their gradient; Glover 1989, Tabu search, part I, for their exchange.

    Example:
        >>> exchange(steps=50).name
        'exchange'
    """
    parts = Composition(
        objective=Margin(),
        rule=(Exchange(share("decay", decay)),),
        steps=check_count("steps", steps),
        distance=distance_of("l0"),
    )
    return InTurn((parts,))
