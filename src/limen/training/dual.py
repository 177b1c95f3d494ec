"""The robust surrogate loss of a network, as far as an attack finds it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from limen import catalog
from limen.analysis.surrogate import Dual, estimate_dual
from limen.attacks import Attack
from limen.catalog import Catalog
from limen.classifier import Classifier
from limen.data import Dataset
from limen.errors import LimenError, UsageError
from limen.metrics import Metric
from limen.training.attacking import ended
from limen.training.reading import OnSkip, Plan, read, spread


@dataclass(frozen=True)
class Lagrangian:
    """What the Lagrangian dual of distributionally robust risk is estimated by.

    Attributes:
        attack: What looks for φ, the greatest loss less λ times the cost: an attack at that λ, such as
            `perceptual_gradient` with this metric and weight. Any other gives a lower estimate.
        metric: What the cost of a change is: 1 − SSIM, or another metric's `cost`; a metric or its spec.
        weight: λ.
        radius: δ, the transport that the worst distribution may spend.
        count: On how many images of the test set, spread evenly over it.

    Raises:
        UsageError: If a number is out of range.

    Example:
        >>> from limen.attacks import pgd_l2
        >>> Lagrangian(pgd_l2(eps=0.5), weight=10.0, radius=0.01).metric
        'ssim'
    """

    attack: Attack
    metric: Metric | str = "ssim"
    weight: float = 1.0
    radius: float = 0.01
    count: int = 256

    def __post_init__(self) -> None:
        for name in ("weight", "radius"):
            if not 0 <= getattr(self, name) < math.inf:
                raise UsageError(f"{name} is {getattr(self, name)}; expected 0 or more")
        if self.count < 1:
            raise UsageError(f"count is {self.count}; expected 1 image or more")

    def __call__(
        self,
        classifier: Classifier,
        dataset: Dataset,
        batch_size: int = 32,
        on_skip: OnSkip | None = None,
        workers: int = 0,
        seed: int = 0,
    ) -> Dual:
        """Estimate the dual for a classifier on a data set.

        Raises:
            LimenError: If no image can be used, or one cannot and `on_skip` is None.
        """
        metric = catalog.metric(self.metric) if isinstance(self.metric, str) else self.metric
        plan = Plan(dataset, spread(dataset, self.count), batch_size, seed=seed)
        found: list[Tensor] = []
        for _, lesson in read(plan, 0, workers, on_skip):
            here = lesson.to(classifier.device, classifier.dtype)
            masks, ids = here.masks, here.ids
            moved = ended(self.attack, classifier, here.images, here.labels, ids, seed=seed, masks=masks)
            with torch.no_grad():
                losses = [
                    cross_entropy(classifier(images), here.labels, reduction="none")
                    for images in (here.images, moved)
                ]
                costs = metric.cost(here.images, moved)
            found.append(torch.stack([*losses, costs]).double().cpu())
        if not found:
            raise LimenError(f"{dataset.spec}: none of the images can be used")
        clean, attacked, costs = torch.cat(found, 1).numpy()
        return estimate_dual(clean, attacked, costs, self.weight, self.radius, seed)


DUALS = Catalog("dual", {"lagrangian": Lagrangian}, argument=False)
"""What estimates a dual, by its spec."""
