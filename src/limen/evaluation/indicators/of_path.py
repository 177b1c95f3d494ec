"""Indicators of an attack's path: what it could have done with what it saw."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from limen.evaluation.indicators.indicator import indicator
from limen.evaluation.indicators.trial import Trial

_LAST = 10


@indicator(
    "unavailable_gradients",
    "Gradients are unavailable",
    threshold=0.5,
    says="On {count} of {images} images without a success the gradient is 0 or not finite in more than half "
    "of the steps.",
    advice="Let the gradient pass straight through what rounds, saturates or detaches in the model; or "
    "attack the model without that part, and see which of those images fool this one.",
    source="Pintor et al. 2022, Indicators of attack failure, I1; AutoAttack, check_zero_gradients.",
)
def unavailable_gradients(trial: Trial) -> Tensor:
    """The share of gradients on the way that cannot be followed; at the original it is the model's matter."""
    outcome = trial.outcome
    lost = outcome.zero_gradients + outcome.nonfinite_gradients
    return _of_withstood(trial, lost / outcome.backwards.clamp_min(1))


@indicator(
    "steps_unseen",
    "Steps are too short to be seen",
    says="On {count} of {images} images that withstood no step changed a value that a file holds.",
    advice="Give longer steps or a larger budget, or attack in floats with lattice=None.",
    source="Limen's own: Outcome.still.",
)
def steps_unseen(trial: Trial) -> Tensor:
    """1 where an image withstood that was never moved."""
    return _of_withstood(trial, trial.outcome.still)


@indicator(
    "silent_success",
    "Successes are lost",
    says="On {count} of {images} images that withstood the path of the attack held a success, and the "
    "result holds none.",
    advice="Keep the best image of the path, not the last; and judge success on the image that a file "
    "stores.",
    source="Pintor et al. 2022, I3.",
)
def silent_success(trial: Trial) -> Tensor:
    """1 where the path was adversarial and the stored result is not."""
    if not trial.paths:
        return trial.unknown()
    found = torch.tensor([bool(path["success"].any()) for path in trial.paths])
    return _of_withstood(trial, found.to(trial.outcome.success.device), trial.fools_source)


@indicator(
    "incomplete_optimisation",
    "The optimisation is not complete",
    threshold=0.05,
    over="most",
    says="Of the images that withstood, {count} of {images} still gained more than {threshold} of their "
    "whole path in the last ten looks; the median one gained {percent}.",
    advice="Give more steps, longer ones, or both, until more of them gain nothing.",
    source="Pintor et al. 2022, I4.",
)
def incomplete_optimisation(trial: Trial) -> Tensor:
    """How far the running minimum of the rescaled loss falls in the last looks, where nothing succeeded."""
    if not trial.paths:
        return trial.unknown()
    fall = torch.tensor([_fall(path) for path in trial.paths], dtype=trial.subject.originals.dtype)
    return torch.where(trial.outcome.success, torch.nan, fall.to(trial.outcome.success.device))


def _fall(path: dict[str, np.ndarray]) -> float:
    """Of an image's climbs the one that fell least, as any that is complete has told all."""
    climbs = {climb: path["margin"][path["climb"] == climb] for climb in path["climb"] if climb >= 0}
    return min((_fall_of(-margins) for margins in climbs.values()), default=float("nan"))


def _fall_of(losses: np.ndarray) -> float:
    spread = losses.max() - losses.min()
    if spread == 0:
        return 0.0
    last = np.minimum.accumulate((losses - losses.min()) / spread)[-_LAST:]
    return float(last[0] - last[-1])


def _of_withstood(trial: Trial, shown: Tensor, fooled: Tensor | None = None) -> Tensor:
    """1 and 0 of the images that withstood, NaN of the others."""
    fooled = trial.outcome.success if fooled is None else fooled
    return torch.where(fooled, torch.nan, shown.to(trial.subject.originals.dtype))
