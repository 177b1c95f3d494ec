"""Indicators of the model's gradients: whether they are there, are right, and lead anywhere."""

from __future__ import annotations

import torch
from torch import Tensor

from limen.evaluation.indicators.indicator import indicator
from limen.evaluation.indicators.trial import Subject

NO_GRADIENT = "no_gradient"
"""The key of the indicator that there is none at all, so that attacks which take one cannot run."""

_STEP, _DRAWS, _FEW = 4 / 255, 4, 4


@indicator(
    NO_GRADIENT,
    "No gradient flows through the model",
    of="model",
    says="On {count} of {images} images autograd finds no way back from the answers to the image.",
    advice="Let the gradient pass straight through what hides it. Until then only attacks without gradients "
    "can be run, which find far less.",
    source="Limen's own.",
)
def no_gradient(subject: Subject) -> Tensor:
    """1 where no gradient can be taken."""
    return subject.known(float(subject.slopes is None))


@indicator(
    "nonfinite_gradients",
    "Gradients are not finite",
    of="model",
    says="On {count} of {images} images a value of the gradient is NaN or infinite.",
    advice="Look for a root, a logarithm or a division at 0 inside the model.",
    source="Limen's own.",
)
def nonfinite_gradients(subject: Subject) -> Tensor:
    """1 where the gradient of the logit margin or of the cross-entropy is not finite."""
    if subject.slopes is None:
        return subject.known()
    return subject.of_images(
        ~torch.stack([each.isfinite().flatten(1).all(1) for each in subject.slopes]).all(0)
    )


@indicator(
    "zero_gradients",
    "Gradients are masked: they are zero",
    of="model",
    threshold=0.1,
    over="mean",
    says="On {count} of {images} images the gradient of the logit margin is zero throughout.",
    advice="Let the gradient pass straight through what rounds, or works in other steps; what withstands "
    "attacks that need it is no robustness.",
    source="AutoAttack, check_zero_gradients.",
)
def zero_gradients(subject: Subject) -> Tensor:
    """1 where no value of an image has a gradient."""
    return subject.known() if subject.slope is None else subject.of_images(_still(subject.slope))


@indicator(
    "saturation",
    "The model's answers are saturated",
    of="model",
    threshold=0.1,
    over="mean",
    says="On {count} of {images} images logits lie so far apart that the gradient of the cross-entropy is "
    "zero, where that of the logit margin is not.",
    advice="Climb the logit margin or the ratio of logit differences, or divide the logits by a constant. "
    "Limen's own losses are not misled; attacks of other tools are.",
    source="Carlini & Wagner 2016, Defensive distillation is not robust; Croce & Hein 2020, Section 4.",
)
def saturation(subject: Subject) -> Tensor:
    """1 where the cross-entropy of the model's own class has no gradient, and the logit margin has."""
    if subject.slopes is None:
        return subject.known()
    of_margin, of_loss = subject.slopes
    return subject.of_images(_still(of_loss) & ~_still(of_margin))


@indicator(
    "misleading_gradients",
    "Gradients mislead",
    of="model",
    threshold=0.5,
    over="most",
    says="A step of a tenth of a level along the gradient, forth and back, gains another amount than "
    "the gradient promises, by {percent} on the median image and by more than half on {count} of {images}.",
    advice="Look for a gradient of the model's own, a detached part or a sign that is turned, and mend it; "
    "or attack the model without that part.",
    source="Carlini et al. 2019, On evaluating adversarial robustness, Section 4: gradients checked by "
    "differences.",
)
def misleading_gradients(subject: Subject) -> Tensor:
    """How far what a small step gains is from what the gradient says, as a share of that."""
    slope = subject.slope
    if slope is None or subject.source is not subject.classifier:  # what stands in for one promises nothing
        return subject.known()
    step = 0.1 / 255 * slope.sign()
    after, before = ((subject.originals + sign * step).clamp(0, 1) for sign in (1, -1))
    answers = subject.answers(subject.originals)
    at = subject.problem.margin(answers)
    forth, back = subject.margin(after) - at, at - subject.margin(before)
    promised = (slope * (after - before)).flatten(1).sum(1)
    # Less would drown in the rounding of the answers, and what bends within the step has no one slope.
    told = promised > 100 * torch.finfo(answers.dtype).eps * answers.abs().amax(1)
    told &= (forth - back).abs() <= 0.5 * (forth + back).abs()
    return torch.where(told, (1 - (forth + back) / promised).abs(), torch.nan)


@indicator(
    "aimless_gradients",
    "Gradients are masked: they lead nowhere",
    of="model",
    threshold=0.5,
    over="mean",
    says="On {count} of {images} images a step of 4/255 along the gradient gained no more than the best of "
    "four steps at random.",
    advice="Something inside the model shatters the gradient, such as noise, rounding with a gradient made "
    "up for it, or a filter. Attack the network without it, and average over what is random.",
    source="Athalye, Carlini & Wagner 2018, Section 3: shattered gradients.",
)
def aimless_gradients(subject: Subject) -> Tensor:
    """1 where a step along the gradient gains no more than those at random of the same size."""
    if subject.slope is None or len(subject.ids) < _FEW:
        return subject.known()
    slope = subject.slope.nan_to_num(0)

    def reached(direction: Tensor) -> Tensor:
        moved = (subject.originals + _STEP * direction.sign()).clamp(0, 1)
        return subject.problem.margin(subject.answers(moved, subject.source))

    drawn = torch.stack([reached(subject.noise(salt) - 0.5) for salt in range(_DRAWS)])
    lost = subject.of_images(reached(slope) <= drawn.amax(0))
    return torch.where(_still(slope), torch.nan, lost)


def _still(slope: Tensor) -> Tensor:
    return (slope == 0).flatten(1).all(1)
