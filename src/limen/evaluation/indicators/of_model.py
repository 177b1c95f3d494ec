"""Indicators of the model's answers: what attacks of any kind stumble over."""

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
_TINY = 1e-5  # far less than a level of 8 bits, far more than float32 tells apart
_MOVED = 64
_SUM = 1e-4  # of which the sum of a thousand probabilities may miss 1
_EPS = 16  # so many times the precision that the network works in is no difference between its answers


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
    return _told(subject, torch.stack(pairs).amax(0))


@indicator(
    "batch_dependence",
    "An answer depends on what else is in the batch",
    of="model",
    threshold=2e-2,  # other kernels are used for other batches, and int8 networks scale by the batch
    says="Between an image alone and the same in a batch logits differ by up to {percent} of the largest, "
    "and by more than 2\N{NO-BREAK SPACE}% on {count} of {images} images.",
    advice="Make the network in evaluation mode: a batch norm that was traced in training mode does this.",
    source="Limen's own.",
)
def batch_dependence(subject: Subject) -> Tensor:
    """By how much an image's answer alone differs from that in the batch, as a share of its largest logit."""
    together, again = subject.answers(subject.originals), subject.answers(subject.originals)
    size = together.abs().amax(1).clamp_min(1e-10)
    if len(size) < 2 or bool(((again - together).abs().amax(1) > 1e-4 * size).any()):
        return subject.known()
    alone = torch.cat([subject.answers(image[None]) for image in subject.originals])
    return _told(subject, (alone - together).abs().amax(1) / size)


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
    source="AutoAttack, check_range_output.",
)
def probabilities(subject: Subject) -> Tensor:
    """1 where the answer adds up to 1 as no logits do."""
    answers = subject.answers(subject.originals)
    off = max(_SUM, _EPS * precision(subject))
    inside = ((answers > -off) & (answers < 1 + off)).all(1)
    return (inside & ((answers.sum(1) - 1).abs() < off)).to(subject.originals.dtype)


@indicator(
    "autograd_in_forward",
    "The model takes gradients to answer",
    of="model",
    says="Autograd is called in the model's forward pass on {count} of {images} images.",
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
    "rounding",
    "The model rounds",
    of="model",
    threshold=0.5,
    says="On {count} of {images} images most changes of up to 0.00001 in the 64 values that count most "
    "change no bit of the answer.",
    advice="Attack the model without what rounds, or let the gradient pass straight through it (BPDA), and "
    "see which of those images fool this one.",
    source="Athalye, Carlini & Wagner 2018, Section 3: shattered gradients.",
)
def rounding(subject: Subject) -> Tensor:
    """The share of tiny changes that change nothing."""
    # What works in half precision does not tell such changes apart, which is no rounding of its own.
    size = max(_TINY, 4 * precision(subject))
    before, same = subject.answers(subject.originals), []
    inward = torch.where(subject.originals < 0.5, size, -size) * _telling(subject)
    for salt in range(_ROUNDS):
        after = subject.answers(subject.originals + inward * subject.noise(salt))
        same.append((after == before).all(1))
    return torch.stack(same).to(subject.originals.dtype).mean(0)


def _telling(subject: Subject) -> Tensor:
    """Which few values (n, C, H, W) count most by the gradient, or are drawn where there is none.

    Were all moved, some would cross a step of what rounds, and the answer would change after all.
    """
    drawn = subject.noise(_ROUNDS)
    weight = drawn if subject.slope is None else subject.slope.nan_to_num(0).abs() + 1e-30 * drawn
    flat = weight.flatten(1)
    most = flat.topk(min(_MOVED, flat.shape[1])).indices
    return torch.zeros_like(flat).scatter(1, most, 1).view_as(drawn)


def precision(subject: Subject) -> float:
    """The rounding of the numbers that a network works in, of a value of 1."""
    held = next((each for each in subject.classifier.module.parameters() if each.is_floating_point()), None)
    return torch.finfo(subject.originals.dtype if held is None else held.dtype).eps


def _told(subject: Subject, apart: Tensor) -> Tensor:
    """Differences of answers, 0 where the network's own rounding makes as much."""
    return torch.where(apart > _EPS * precision(subject), apart, 0)
