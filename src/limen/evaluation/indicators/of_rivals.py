"""Indicators by comparison: what the attack does with more, and what others do with less."""

from __future__ import annotations

import torch
from torch import Tensor

from limen.evaluation.indicators.indicator import indicator
from limen.evaluation.indicators.trial import Trial

_NOISES = 20


@indicator(
    "transfer_failure",
    "Successes do not transfer",
    says="{count} of {images} images that fool the model whose gradient the attack followed do not fool the "
    "one that was to be attacked.",
    advice="Attack the model as it is, with all of its defences, and with gradients through or around them: "
    "an adaptive attack.",
    source="Pintor et al. 2022, I5.",
)
def transfer_failure(trial: Trial) -> Tensor:
    """1 where the source is fooled and the subject is not."""
    if trial.source is trial.subject.classifier:
        return trial.unknown()
    lost = (~trial.fools).to(trial.subject.originals.dtype)
    return torch.where(trial.fools_source, lost, torch.nan)


@indicator(
    "unconstrained_failure",
    "The attack fails without a bound",
    says="With a budget that holds every image, the attack still fails on {count} of {images} images.",
    advice="An attack that may do anything and fools nothing is broken: mend its gradient, its loss, or the "
    "length of its steps before its budget.",
    source="Pintor et al. 2022, I6; Carlini et al. 2019, Section 4: unbounded attacks reach 100 %.",
)
def unconstrained_failure(trial: Trial) -> Tensor:
    """1 where the attack fails in a budget that holds every image; what it fools in its own is not tried."""
    rows = trial.left(trial.source)
    if trial.whole is None or trial.identity.budget is None:
        return trial.unknown()
    failed = torch.zeros_like(trial.unknown())
    if len(rows):
        fooled = trial.varied({trial.identity.budget: trial.whole}, rows)
        failed[rows] = torch.nan if fooled is None else (~fooled).to(failed.dtype)
    return failed


@indicator(
    "no_growth_with_budget",
    "Success does not grow with the budget",
    over="mean",
    says="With twice the budget the attack fools {percent} of the images fewer, and loses {count} of "
    "{images} that it fools with its own.",
    advice="A larger budget holds all of a smaller one: give steps that suit it, or more of them.",
    source="Carlini et al. 2019, Section 4: success grows with the budget.",
)
def no_growth_with_budget(trial: Trial) -> Tensor:
    """How much less twice the budget fools."""
    budget = trial.identity.budget
    value = None if budget is None else trial.identity.parameters.get(budget)
    if budget is None or isinstance(value, bool) or not isinstance(value, int | float):
        return trial.unknown()
    return _less(trial, trial.varied({budget: 2 * value}), trial.fools_source)


@indicator(
    "no_growth_with_steps",
    "Success does not grow with the steps",
    over="mean",
    says="With half of the steps the attack fools {percent} of the images more, among them {count} of "
    "{images} that it does not fool with all.",
    advice="Steps should come closer as they go on: give shorter or falling ones, and keep the best image "
    "of the path.",
    source="Carlini et al. 2019, Section 4: more iterations do not weaken an attack.",
)
def no_growth_with_steps(trial: Trial) -> Tensor:
    """How much more half of the steps fool."""
    steps = trial.identity.parameters.get("steps")
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 2:
        return trial.unknown()
    return _less(trial, trial.fools_source, trial.varied({"steps": steps // 2}))


@indicator(
    "noise_as_strong",
    "Noise is as strong as the attack",
    threshold=0.5,
    over="mean",
    says="Of the images that only one of both fools, the attack or noise of the same L2 and L∞ lengths, "
    "noise fools {count} of {images}.",
    advice="The gradient tells the attack nothing: mend what hides or turns it.",
    source="Carlini et al. 2019, Section 4: better than random noise.",
)
def noise_as_strong(trial: Trial) -> Tensor:
    """1 where only noise fools, 0 where only the attack does."""
    subject, (l2, linf) = trial.subject, trial.sizes
    values = subject.originals[0].numel()
    share = (l2.square() / linf.square().clamp_min(1e-12) / values).clamp(0, 1)[:, None, None, None]
    by_noise = torch.zeros_like(trial.fools)
    for salt in range(min(_NOISES, subject.effort.draws)):
        # So many values, at random places, are moved by the L∞ length that the L2 length is the same.
        moved = subject.noise(2 * salt + 1) < share
        noise = torch.where(moved, (subject.noise(2 * salt + 2) - 0.5).sign() * linf[:, None, None, None], 0)
        by_noise |= trial.fooled((subject.originals + noise).clamp(0, 1), subject.classifier)
    return torch.where(by_noise == trial.fools, torch.nan, by_noise.to(subject.originals.dtype))


@indicator(
    "black_box_stronger",
    "An attack without gradients finds more",
    threshold=0.002,
    over="mean",
    says="Random squares of the same length fool {count} of {images} images that the attack does not: "
    "{percent}.",
    advice="Gradients are masked: find what hides them, and attack around it. Take the successes of both "
    "together.",
    source="AutoAttack, check_square_sr: more than 0.2 % of the images.",
)
def black_box_stronger(trial: Trial) -> Tensor:
    """1 where squares fool what the attack left, 0 elsewhere."""
    rows, found = trial.left(trial.subject.classifier), torch.zeros_like(trial.unknown())
    if len(rows):
        found[rows] = trial.blind(rows).to(found.dtype)
    return found


def _less(trial: Trial, more: Tensor | None, fewer: Tensor | None) -> Tensor:
    """What the one fools less than the other, image by image: 1, 0, or −1 where it fools more."""
    if more is None or fewer is None:
        return trial.unknown()
    dtype = trial.subject.originals.dtype
    return fewer.to(dtype) - more.to(dtype)
