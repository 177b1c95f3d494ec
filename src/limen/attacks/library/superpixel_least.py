"""Superpixel perturbations under other attacks' constraints and searches."""

from __future__ import annotations

from torch import Tensor

from limen.attacks.composition import Composition
from limen.attacks.constraint import AdaptiveSphere, SsimBall
from limen.attacks.direction import Precondition, UnitChange
from limen.attacks.factory import attack
from limen.attacks.library.arguments import (
    Loss,
    Method,
    budget,
    l2_distance,
    loss_named,
    masks,
    positive,
    step_length,
    template,
)
from limen.attacks.library.carlini_wagner import least_distance
from limen.attacks.perturbation import Additive
from limen.attacks.search import InTurn, Search
from limen.attacks.update import Scale
from limen.operators import SsimTensor
from limen.safety import check_count
from limen.structure import Attention


@attack()
def superpixel_ddn(
    steps: int = 100,
    eps: float | Tensor = 1.0,
    gamma: float = 0.1,
    step_size: float = 1.0,
    superpixels: Method | None = "slic",
    size: float = 5.0,
    merge: float = 0.0,
    compactness: float = 20.0,
    attention: Attention | str | None = None,
    threshold: float = 4 / 12,
    loss: Loss = "margin",
) -> Search:
    """`ddn` over perturbations that are constant on superpixels: the least of these in L2.

    Args:
        steps: How many steps.
        eps: The first radius in L2, a number or one per sample; not a bound.
        gamma: The share by which the radius changes at the first step; at the last it is a tenth.
        step_size: The length of the first step in L2; it falls to a hundredth.
        superpixels: What makes the superpixels, as in `sai_fgm`; so are the next five.
        size: The side of the square that a superpixel would be.
        merge: The distance of mean colours under which neighbours become one.
        compactness: How much nearness counts against likeness of colour in SLIC.
        attention: What tells where the model looks; None for the whole image.
        threshold: The attention from which on values may change.
        loss: What is climbed.

    Source:
        Rony et al. 2019, Decoupling direction and norm, Algorithm 1, over the perturbations of Dong et al.
        2020, Robust superpixel-guided attentional adversarial attack, Section 3.3.

    Example:
        >>> superpixel_ddn(steps=50).name
        'superpixel_ddn'
    """
    length, gamma = positive("step_size", step_size), float(positive("gamma", gamma))
    # The mean is steepest where length is that of the image.
    made = template(superpixels, size, merge, compactness, "mean")
    parts = Composition(
        objective=loss_named(loss),
        perturbation=Additive((*made, *masks(attention, threshold))),
        constraint=AdaptiveSphere(eps=positive("eps", eps), gamma=gamma, final=gamma / 10),
        rule=(UnitChange(), Scale(length, final=length / 100)),
        steps=check_count("steps", steps),
        distance=l2_distance,
    )
    return InTurn((parts,))


@attack()
def superpixel_carlini_wagner_l2(
    steps: int = 100,
    search_steps: int = 9,
    learning_rate: float | None = None,
    final_rate: float = 0.05,
    initial_constant: float | None = None,
    margin: float = 0.0,
    patience: float | None = None,
    superpixels: Method | None = "slic",
    size: float = 5.0,
    merge: float = 0.0,
    compactness: float = 20.0,
    attention: Attention | str | None = None,
    threshold: float = 4 / 12,
) -> Search:
    """`carlini_wagner_l2` over perturbations that are constant on superpixels.

    Args:
        steps: Steps in each climb.
        search_steps: How many multipliers are tried.
        learning_rate: Adam's step length, in the superpixels' values; None for one that the margin around
            each image asks for.
        final_rate: The share of the step length that is left at the last step.
        initial_constant: The first multiplier c of the hinge; None likewise.
        margin: The logit margin at which the hinge lets go.
        patience: A sample ends a climb when its objective has not improved by 0.01 % over this
            share of the steps; None to go on.
        superpixels: What makes the superpixels, as in `sai_fgm`; so are the next five.
        size: The side of the square that a superpixel would be.
        merge: The distance of mean colours under which neighbours become one.
        compactness: How much nearness counts against likeness of colour in SLIC.
        attention: What tells where the model looks; None for the whole image.
        threshold: The attention from which on values may change.

    Source:
        Carlini & Wagner 2017, Section VI-A, over the perturbations of Dong et al. 2020, Section 3.3.

    Example:
        >>> superpixel_carlini_wagner_l2(steps=50, search_steps=4).name
        'superpixel_carlini_wagner_l2'
    """
    made = template(superpixels, size, merge, compactness, "sum")
    return least_distance(
        Additive((*made, *masks(attention, threshold))),
        steps,
        search_steps,
        learning_rate,
        final_rate,
        initial_constant,
        margin,
        patience,
    )


@attack(budget="eps")
def superpixel_ssim_pgd(
    eps: float | Tensor = 2e-2,
    steps: int = 40,
    step_size: float | Tensor | None = None,
    superpixels: Method | None = "slic",
    size: float = 5.0,
    merge: float = 0.0,
    compactness: float = 20.0,
    attention: Attention | str | None = None,
    threshold: float = 4 / 12,
    loss: Loss = "cross_entropy",
    early_stop: bool = False,
) -> Search:
    """`ssim_pgd` over perturbations that are constant on superpixels, within 1 − SSIM ≤ ε.

    Args:
        eps: The budget in 1 − SSIM, a number or one per sample.
        steps: How many steps.
        step_size: The length of a step in √(2·(1 − SSIM)); None for 2.5 · √(2·eps) / steps.
        superpixels: What makes the superpixels, as in `sai_fgm`; so are the next five.
        size: The side of the square that a superpixel would be.
        merge: The distance of mean colours under which neighbours become one.
        compactness: How much nearness counts against likeness of colour in SLIC.
        attention: What tells where the model looks; None for the whole image.
        threshold: The attention from which on values may change.
        loss: What is climbed.
        early_stop: Whether a sample stops at its first success.

    Source:
        The perturbations of Dong et al. 2020, Section 3.3, in the geometry of Hua et al., eq. 3.4.

    Example:
        >>> superpixel_ssim_pgd(eps=1e-3, steps=20).name
        'superpixel_ssim_pgd'
    """
    eps, steps = budget(eps), check_count("steps", steps)
    made = template(superpixels, size, merge, compactness, "sum")
    length = step_length(step_size, 2.5 * (2 * eps) ** 0.5 / steps)
    parts = Composition(
        objective=loss_named(loss),
        perturbation=Additive((*made, *masks(attention, threshold))),
        constraint=SsimBall(eps=eps),
        rule=(Precondition(SsimTensor.at), Scale(length)),
        steps=steps,
        early_stop=early_stop,
    )
    return InTurn((parts,))
