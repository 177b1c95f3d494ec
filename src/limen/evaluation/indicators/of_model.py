"""Indicators of the model: what attacks of any kind stumble over."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from types import FrameType
from typing import Any

import torch
from torch import Tensor

from limen.evaluation.indicators.indicator import indicator
from limen.evaluation.indicators.trial import Subject
from limen.images import norm

_PASSES, _ROUNDS = 5, 8
_TINY = 1e-4  # far less than a level of 8 bits, far more than float32 tells apart


@indicator(
    "random_answers",
    "The model's answers are random",
    of="model",
    threshold=1e-4,
    says="In five passes on the same images, answers of length 1 differ by up to {value}, on {count} of "
    "{images} images by more than {threshold}.",
    advice="Attack the mean over draws, as an adaptive attack does with several draws, and count only what "
    "still fools when the model is asked again; or attack the model without its randomness.",
    source="AutoAttack, check_randomized.",
)
def random_answers(subject: Subject) -> Tensor:
    """By how much the model's normalised answers differ at most."""
    answers = [subject.answers(subject.originals) for _ in range(_PASSES)]
    units = [each / (norm(each)[:, None] + 1e-10) for each in answers]
    pairs = [norm(one - other) for place, one in enumerate(units) for other in units[:place]]
    return torch.stack(pairs).amax(0)


@indicator(
    "unstable_predictions",
    "The model's predictions are unstable",
    of="model",
    threshold=0.25,  # of undefended networks of CIFAR-10, whose gradients lead to success, it is 0.09
    over="most",
    says="Noise of up to 4/255 changes the logit margin by {percent} on average on the median image, and by "
    "more than {threshold} of it on {count} of {images}.",
    advice="Average the gradient over noise at each step, or attack without the part of the model that "
    "makes it so rough; a single gradient says little of the next step.",
    source="Pintor et al. 2022, Indicators of attack failure, I2.",
)
def unstable_predictions(subject: Subject) -> Tensor:
    """The mean relative change of the logit margin in noise, 1 at most."""
    before, total = subject.margin(subject.originals), torch.zeros_like(subject.originals[:, 0, 0, 0])
    size = torch.where(before == 0, 1, before.abs())
    for salt in range(subject.effort.draws):
        noisy = (subject.originals + (subject.noise(salt) - 0.5) * (8 / 255)).clamp(0, 1)
        total += (subject.margin(noisy) - before).abs() / size
    return (total / subject.effort.draws).clamp_max(1)


@indicator(
    "probabilities",
    "The model returns probabilities",
    of="model",
    over="every",
    threshold=0.5,
    says="On {count} of {images} images all outputs lie in [0, 1] and add up to 1.",
    advice="Leave the softmax out, so that the model returns logits: the gradient of a probability fades "
    "where the model is sure.",
    source="AutoAttack, check_range_output: within 1e-5.",
)
def probabilities(subject: Subject) -> Tensor:
    """1 where the answer adds up to 1 as no logits do."""
    answers = subject.answers(subject.originals)
    inside = ((answers > -1e-5) & (answers < 1 + 1e-5)).all(1)
    return (inside & ((answers.sum(1) - 1).abs() < 1e-5)).to(subject.originals.dtype)


@indicator(
    "autograd_in_forward",
    "The model takes gradients to answer",
    of="model",
    says="Autograd is called in the model's forward pass.",
    advice="Attack adaptively: let the gradient pass through what the model optimises, or straight through "
    "it; the gradient of the last step alone says little.",
    source="AutoAttack, check_dynamic.",
)
def autograd_in_forward(subject: Subject) -> Tensor:
    """1 where an answer takes a gradient."""
    asked = {torch.autograd.grad.__code__, torch.autograd.backward.__code__}
    calls: set[Any] = set()

    def look(frame: FrameType, event: str, argument: object) -> None:
        if event == "call" and frame.f_code in asked:
            calls.add(frame.f_code)

    def answer() -> None:
        sys.setprofile(look)
        subject.answers(subject.originals)

    with ThreadPoolExecutor(1) as thread:  # of its own, so that a profiler of the caller's is left alone
        thread.submit(answer).result()
    return subject.originals.new_full((len(subject.ids),), float(bool(calls)))


@indicator(
    "saturation",
    "The model's answers are saturated",
    of="model",
    says="On {count} of {images} images logits lie so far apart that the gradient of the cross-entropy is 0 "
    "in 32-bit floats.",
    advice="Climb the logit margin or the ratio of logit differences, or divide the logits by a constant. "
    "Limen's own losses are not misled; attacks of other tools are.",
    source="Carlini & Wagner 2016, Defensive distillation is not robust; Croce & Hein 2020, Section 4.",
)
def saturation(subject: Subject) -> Tensor:
    """1 where the softmax of 32-bit floats is exactly 1 for a class and 0 for all others."""
    chances = subject.answers(subject.originals).float().softmax(1)
    return (chances.sort(1, descending=True).values[:, 1] == 0).to(subject.originals.dtype)


@indicator(
    "rounding",
    "The model rounds",
    of="model",
    threshold=0.5,
    says="On {count} of {images} images most changes of up to 0.0001 change no bit of the answer.",
    advice="Attack the model without what rounds, or let the gradient pass straight through it (BPDA), and "
    "see which of those images fool this one.",
    source="Athalye, Carlini & Wagner 2018, Section 3: shattered gradients.",
)
def rounding(subject: Subject) -> Tensor:
    """The share of tiny changes that change nothing."""
    held = next((each for each in subject.classifier.module.parameters() if each.is_floating_point()), None)
    # What works in half precision does not tell such changes apart, which is no rounding of its own.
    size = _TINY if held is None else max(_TINY, 4 * torch.finfo(held.dtype).eps)
    before, same = subject.answers(subject.originals), []
    inward = torch.where(subject.originals < 0.5, size, -size)
    for salt in range(_ROUNDS):
        after = subject.answers(subject.originals + inward * subject.noise(salt))
        same.append((after == before).all(1))
    return torch.stack(same).to(subject.originals.dtype).mean(0)


@indicator(
    "misleading_gradients",
    "Gradients mislead",
    of="model",
    threshold=0.5,
    over="most",
    says="A step of a tenth of a level along the gradient gains another amount than the gradient promises, "
    "by {percent} on the median image and by more than half on {count} of {images}.",
    advice="Look for a gradient of the model's own, a detached part or a sign that is turned, and mend it; "
    "or attack the model without that part.",
    source="Carlini et al. 2019, On evaluating adversarial robustness, Section 4: gradients checked by "
    "differences.",
)
def misleading_gradients(subject: Subject) -> Tensor:
    """How far what a small step gains is from what the gradient says, as a share of that."""
    slope = subject.slope
    if slope is None:
        return subject.originals.new_full((len(subject.ids),), torch.nan)
    step = 0.1 / 255 * slope.sign()
    after = (subject.originals + step).clamp(0, 1)
    promised = (slope * (after - subject.originals)).flatten(1).sum(1)
    before = subject.answers(subject.originals)
    gained = subject.margin(after) - subject.problem.margin(before)
    # Less would drown in the rounding of the answers.
    told = promised > 100 * torch.finfo(before.dtype).eps * before.abs().amax(1)
    return torch.where(told, (1 - gained / promised).abs(), torch.nan)
