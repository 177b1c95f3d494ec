"""Attacks whose perturbation is constant on superpixels, and lies where the model looks."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from limen.attacks.composition import Composition
from limen.attacks.constraint import L2Ball
from limen.attacks.direction import Normalize, UnitChange
from limen.attacks.factory import attack
from limen.attacks.library.arguments import (
    Loss,
    Method,
    levels,
    loss_named,
    masks,
    one_of,
    positive,
    template,
)
from limen.attacks.perturbation import Additive, ExactLength
from limen.attacks.perturbation.template import Pooling
from limen.attacks.protocols import Map, Transform
from limen.attacks.search import InTurn, Search
from limen.attacks.update import Momentum, Scale
from limen.safety import check_count
from limen.structure import Attention

Length = Literal["image", "noise"]
"""Where a step has its length: in the image, or in the values of the superpixels."""


@attack(budget="delta")
def sa_fgm(
    delta: float | Tensor = 4.0,
    superpixels: Method | None = "slic",
    size: float = 5.0,
    merge: float = 0.0,
    compactness: float = 20.0,
    attention: Attention | str | None = "cam",
    threshold: float = 4 / 12,
    gradient: Pooling = "sum",
    loss: Loss = "margin",
) -> Search:
    """One step of `sai_fgm` from the original, of the budget's full length.

    Args:
        delta: The budget, as in `sai_fgm`; so are all other arguments.
        superpixels: What makes the superpixels.
        size: The side of the square that a superpixel would be.
        merge: The distance of mean colours under which neighbours become one.
        compactness: How much nearness counts against likeness of colour in SLIC.
        attention: What tells where the model looks.
        threshold: The attention from which on values may change.
        gradient: How the gradients of pixels become that of their superpixel.
        loss: What is climbed.

    Source:
        Dong et al. 2020, Robust superpixel-guided attentional adversarial attack, Table 1.

    Example:
        >>> sa_fgm(delta=8.0, attention=None).name
        'sa_fgm'
    """
    made = template(superpixels, size, merge, compactness, gradient)
    return _budgeted(delta, made, masks(attention, threshold), (UnitChange(),), loss)


@attack(budget="delta")
def sai_fgm(
    delta: float | Tensor = 4.0,
    steps: int = 10,
    step_size: float | Tensor | None = None,
    superpixels: Method | None = "slic",
    size: float = 5.0,
    merge: float = 0.0,
    compactness: float = 20.0,
    attention: Attention | str | None = "cam",
    threshold: float = 4 / 12,
    gradient: Pooling = "sum",
    length: Length = "image",
    random_start: bool = True,
    loss: Loss = "margin",
    early_stop: bool = False,
) -> Search:
    """Steps of one value per superpixel and channel, cut to where the model looks, scaled to the budget.

    Images are smooth on superpixels, and so is this perturbation: what processing an image does to noise
    spares it, and steganalysis finds less of it. It is cropped and scaled after every step, and its gradient
    flows through both. The attention takes one more forward pass a sample, and a backward pass where it is
    made of gradients; finding the layer takes another of one image, which is not counted.

    Args:
        delta: The budget: the root mean square of the perturbation in levels of 8 bits, a number or one per
            sample; in L2 it is delta / 255 · √N for N values.
        steps: How many steps.
        step_size: The length of a step in the units of delta; None for delta / steps.
        superpixels: What makes the superpixels: "slic", or "lsc" or "seeds" of the extra `superpixels`; None
            for a perturbation of single pixels.
        size: The side in pixels of the square that a superpixel would be.
        merge: The Euclidean distance β of mean CIELAB colours under which neighbouring superpixels become
            one; 0 for none.
        compactness: How much nearness counts against likeness of colour in SLIC.
        attention: What tells where the model looks: a name of `limen.structure.ATTENTION`, or a function of
            a classifier, images and classes; None for the whole image.
        threshold: The attention φ from which on values may change.
        gradient: How the gradients of pixels become that of their superpixel: "sum" (the gradient of its
            value), "mean", or "max" (the one of greatest magnitude).
        length: Whether a step's length is that of its perturbation in the image, or of the vector of the
            superpixels' values.
        random_start: Whether to start at ±delta/2 in each superpixel of the whole image, or the original.
        loss: What is climbed.
        early_stop: Whether a sample stops at its first success.

    Source:
        Dong et al. 2020, Robust superpixel-guided attentional adversarial attack, Section 3.3, eq. 2 to 4;
        where the text is silent, its published program.

    Example:
        >>> sai_fgm(delta=8.0, steps=20, attention="gradcam").name
        'sai_fgm'
    """
    made = template(superpixels, size, merge, compactness, gradient)
    rule = _steps(delta, steps, step_size, length)
    return _budgeted(delta, made, masks(attention, threshold), rule, loss, steps, random_start, early_stop)


@attack(budget="delta")
def m_sai_fgm(
    delta: float | Tensor = 4.0,
    steps: int = 10,
    step_size: float | Tensor | None = None,
    decay: float = 1.0,
    superpixels: Method | None = "slic",
    size: float = 5.0,
    merge: float = 0.0,
    compactness: float = 20.0,
    attention: Attention | str | None = "cam",
    threshold: float = 4 / 12,
    gradient: Pooling = "sum",
    length: Length = "image",
    random_start: bool = True,
    loss: Loss = "margin",
    early_stop: bool = False,
) -> Search:
    """`sai_fgm` along a running sum of gradients of unit L1 norm.

    Args:
        delta: The budget, as in `sai_fgm`; so are all other arguments but the decay.
        steps: How many steps.
        step_size: The length of a step in the units of delta; None for delta / steps.
        decay: The momentum μ.
        superpixels: What makes the superpixels.
        size: The side of the square that a superpixel would be.
        merge: The distance of mean colours under which neighbours become one.
        compactness: How much nearness counts against likeness of colour in SLIC.
        attention: What tells where the model looks.
        threshold: The attention from which on values may change.
        gradient: How the gradients of pixels become that of their superpixel.
        length: Where a step has its length.
        random_start: Whether to start at random.
        loss: What is climbed.
        early_stop: Whether a sample stops at its first success.

    Source:
        Dong et al. 2020, Robust superpixel-guided attentional adversarial attack, eq. 5. The paper does not
        tell μ; 1 is that of Dong et al. 2018, Boosting adversarial attacks with momentum.

    Example:
        >>> m_sai_fgm(delta=16.0, decay=0.9).name
        'm_sai_fgm'
    """
    made = template(superpixels, size, merge, compactness, gradient)
    momentum = Momentum(decay=positive("decay", decay, zero=True))
    rule = (Normalize(1), momentum, *_steps(delta, steps, step_size, length))
    return _budgeted(delta, made, masks(attention, threshold), rule, loss, steps, random_start, early_stop)


def _steps(
    delta: float | Tensor, steps: int, step_size: float | Tensor | None, length: Length
) -> tuple[Transform, ...]:
    one_of("length", length, Length)
    count = check_count("steps", steps)
    alpha = levels("delta", delta) / count
    if step_size is not None:
        alpha = levels("step_size", step_size, zero=False)
    return (UnitChange() if length == "image" else Normalize(), Scale(alpha, rms=True))


def _budgeted(
    delta: float | Tensor,
    maps: tuple[Map, ...],
    masked: tuple[Map, ...],
    rule: tuple[Transform, ...],
    loss: Loss,
    steps: int = 1,
    random_start: bool = False,
    early_stop: bool = False,
) -> Search:
    eps = levels("delta", delta)
    parts = Composition(
        objective=loss_named(loss),
        perturbation=Additive(
            maps, later=(*masked, ExactLength(eps)), noise=eps / 2 if random_start else None
        ),
        constraint=L2Ball(eps=eps, rms=True),
        rule=rule,
        steps=steps,
        random_start=random_start,
        early_stop=early_stop,
    )
    return InTurn((parts,))
