"""Attacks that only ask the model, and take no gradient of it."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from limen.attacks.composition import Composition
from limen.attacks.constraint import L2Ball, LinfBall
from limen.attacks.factory import attack
from limen.attacks.library.arguments import Loss, budget, loss_named, one_of, positive
from limen.attacks.random_squares import L2Squares, LinfSquares
from limen.attacks.search import InTurn, Search
from limen.errors import UsageError
from limen.safety import check_count

Ball = Literal["l2", "linf"]


@attack(budget="eps")
def square(
    eps: float | Tensor = 8 / 255,
    norm: Ball = "linf",
    steps: int = 5000,
    area: float = 0.8,
    loss: Loss = "margin",
) -> Search:
    """Random squares that are kept where they help: no gradient is needed, so none can be hidden.

    Where it finds more than attacks with gradients do, these are masked.

    Args:
        eps: The budget in the norm, a number or one per sample.
        norm: What the budget is measured by: "linf" or "l2".
        steps: How many squares are tried, each by one forward pass.
        area: The share of the image that a square has at first.
        loss: What is climbed.

    Source:
        Andriushchenko, Croce, Flammarion & Hein 2020, Square attack: a query-efficient black-box adversarial
        attack via random search, Algorithms 1 to 3.

    Example:
        >>> square(eps=4 / 255, steps=500).name
        'square'
    """
    one_of("norm", norm, Ball)
    if float(positive("area", area)) > 1:
        raise UsageError(f"area is {area}; expected a share of the image, up to 1")
    eps, steps = budget(eps, most=1) if norm == "linf" else budget(eps), check_count("steps", steps)
    return InTurn((blind(eps, norm, steps, area, loss),))


def blind(
    eps: float | Tensor, norm: Ball, steps: int, area: float = 0.8, loss: Loss = "margin"
) -> Composition:
    """The climb of `square`; arguments as there."""
    linf = norm == "linf"
    return Composition(
        objective=loss_named(loss),
        constraint=LinfBall(eps=eps) if linf else L2Ball(eps=eps),
        rule=(LinfSquares(eps, steps, area) if linf else L2Squares(eps, steps, area),),
        steps=steps,
        early_stop=True,
    )
