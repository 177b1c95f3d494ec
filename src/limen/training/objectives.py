"""The objectives that a spec can name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from limen.attacks import Attack, fgsm
from limen.catalog import Catalog, Request
from limen.classifier import Classifier
from limen.data import Dataset
from limen.errors import LimenError, UsageError
from limen.identity import Named
from limen.seeds import draw
from limen.training.attacking import ended
from limen.training.distributional import WRM, GroupDRO
from limen.training.objective import Learner, Prepared, Stateful, Telling
from limen.training.reading import Lesson

_TWO_DEVIATIONS = 0.4772498680518208  # the share of a normal distribution from its mean to two deviations


@dataclass(frozen=True)
class CrossEntropy:
    """The ordinary loss of a classifier.

    Attributes:
        smoothing: How much of a label is spread evenly over all classes (Szegedy et al. 2016, Rethinking the
            Inception architecture, Section 7).

    Raises:
        UsageError: If `smoothing` is not from 0 to 1.
    """

    smoothing: float = 0.0

    def __post_init__(self) -> None:
        _check_share("smoothing", self.smoothing)

    def __call__(self, learner: Learner, lesson: Lesson) -> Tensor:
        """One loss per sample (N,)."""
        logits = learner(lesson.images)
        return cross_entropy(logits, lesson.labels, reduction="none", label_smoothing=self.smoothing)


@dataclass(frozen=True)
class Adversarial:
    """The cross-entropy on images as an attack leaves them, of a share of each batch or of all.

    Images are perturbed in floats, as no file holds them: rounding would cost time and add nothing, and the
    label is that of every image in the budget. What is trained on is where the attack ends, fooling or not.

    Attributes:
        attack: Any attack; its random numbers come from the seed, the epoch and each image's id.
        share: How much of each batch is attacked, in whole images, rounded down; the rest stays clean.
        weight: How much an attacked image counts against a clean one.
        mode: The mode of the network under attack. In `train`, batch norms use the attacked batch's own
            statistics and update their running ones, and dropout drops, as in Madry et al.'s program.

    Raises:
        UsageError: If `share` or `weight` is out of range.

    Source:
        Madry et al. 2018, Towards deep learning models resistant to adversarial attacks, Equation 2.1; mixed
        batches: Kurakin, Goodfellow & Bengio 2017, Adversarial machine learning at scale, Equation 1.

    Example:
        >>> from limen.attacks import pgd_linf
        >>> Adversarial(pgd_linf(eps=8 / 255, steps=7), share=0.5).share
        0.5
    """

    attack: Attack
    share: float = 1.0
    weight: float = 1.0
    mode: Literal["eval", "train"] = "eval"

    def __post_init__(self) -> None:
        _check_mix(self.share, self.weight)

    def __call__(self, learner: Learner, lesson: Lesson) -> Tensor:
        """One loss per sample (N,)."""
        rows = lesson.chosen(self.share)
        attacked = _attacked(self.attack, learner.under_attack(self.mode), lesson, rows)
        return _mixed(learner, lesson, rows, attacked, self.share, self.weight)


@dataclass(frozen=True)
class StepLeastLikely:
    """Mixed batches with one signed step towards the least likely class, of a length that is drawn.

    The length is drawn for each image from a normal distribution of mean 0 and deviation eps/2 that is cut to
    [0, eps], so that the network does not learn the one length of a single step.

    Attributes:
        eps: The greatest length in L∞.
        share: How much of each batch is attacked, as of `Adversarial`.
        weight: How much an attacked image counts against a clean one.

    Raises:
        UsageError: If a number is out of range.

    Source:
        Kurakin, Goodfellow & Bengio 2017, Adversarial machine learning at scale, Sections 2 (step l.l.) and 3
        (Algorithm 1, and the lengths that are drawn). Zhang et al. 2020, Smooth adversarial examples,
        Section 5.4, attack a network that was trained so.
    """

    eps: float = 16 / 255
    share: float = 0.5
    weight: float = 0.3

    def __post_init__(self) -> None:
        _check_share("eps", self.eps)
        _check_mix(self.share, self.weight)

    def lengths(self, lesson: Lesson) -> Tensor:
        """The lengths (N,) of the steps."""
        drawn = draw(torch.rand, lesson.draw_seeds("length"), (), lesson.images.dtype)
        return self.eps / 2 * torch.special.ndtri(0.5 + _TWO_DEVIATIONS * drawn)

    def __call__(self, learner: Learner, lesson: Lesson) -> Tensor:
        """One loss per sample (N,)."""
        rows = lesson.chosen(self.share)
        step = fgsm(eps=self.lengths(lesson)[rows], loss=_towards_the_least_likely)
        attacked = _attacked(step, learner.under_attack(), lesson, rows)
        return _mixed(learner, lesson, rows, attacked, self.share, self.weight)


@dataclass(frozen=True)
class GaussianNoise:
    """The cross-entropy under Gaussian noise, for a base classifier that is then smoothed.

    The noise is added before the network's normalisation, and nothing is clipped to [0, 1].

    Attributes:
        sigma: The noise's standard deviation, for images in [0, 1].

    Raises:
        UsageError: If `sigma` is negative.

    Source:
        Cohen, Rosenfeld & Kolter 2019, Certified adversarial robustness via randomized smoothing,
        Section 3.3.
    """

    sigma: float = 0.25

    def __post_init__(self) -> None:
        if not 0 <= self.sigma < float("inf"):
            raise UsageError(f"sigma is {self.sigma}; expected 0 or more")

    def __call__(self, learner: Learner, lesson: Lesson) -> Tensor:
        """One loss per sample (N,)."""
        images = lesson.images
        noise = draw(torch.randn, lesson.draw_seeds("noise"), images.shape[1:], images.dtype)
        return cross_entropy(learner(images + self.sigma * noise), lesson.labels, reduction="none")


def _attacked(attack: Any, classifier: Classifier, lesson: Lesson, rows: Tensor) -> Tensor:
    """Where the attack takes the images (n, C, H, W) at `rows`, in floats."""
    ids = [lesson.ids[row] for row in rows.tolist()]
    masks = None if lesson.masks is None else lesson.masks[rows]
    images, labels = lesson.images[rows], lesson.labels[rows]
    return ended(attack, classifier, images, labels, ids, seed=lesson.seed, masks=masks)


def _mixed(
    learner: Learner, lesson: Lesson, rows: Tensor, attacked: Tensor, share: float, weight: float
) -> Tensor:
    """The losses (N,) of a batch whose images at `rows` are attacked; their mean weighs these by `weight`."""
    images = lesson.images.index_copy(0, rows, attacked)
    losses = cross_entropy(learner(images), lesson.labels, reduction="none")
    weights = torch.ones_like(losses).index_fill(0, rows, weight)
    return losses * weights / (1 - share + share * weight)


def _towards_the_least_likely(images: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
    """What is climbed, so that the least likely class becomes likely."""
    return -cross_entropy(logits, logits.detach().argmin(1), reduction="none")


def _check_share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise UsageError(f"{name} is {value}; expected a number from 0 to 1")


def _check_mix(share: float, weight: float) -> None:
    if not 0 < share <= 1:
        raise UsageError(f"share is {share}; expected more than 0, and at most 1")
    if not 0 < weight < float("inf"):
        raise UsageError(f"weight is {weight}; expected more than 0")


@dataclass(frozen=True)
class NamedObjective(Named):
    """An objective that a spec has named, with its state if it has one."""

    def state_dict(self) -> Mapping[str, Tensor]:
        """The objective's own state."""
        return self.function.state_dict() if isinstance(self.function, Stateful) else {}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Hand the state of a checkpoint on."""
        if isinstance(self.function, Stateful):
            self.function.load_state_dict(state)

    def prepare(self, train_set: Dataset) -> None:
        """Show the objective what is learned from, if it asks."""
        if isinstance(self.function, Prepared):
            self.function.prepare(train_set)

    def figures(self) -> Mapping[str, float]:
        """What the objective says of its own state."""
        return self.function.figures() if isinstance(self.function, Telling) else {}


def _known(objective: Any, request: Request) -> NamedObjective:
    if not callable(objective):
        made = f"{request.entry.name} returned {type(objective).__name__}"
        raise LimenError(f"{made}; it must return an objective, which is called with a learner and a lesson")
    return NamedObjective(request.identity, objective)


OBJECTIVES = Catalog(
    "objective",
    {
        "cross_entropy": CrossEntropy,
        "adversarial": Adversarial,
        "step_ll": StepLeastLikely,
        "noise": GaussianNoise,
        "group_dro": GroupDRO,
        "wrm": WRM,
    },
    "limen.objectives",
    argument=False,
    finish=_known,
)
"""The objectives that a spec can name; a user's own is a function, or a class, that is called with the spec's
values and returns an `Objective`."""
