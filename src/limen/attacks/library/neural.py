"""Attacks within a distance that a network's features measure: neural perceptual threat models."""

from __future__ import annotations

from torch import Tensor

from limen.attacks.composition import Composition
from limen.attacks.constraint import CostBall, SoftBall
from limen.attacks.direction import Normalize
from limen.attacks.factory import attack
from limen.attacks.features import Features
from limen.attacks.library.arguments import budget, features_named, positive, step_length
from limen.attacks.objective import Margin
from limen.attacks.search import InTurn, Search
from limen.attacks.steps_in_features import FeatureLength, PenalizeExcess, SteepestInFeatures
from limen.safety import check_count


@attack(budget="eps")
def ppgd(
    eps: float | Tensor = 0.5,
    steps: int = 40,
    network: Features | str = "self",
    step_size: float | Tensor | None = None,
    iterations: int = 5,
    kappa: float = 1.0,
    random_start: bool = True,
    early_stop: bool = False,
) -> Search:
    """Perceptual PGD: steps that are steepest in a network's features, within a distance of the features.

    Args:
        eps: The greatest distance ‖φ(x) − φ(x0)‖, a number or one per sample; the stored image keeps it.
        steps: How many steps.
        network: Whose features: "self", the classifier's own; "alexnet", "vgg" or "squeezenet", trained on
            ImageNet, whose weights `limen.weights` finds; or a function of images (n, C, H, W) that gives a
            list of feature maps. The passes that features of the classifier take count as its passes.
        step_size: How far a step changes the features, to first order; None for 2 · eps / steps.
        iterations: How many iterations of conjugate gradients a step takes.
        kappa: The logit margin at which the climb ends.
        random_start: Whether to start from a little noise, as the distance has no direction at the original.
        early_stop: Whether a sample stops at its first success.

    Source:
        Laidlaw, Singla & Feizi 2021, Perceptual adversarial robustness, Algorithm 1 and Appendix A; numbers
        as in its program. Its bisection and its conjugate gradients act on whole batches; here each sample's
        bound holds.

    Example:
        >>> ppgd(eps=0.25, steps=20).name
        'ppgd'
    """
    cost, steps, eps = features_named(network), check_count("steps", steps), budget(eps)
    length = FeatureLength(cost, step_length(step_size, 2 * eps / steps))
    parts = Composition(
        objective=Margin(kappa=positive("kappa", kappa)),
        constraint=CostBall(cost=cost, eps=eps, overshoot=_OVERSHOOT),
        rule=(SteepestInFeatures(cost, check_count("iterations", iterations)), Normalize(), length),
        steps=steps,
        random_start=random_start,
        early_stop=early_stop,
    )
    return InTurn((parts,))


@attack(budget="eps")
def lpa(
    eps: float | Tensor = 0.5,
    steps: int = 40,
    rounds: int = 5,
    network: Features | str = "self",
    fast: bool = False,
    kappa: float = 1.0,
    random_start: bool = True,
) -> Search:
    """The Lagrangian perceptual attack: up the margin and down the excess of a distance of features.

    Args:
        eps: The greatest distance ‖φ(x) − φ(x0)‖, a number or one per sample; the stored image keeps it.
        steps: How many steps a round has.
        rounds: How many rounds; after each the excess weighs ten times as much where the distance is too
            great.
        network: Whose features, as in `ppgd`.
        fast: Whether there is one round in which the weight rises from 1 to 10 (Fast-LPA): its last image is
            not put into the bound, and no success if it lies outside.
        kappa: The logit margin at which the climb ends.
        random_start: Whether to start from a little noise, as the distance has no direction at the original.

    Source:
        Laidlaw, Singla & Feizi 2021, Perceptual adversarial robustness, Algorithms 2 and 4; numbers as in its
        program.

    Example:
        >>> lpa(steps=20, rounds=3).name
        'lpa'
    """
    cost, steps, eps = features_named(network), check_count("steps", steps), budget(eps)
    rounds = 1 if fast else check_count("rounds", rounds)
    weight, rises = (1.0, 10.0) if fast else (0.01, 1.0)
    total = rounds * steps
    parts = Composition(
        objective=Margin(kappa=positive("kappa", kappa)),
        constraint=SoftBall(
            cost=cost, eps=eps, overshoot=_OVERSHOOT, until=2.0 if fast else (total - 1) / total
        ),
        rule=(
            PenalizeExcess(cost, eps, weight, rises, rounds, steps),
            Normalize(),
            FeatureLength(cost, eps, falls=0.1, rounds=rounds, ahead=0.1),
        ),
        steps=total,
        random_start=random_start,
        early_stop=True,
    )
    return InTurn((parts,))


_OVERSHOOT = 0.1
"""Of Newton's steps. The program aims 0.1 inside the bound, whatever that is; here it is a share of it."""
