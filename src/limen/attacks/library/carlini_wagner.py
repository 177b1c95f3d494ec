"""The least L2 perturbation by a Lagrangian, over a search of its multiplier."""

from __future__ import annotations

from limen.attacks.composition import Composition
from limen.attacks.factory import attack
from limen.attacks.library.arguments import l2_distance, positive
from limen.attacks.objective import DistanceAndHinge
from limen.attacks.perturbation import Additive, SigmoidBox
from limen.attacks.protocols import Perturbation
from limen.attacks.search import MultiplierSearch, Search
from limen.attacks.update import Adam, FirstToUnit, Scale, ShareToBoundary
from limen.safety import check_count


@attack()
def carlini_wagner_l2(
    steps: int = 100,
    search_steps: int = 9,
    learning_rate: float | None = None,
    final_rate: float = 0.05,
    initial_constant: float | None = None,
    margin: float = 0.0,
    patience: float | None = None,
) -> Search:
    """Least L2 distance plus a hinge on the logit margin, by Adam.

    Args:
        steps: Steps in each climb.
        search_steps: How many multipliers are tried.
        learning_rate: Adam's step length in the variables of a sigmoid, as in the paper; None for steps of
            the image itself, as long as the margin around each image asks for.
        final_rate: The share of the step length that is left at the last step, reached along a
            cosine; 1 keeps it.
        initial_constant: The first multiplier c of the hinge, which depends on the scale of the logits;
            None for one that the margin around each image asks for.
        margin: The logit margin at which the hinge lets go.
        patience: A sample ends a climb when its objective has not improved by 0.01 % over this
            share of the steps; None to go on.

    Source:
        Carlini & Wagner 2017, Towards evaluating the robustness of neural networks, Section VI-A.
        Zhang et al. 2020, Smooth adversarial examples, Section 5.1, has learning_rate 0.1,
        final_rate 1, initial_constant 100 and patience 0.1; docs/attacks.md compares. A sigmoid is flat at
        0 and 1, where black and white values could not leave; so the image itself is moved, clipped.

    Example:
        >>> carlini_wagner_l2(steps=50, search_steps=4).name
        'carlini_wagner_l2'
    """
    return least_distance(
        Additive(()) if learning_rate is None else SigmoidBox(),
        steps,
        search_steps,
        learning_rate,
        final_rate,
        initial_constant,
        margin,
        patience,
    )


_CONSTANT = 3.0
"""The first multiplier, where it counts in what a linear model would need: networks bend away."""

_SHARE = 1.0
"""How far the first step goes, of the way to the linearised boundary."""


def least_distance(
    perturbation: Perturbation,
    steps: int,
    search_steps: int,
    learning_rate: float | None,
    final_rate: float,
    initial_constant: float | None,
    margin: float,
    patience: float | None,
    squared: bool = True,
) -> MultiplierSearch:
    """Carlini & Wagner's search for the least perturbation of a kind; arguments as in `carlini_wagner_l2`."""
    relative = initial_constant is None
    objective = DistanceAndHinge(
        constant=_CONSTANT if initial_constant is None else positive("initial_constant", initial_constant),
        margin=float(positive("margin", margin, zero=True)),
        squared=squared,
        relative=relative,
    )
    final = positive("final_rate", final_rate)
    lengths = (
        (FirstToUnit(), Adam(learning_rate=1.0), ShareToBoundary(_SHARE))
        if learning_rate is None
        else (Adam(learning_rate=positive("learning_rate", learning_rate)),)
    )
    parts = Composition(
        objective=objective,
        perturbation=perturbation,
        rule=(*lengths, Scale(1.0, final=final)),
        steps=check_count("steps", steps),
        patience=None if patience is None else float(positive("patience", patience)),
        distance=l2_distance,
    )
    return MultiplierSearch(parts, check_count("search_steps", search_steps))
