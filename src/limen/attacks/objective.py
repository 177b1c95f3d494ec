"""What is climbed."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from limen.attacks.protocols import Part, Point
from limen.images import norm


def other_logits(logits: Tensor, labels: Tensor) -> Tensor:
    """The logits with each sample's own class taken out of any maximum."""
    return logits.scatter(1, labels[:, None], -torch.inf)


def lead(point: Point) -> Tensor:
    """How far (n,) the classes after which the attack is lead over the best of the rest, in logits.

    Positive exactly where the attack succeeds: the best other class over the label if untargeted,
    the target over the best other class if targeted.
    """
    labels = point.problem.labels
    own = point.logits.gather(1, labels[:, None])[:, 0]
    others = other_logits(point.logits, labels).amax(1)
    return own - others if point.problem.targeted else others - own


@dataclass(frozen=True)
class CrossEntropy(Part):
    """The cross-entropy of the label; its negative if the label is a target."""

    def __call__(self, point: Point) -> Tensor:
        loss = cross_entropy(point.logits, point.problem.labels, reduction="none")
        return -loss if point.problem.targeted else loss


@dataclass(frozen=True)
class Margin(Part):
    """The lead in logits, climbed up to κ and no further (Carlini & Wagner 2017, f6).

    Attributes:
        kappa: The lead at which the climb ends.
    """

    kappa: float | Tensor = torch.inf

    def __call__(self, point: Point) -> Tensor:
        kappa = self.kappa.flatten() if isinstance(self.kappa, Tensor) else self.kappa
        return lead(point).clamp(max=kappa)


@dataclass(frozen=True)
class DistanceAndHinge(Part):
    """−(distance + c·[m − lead]₊), distance ‖x − x0‖²: the Lagrangian of Carlini & Wagner (2017), Section V.

    The lead is that of the stored image, the distance that of the image before rounding: the
    rounded distance is flat between the lattice's values, and pulls nothing back there.

    Attributes:
        constant: The multiplier c.
        margin: The lead m at which the hinge lets go.
        squared: Whether the distance is squared.
    """

    constant: float | Tensor
    margin: float = 0.0
    squared: bool = True

    def __call__(self, point: Point) -> Tensor:
        constant = self.constant.flatten() if isinstance(self.constant, Tensor) else self.constant
        distance = norm(point.exact - point.problem.originals)
        distance = distance.square() if self.squared else distance
        return -(distance + constant * (self.margin - lead(point)).clamp_min(0))


@dataclass(frozen=True)
class Leads(Part):
    """The leads (n, k) of the k classes nearest to winning over the label (Moosavi-Dezfooli et al. 2016).

    A target has one lead: its own over the best of the rest.

    Attributes:
        classes: How many classes k.
    """

    classes: int = 10

    def __call__(self, point: Point) -> Tensor:
        if point.problem.targeted:
            return lead(point)[:, None]
        labels = point.problem.labels[:, None]
        others = other_logits(point.logits, labels[:, 0])
        count = min(self.classes, others.shape[1] - 1)
        nearest = others.topk(count, dim=1).indices
        return point.logits.gather(1, nearest) - point.logits.gather(1, labels)


@dataclass(frozen=True)
class TargetAndRest(Part):
    """The two functions of the Jacobian saliency map (Papernot et al. 2016): (n, 2).

    The target's logit and the sum of all others; without a target, the roles change sign: the
    label's logit falls and the sum of the others rises.
    """

    def __call__(self, point: Point) -> Tensor:
        own = point.logits.gather(1, point.problem.labels[:, None])[:, 0]
        rest = point.logits.sum(1) - own
        pair = torch.stack([own, rest], 1)
        return pair if point.problem.targeted else -pair
