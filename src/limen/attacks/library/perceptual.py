"""Attacks that keep a metric of how images look low while they climb."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from limen.attacks.composition import Composition
from limen.attacks.constraint import OnLattice
from limen.attacks.cost import ColourDifference, colour_distance
from limen.attacks.direction import Descend, Normalize, Penalize
from limen.attacks.factory import attack
from limen.attacks.library.arguments import Loss, Measure, cost_named, loss_named, one_of, positive
from limen.attacks.objective import CrossEntropy
from limen.attacks.protocols import Constraint, Transform
from limen.attacks.search import InTurn, Search
from limen.attacks.update import BySuccess, Scale
from limen.metrics import Metric
from limen.safety import check_count

Step = Literal["normalised", "raw"]
"""Whether a step has a length of its own, or that of the gradient."""

Validation = Literal["clip", "round", "truncate"]
"""How an iterate becomes an image."""


@attack()
def perceptual_gradient(
    metric: Metric | Measure | str = "ssim",
    confidence: float | Tensor = 0.0,
    steps: int = 100,
    weight: float | Tensor = 0.5,
    relative: bool = True,
    step_size: float | Tensor = 0.1,
    step: Step = "normalised",
    validate: Validation = "clip",
    loss: Loss = "cross_entropy",
) -> Search:
    """Up the loss and down a metric at once, until the logit margin exceeds a confidence.

    Args:
        metric: What is kept low: any metric that can be differentiated, by its name, or a function of
            originals and images (n, C, H, W) that gives (n,), less for images that look more alike.
        confidence: The logit margin a at which a sample is done, and without which it is no success; a number
            or one per sample.
        steps: How many steps.
        weight: What the metric counts beside the loss; a number or one per sample.
        relative: Whether λ is `weight` · ‖∇ℓ‖ / ‖∇c‖, of each sample and step, so that a weight means the
            same for every metric, and 0 where ∇c is 0; if not, it is `weight`, as in the paper.
        step_size: ε, a number or one per sample: a step's length in L2 or, of raw steps, what the gradient is
            multiplied by.
        step: Whether a step has this length, or that of the gradient as well, as in the paper's text. Raw
            steps climb the cross-entropy itself, whose gradient fades where the model is sure; the others
            its log-odds, which have the same direction.
        validate: How an iterate becomes an image. "clip" keeps it in floats, in which small steps add up, and
            shows the model what a file would store of it; "round" and "truncate" go on from the stored image,
            rounded to the nearest level or cut to the level below, as casting to integers does.
        loss: What is climbed.

    Source:
        Hua et al., Algorithm 3.1, whose text has weight=1, relative=False and step="raw"; docs/perceptual.md
        says what its Table 3.1 fits.

    Example:
        >>> perceptual_gradient(metric="ciede2000", confidence=5).name
        'perceptual_gradient'
    """
    one_of("step", step, Step)
    one_of("validate", validate, Validation)
    penalty = Penalize(cost_named(metric), positive("weight", weight, zero=True), relative)
    length = (Scale(positive("step_size", step_size)),)
    rule: tuple[Transform, ...] = (penalty, *length) if step == "raw" else (penalty, Normalize(), *length)
    objective = CrossEntropy(fading=True) if (step, loss) == ("raw", "cross_entropy") else loss_named(loss)
    parts = Composition(
        objective=objective,
        constraint=Constraint() if validate == "clip" else OnLattice(how=validate),
        rule=rule,
        steps=check_count("steps", steps),
        early_stop=True,
        confidence=positive("confidence", confidence, zero=True),
    )
    return InTurn((parts,))


@attack()
def perc_al(
    steps: int = 1000,
    step_size: float | Tensor = 1.0,
    colour_step: float | Tensor = 0.5,
    confidence: float | Tensor = 0.0,
    loss: Loss = "cross_entropy",
) -> Search:
    """The least change of colours: up the loss until a success, then down CIEDE2000 until it is none.

    Args:
        steps: How many steps.
        step_size: The length in L2 of the first step up the loss, α_l; it falls to a hundredth along a
            cosine.
        colour_step: The length of the first step down the difference of colours, α_c; it falls to a tenth.
            Zhao et al. have 0.1 for images that are easy to fool.
        confidence: The logit margin that a success must exceed, a number or one per sample; the authors'
            program has 40 in place of any but 0.
        loss: What is climbed.

    Source:
        Zhao, Liu & Larson 2020, Towards large yet imperceptible adversarial image perturbations with
        perceptual color distance, Algorithm 2. The difference that decides what is kept is that of the stored
        image, not, as in their program, that of the one before the step.

    Example:
        >>> perc_al(steps=200).name
        'perc_al'
    """
    length, back = positive("step_size", step_size), positive("colour_step", colour_step)
    parts = Composition(
        objective=loss_named(loss),
        rule=(
            BySuccess(
                failing=(Normalize(), Scale(length, final=length / 100)),
                succeeding=(Descend(ColourDifference()), Normalize(), Scale(back, final=back / 10)),
            ),
        ),
        steps=check_count("steps", steps),
        confidence=positive("confidence", confidence, zero=True),
        distance=colour_distance,
    )
    return InTurn((parts,))
