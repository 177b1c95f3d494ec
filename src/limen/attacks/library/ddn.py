"""The least L2 perturbation on a sphere that shrinks and grows."""

from __future__ import annotations

from torch import Tensor

from limen.attacks.composition import Composition
from limen.attacks.constraint.sphere import AdaptiveSphere
from limen.attacks.direction import Normalize
from limen.attacks.factory import attack
from limen.attacks.library.arguments import Loss, l2_distance, loss_named, positive
from limen.attacks.search import InTurn, Search
from limen.attacks.update import Scale
from limen.safety import check_count


@attack()
def ddn(
    steps: int = 100,
    eps: float | Tensor = 1.0,
    gamma: float = 0.1,
    step_size: float = 1.0,
    loss: Loss = "margin",
) -> Search:
    """Normalised steps on a sphere whose radius falls after a success and grows after a failure.

    The radius changes by less and less, along a cosine as the step length does, and the logit margin is
    climbed rather than the cross-entropy: both find smaller perturbations than the published
    settings (gamma fixed at 0.05, loss="cross_entropy"), as docs/attacks.md shows.

    Args:
        steps: How many steps.
        eps: The first radius in L2, a number or one per sample; not a bound.
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
        constraint=AdaptiveSphere(eps=positive("eps", eps), gamma=gamma, final=gamma / 10),
        rule=(Normalize(), Scale(length, final=length / 100)),
        steps=check_count("steps", steps),
        distance=l2_distance,
    )
    return InTurn((parts,))
