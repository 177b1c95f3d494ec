"""The least perturbation in any Lp norm by steps onto linearised boundaries."""

from __future__ import annotations

from limen.attacks.adaptive_boundary import AdaptiveBoundary
from limen.attacks.composition import Composition
from limen.attacks.constraint import SameReach
from limen.attacks.factory import attack
from limen.attacks.library.arguments import ORDERS, Convex, distance_of, one_of, positive, share
from limen.attacks.objective import ClassMargins
from limen.attacks.search import InTurn, Search
from limen.safety import check_count


@attack()
def fab(
    norm: Convex = "linf",
    steps: int = 100,
    classes: int = 10,
    bias: float = 0.1,
    overshoot: float = 0.05,
    back: float = 0.9,
) -> Search:
    """The fast adaptive boundary attack: onto the nearest linearised boundary, and drawn to the original.

    Args:
        norm: What is made least: "l1", "l2" or "linf".
        steps: How many steps; one is onto a boundary, or back from a success.
        classes: How many of the highest other classes are considered; each costs a backward pass.
        bias: The greatest share α of the original's projection in a step.
        overshoot: The share by which every step goes beyond its boundary, η less 1.
        back: The share β of its perturbation that is left of a success.

    Source:
        Croce & Hein 2020, Minimally distorted adversarial examples with a fast adaptive boundary attack,
        Algorithm 1, from the original and without the final search.

    Example:
        >>> fab(norm="l2", steps=20).name
        'fab'
    """
    one_of("norm", norm, Convex)
    rule = AdaptiveBoundary(
        ORDERS[norm],
        bias=share("bias", bias),
        overshoot=float(positive("overshoot", overshoot, zero=True)),
        back=share("back", back),
    )
    parts = Composition(
        objective=ClassMargins(check_count("classes", classes)),
        constraint=SameReach(),
        rule=(rule,),
        steps=check_count("steps", steps),
        distance=distance_of(norm),
    )
    return InTurn((parts,))
