"""Attacks that look for the least L2 perturbation that succeeds."""

from __future__ import annotations

from torch import Tensor

from limen.attacks.direction import NearestBoundary, Normalize
from limen.attacks.factory import attack
from limen.attacks.feasible import AdaptiveSphere, SameReach
from limen.attacks.library.arguments import Loss, count, loss_named, positive
from limen.attacks.loop import Composition
from limen.attacks.objective import DistanceAndHinge, Leads
from limen.attacks.perturbation import SigmoidBox
from limen.attacks.protocols import Perturbation
from limen.attacks.search import InTurn, MultiplierSearch, Search
from limen.attacks.update import Adam, Scale
from limen.images import norm


def l2_distance(images: Tensor, originals: Tensor) -> Tensor:
    """‖x − x0‖₂ (n,)."""
    return norm(images - originals)


@attack()
def carlini_wagner_l2(
    steps: int = 100,
    search_steps: int = 9,
    learning_rate: float = 0.01,
    final_rate: float = 0.05,
    initial_constant: float = 0.1,
    margin: float = 0.0,
    patience: float | None = 0.25,
) -> Search:
    """Least L2 distance plus a hinge on the lead, by Adam in a sigmoid box, over a search of the multiplier.

    Args:
        steps: Steps in each climb.
        search_steps: How many multipliers are tried.
        learning_rate: Adam's step length, in the variables of the sigmoid.
        final_rate: The share of the learning rate that is left at the last step, reached along a
            cosine; 1 keeps it.
        initial_constant: The first multiplier c of the hinge.
        margin: The lead in logits at which the hinge lets go.
        patience: A sample ends a climb when its objective has not improved by 0.01 % over this
            share of the steps; None to go on.

    Source:
        Carlini & Wagner 2017, Towards evaluating the robustness of neural networks, Section VI-A.
        Zhang et al. 2020, Smooth adversarial examples, Section 5.1, has learning_rate 0.1,
        final_rate 1, initial_constant 100 and patience 0.1; docs/attacks.md compares.

    Example:
        >>> carlini_wagner_l2(steps=50, search_steps=4).name
        'carlini_wagner_l2'
    """
    return least_distance(
        SigmoidBox(), steps, search_steps, learning_rate, final_rate, initial_constant, margin, patience
    )


def least_distance(
    perturbation: Perturbation,
    steps: int,
    search_steps: int,
    learning_rate: float,
    final_rate: float,
    initial_constant: float,
    margin: float,
    patience: float | None,
    squared: bool = True,
) -> MultiplierSearch:
    """Carlini & Wagner's search for the least perturbation of a kind; arguments as in `carlini_wagner_l2`."""
    objective = DistanceAndHinge(
        constant=positive("initial_constant", initial_constant),
        margin=float(positive("margin", margin, zero=True)),
        squared=squared,
    )
    rate, final = positive("learning_rate", learning_rate), positive("final_rate", final_rate)
    parts = Composition(
        objective=objective,
        perturbation=perturbation,
        rule=(Adam(learning_rate=rate), Scale(1.0, final=final)),
        steps=count("steps", steps),
        patience=None if patience is None else float(positive("patience", patience)),
        distance=l2_distance,
    )
    return MultiplierSearch(parts, count("search_steps", search_steps))


@attack()
def ddn(
    steps: int = 100,
    eps: float | Tensor = 1.0,
    gamma: float = 0.1,
    step_size: float = 1.0,
    loss: Loss = "margin",
) -> Search:
    """Normalised steps on a sphere whose radius falls after a success and grows after a failure.

    The radius changes by less and less, along a cosine as the step length does, and the lead is
    climbed rather than the cross-entropy: both find smaller perturbations than the published
    settings (gamma fixed at 0.05, loss="cross_entropy"), as docs/attacks.md shows.

    Args:
        steps: How many steps.
        eps: The first radius in L2, a number or one a sample; not a bound.
        gamma: The share by which the radius changes at the first step; at the last it is a tenth.
        step_size: The length of the first step; it falls to a hundredth.
        loss: What is climbed.

    Source:
        Rony et al. 2019, Decoupling direction and norm, Algorithm 1, with the lattice inside the
        loop as there.

    Example:
        >>> ddn(steps=50).name
        'ddn'
    """
    length, gamma = positive("step_size", step_size), float(positive("gamma", gamma))
    parts = Composition(
        objective=loss_named(loss),
        feasible=AdaptiveSphere(eps=positive("eps", eps), gamma=gamma, final=gamma / 10),
        rule=(Normalize(), Scale(length, final=length / 100)),
        steps=count("steps", steps),
        distance=l2_distance,
    )
    return InTurn((parts,))


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
        objective=Leads(count("classes", classes)),
        rule=(NearestBoundary(), Scale(1 + positive("overshoot", overshoot, zero=True))),
        steps=count("steps", steps),
        feasible=SameReach(),
        early_stop=True,
    )
    return InTurn((parts,))
