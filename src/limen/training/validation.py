"""How good a network is, on clean images and under an attack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from limen.attacks.mask import known_masks
from limen.catalog import NamedAttack
from limen.classifier import Classifier
from limen.data import Dataset
from limen.errors import LimenError, UsageError
from limen.training.reading import OnSkip, Plan, read, spread
from limen.training.team import Team


@dataclass(frozen=True)
class Validation:
    """An attack by which each epoch's network is judged.

    Attributes:
        attack: The attack.
        count: On how many images of the test set, spread evenly over it.

    Raises:
        UsageError: If there is no image.
    """

    attack: NamedAttack
    count: int = 256

    def __post_init__(self) -> None:
        if self.count < 1:
            raise UsageError(f"count is {self.count}; expected 1 image or more")


def accuracy(
    classifier: Classifier,
    dataset: Dataset,
    batch_size: int = 32,
    on_skip: OnSkip | None = None,
    workers: int = 0,
    team: Team | None = None,
) -> float:
    """The share of a data set's images that are classified correctly, in [0, 1].

    Raises:
        LimenError: If no image can be used, or one cannot and `on_skip` is None.
    """
    return _share(classifier, dataset, range(len(dataset)), batch_size, on_skip, workers, team)


def robust_accuracy(
    classifier: Classifier,
    dataset: Dataset,
    validation: Validation,
    batch_size: int = 32,
    on_skip: OnSkip | None = None,
    workers: int = 0,
    team: Team | None = None,
) -> float:
    """The share of the validated images that are classified correctly and withstand the attack, in [0, 1].

    Raises:
        LimenError: If no image can be used, or one cannot and `on_skip` is None.
    """
    order = spread(dataset, validation.count)
    return _share(classifier, dataset, order, batch_size, on_skip, workers, team, validation.attack)


def _share(
    classifier: Classifier,
    dataset: Dataset,
    order: Sequence[int],
    batch_size: int,
    on_skip: OnSkip | None,
    workers: int,
    team: Team | None,
    attack: NamedAttack | None = None,
) -> float:
    team = Team(classifier.device) if team is None else team
    plan = Plan(dataset, order, batch_size, team.share)
    counts = torch.zeros(2, dtype=torch.float64)
    for _, lesson in read(plan, 0, workers, on_skip):
        here = lesson.to(classifier.device, classifier.dtype)
        with torch.no_grad():
            right = classifier(here.images).argmax(1) == here.labels
        rows = right.nonzero()[:, 0]
        if attack is not None and len(rows):
            ids = [here.ids[row] for row in rows.tolist()]
            known = known_masks(attack, None if here.masks is None else here.masks[rows])
            right[rows] = ~attack(classifier, here.images[rows], here.labels[rows], ids=ids, **known).success
        counts += torch.stack([(right * here.weights).sum(), here.weights.sum()]).double().cpu()
    correct, total = team.total(counts.float().to(team.device)).tolist()
    if total == 0:
        raise LimenError(f"{dataset.spec}: none of the images can be used")
    return correct / total
