"""Problems and states, as the loop would hand them to a part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from limen.attacks.objective import Margin
from limen.attacks.part import Problem
from limen.attacks.protocols import Constraint, Perturbation, State
from limen.seeds import sample_seeds


def problem_of(
    originals: Tensor,
    lattice: int | None = None,
    labels: Tensor | None = None,
    targeted: bool = False,
    seed: int = 0,
    ids: Sequence[object] | None = None,
    foreground: Tensor | None = None,
) -> Problem:
    """These images under attack, of class 0 if no labels are given."""
    count = len(originals)
    return Problem(
        originals=originals,
        labels=torch.zeros(count, dtype=torch.int64) if labels is None else labels,
        seeds=sample_seeds(seed, range(count) if ids is None else ids),
        targeted=targeted,
        lattice=lattice,
        foreground=foreground,
    )


def state_of(problem: Problem, images: Tensor | None = None, **fields: Any) -> State:
    """A state at these images, the originals if none are given, on which the model has said nothing."""
    images = problem.originals if images is None else images
    count = len(images)
    logits = fields.pop("logits", torch.zeros(count, 2))
    parts = {"perturbation": Perturbation(), "constraint": Constraint().bind(problem), "rule": ()}
    return State(
        **{
            "problem": problem,
            "objective": Margin(),
            **parts,
            "images": images,
            "exact": images,
            "logits": logits,
            "predictions": logits.detach().argmax(1),
            "success": problem.adversarial(logits.detach().argmax(1)),
            "values": torch.zeros(count),
            **fields,
        }
    )
