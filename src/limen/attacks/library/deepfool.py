"""The least L2 perturbation by steps to linearised boundaries."""

from __future__ import annotations

from limen.attacks.composition import Composition
from limen.attacks.constraint import SameReach
from limen.attacks.direction import NearestBoundary
from limen.attacks.factory import attack
from limen.attacks.library.arguments import positive
from limen.attacks.objective import ClassMargins
from limen.attacks.search import InTurn, Search
from limen.attacks.update import Scale
from limen.safety import check_count


@attack()
def deepfool(steps: int = 50, classes: int = 10, overshoot: float = 0.02) -> Search:
    """Steps to the nearest of the linearised class boundaries, until one is crossed.

    Args:
        steps: How many steps at most.
        classes: How many of the highest other classes are considered; each costs a backward pass.
        overshoot: The share by which every step goes beyond its boundary.

    Source:
        Moosavi-Dezfooli, Fawzi & Frossard 2016, DeepFool, Algorithm 2.

    Example:
        >>> deepfool(classes=5).name
        'deepfool'
    """
    parts = Composition(
        objective=ClassMargins(check_count("classes", classes)),
        rule=(NearestBoundary(), Scale(1 + positive("overshoot", overshoot, zero=True))),
        steps=check_count("steps", steps),
        constraint=SameReach(),
        early_stop=True,
    )
    return InTurn((parts,))
