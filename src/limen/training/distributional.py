"""Objectives of distributionally robust optimization: the worst group, and the worst images nearby."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from limen.data import Dataset
from limen.errors import UsageError
from limen.training.objective import Learner
from limen.training.reading import Lesson
from limen.training.sampling import By, join_keys, keys_of


@dataclass
class GroupDRO:
    """The losses of groups, weighed the more the greater they are.

    The weights of groups start equal. Each step multiplies the weight of a group by exp(η·(ℓ + C/√n)), where
    ℓ is the mean loss of the group in the batch, 0 if it has no sample there, and n the number of the group's
    training samples; then the step brings down the sum of ℓ times the weights. The authors draw each group
    equally often, as the sampling `balanced` does.

    Attributes:
        step_size: How fast weights change, η.
        adjustment: How much small groups are favoured, C, as they generalise worse.
        by: What makes a group.

    Raises:
        UsageError: If a number is out of range.

    Source:
        Sagawa et al. 2020, Distributionally robust neural networks for group shifts, Algorithm 1 and
        Equation 5, with absent groups and the update as in the authors' program.

    Example:
        >>> from limen.data import demo
        >>> objective = GroupDRO(step_size=0.1)
        >>> objective.prepare(demo("scenes", count=16, size=32))
        >>> objective.figures()
        {'weight of day': 0.5, 'weight of night': 0.5}
    """

    step_size: float = 0.01
    adjustment: float = 0.0
    by: By = "group"
    _names: list[str] = field(default_factory=list, init=False, repr=False, compare=False)
    _counts: Tensor = field(default_factory=lambda: torch.ones(0), init=False, repr=False, compare=False)
    _weights: Tensor = field(default_factory=lambda: torch.ones(0), init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("step_size", "adjustment"):
            if not 0 <= getattr(self, name) < math.inf:
                raise UsageError(f"{name} is {getattr(self, name)}; expected 0 or more")

    def prepare(self, train_set: Dataset) -> None:
        """Learn which groups there are, and how large they are.

        Raises:
            UsageError: If a sample belongs to no group.
        """
        sizes = Counter(keys_of(train_set, self.by))
        self._names = sorted(sizes)
        self._counts = torch.tensor([float(sizes[name]) for name in self._names])
        self._weights = torch.full((len(sizes),), 1 / len(sizes))

    def state_dict(self) -> dict[str, Any]:
        """The weights of the groups."""
        return {"weights": self._weights}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take the weights that a checkpoint kept."""
        self._weights = state["weights"]

    def figures(self) -> dict[str, float]:
        """The weight of each group."""
        told = zip(self._names, self._weights.tolist(), strict=True)
        return {f"weight of {name}": weight for name, weight in told}

    def __call__(self, learner: Learner, lesson: Lesson) -> Tensor:
        """One loss per sample (N,), whose mean over the batch is the sum of weighed group losses."""
        losses = cross_entropy(learner(lesson.images), lesson.labels, reduction="none")
        places = self._places(lesson).to(losses.device)
        zero = torch.zeros(len(self._names), dtype=losses.dtype, device=losses.device)
        sums = learner.total(zero.index_add(0, places, losses.detach() * lesson.weights.to(losses.dtype)))
        counts = learner.total(zero.index_add(0, places, lesson.weights.to(losses.dtype)))
        means = sums / counts.clamp_min(torch.finfo(losses.dtype).tiny)
        raised = means.cpu() + self.adjustment / self._counts.sqrt()
        self._weights = torch.softmax(self._weights.log() + self.step_size * raised.float(), 0)
        # A group without a sample here has no loss, nor has one whose samples only fill places.
        shares = torch.where(counts > 0, self._weights.to(losses) / counts, 0)
        return lesson.whole * shares[places] * losses

    def _places(self, lesson: Lesson) -> Tensor:
        """The number (N,) of each sample's group."""
        if self.by != "label" and lesson.groups is None:
            raise UsageError("a sample of the batch belongs to no group; group_dro needs one for each")
        groups = None if self.by == "label" else lesson.groups
        labels = None if self.by == "group" else lesson.labels.tolist()
        keys = join_keys(groups, labels)
        if strange := {*keys} - {*self._names}:
            known = ", ".join(self._names)
            raise UsageError(f"group {min(strange)!r} is none of the training set's: {known}")
        return torch.tensor([self._names.index(key) for key in keys])


@dataclass(frozen=True)
class WRM:
    """The cross-entropy on images that gain much loss for their squared distance: Wasserstein risk.

    Each image climbs ℓ(x) − ‖x − x0‖²/(2·strength), by one step of `strength` times the gradient and then by
    steps that shrink as 1/√(t+2). Images are not clipped to [0, 1], as in the authors' program.

    Attributes:
        strength: How far images go for the loss they gain; 1/(2γ) in the paper, and 1.3 in its program.
        steps: How many steps follow the first.
        mode: The mode of the network while images climb; the authors' networks have but one.

    Raises:
        UsageError: If a number is out of range.

    Source:
        Sinha, Namkoong & Duchi 2018, Certifying some distributional robustness with principled adversarial
        training, Equation 2 and Algorithm 1; the steps are those of the authors' program.

    Example:
        >>> WRM(strength=0.5).steps
        15
    """

    strength: float = 1.3
    steps: int = 15
    mode: Literal["eval", "train"] = "eval"

    def __post_init__(self) -> None:
        if not 0 < self.strength < math.inf or self.steps < 0:
            raise UsageError(
                f"strength is {self.strength} and steps {self.steps}; expected more than 0, and 0 or more"
            )

    def __call__(self, learner: Learner, lesson: Lesson) -> Tensor:
        """One loss per sample (N,)."""
        return cross_entropy(learner(self.climbed(learner, lesson)), lesson.labels, reduction="none")

    def climbed(self, learner: Learner, lesson: Lesson) -> Tensor:
        """Where the images (N, C, H, W) of a lesson arrive."""
        classifier, originals = learner.under_attack(self.mode), lesson.images.detach()

        def gain(images: Tensor) -> Tensor:
            images = images.detach().requires_grad_()
            with torch.enable_grad():
                # Summed, so that no image's step depends on how many there are.
                loss = cross_entropy(classifier(images), lesson.labels, reduction="sum")
                return self.strength * torch.autograd.grad(loss, images)[0]

        with classifier.frozen():
            images = originals + gain(originals)
            for step in range(self.steps):
                images = images + (gain(images) - (images - originals)) / math.sqrt(step + 2)
        return images.detach()
