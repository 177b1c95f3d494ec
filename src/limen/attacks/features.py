"""How far images are apart for a network: by its features, without weights fitted to people's judgements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, Self

import torch
from torch import Tensor

from limen.attacks.cost import Cost
from limen.attacks.part import Passes, Problem, rows
from limen.classifier import Classifier
from limen.errors import UsageError
from limen.images import norm
from limen.metrics.feature_networks import Backbone, feature_network
from limen.structure import maps_of_each_size
from limen.structure.asking import asked, passes_taken


class Features(Protocol):
    """Any function that gives feature maps of images.

    It is called with images (N, C, H, W) in [0, 1], and by name with options of its own. One that also names
    a parameter `classifier` is given the classifier under attack; its calls and their gradients count as
    passes of that, as the function's attribute `passes` says, or one each.
    """

    def __call__(self, *arguments: Any, **options: Any) -> Sequence[Tensor]:
        """Feature maps (N, c, h, w) of any sizes, differentiable in the images."""
        ...


def own(images: Tensor, classifier: Classifier) -> list[Tensor]:
    """The feature maps of the classifier under attack: of each size the last."""
    return maps_of_each_size(classifier, images)


def alexnet(images: Tensor, weights: Path | None = None) -> list[Tensor]:
    """The five feature maps of AlexNet after its ReLUs."""
    return _pretrained("alex", images, weights)


def vgg(images: Tensor, weights: Path | None = None) -> list[Tensor]:
    """The feature maps of VGG16 before each pooling."""
    return _pretrained("vgg", images, weights)


def squeezenet(images: Tensor, weights: Path | None = None) -> list[Tensor]:
    """The feature maps of SqueezeNet 1.1, of the first convolution and six fire modules."""
    return _pretrained("squeeze", images, weights)


def _pretrained(network: Backbone, images: Tensor, weights: Path | None) -> list[Tensor]:
    return feature_network(network, images, weights)(images.expand(-1, 3, -1, -1))


FEATURES: dict[str, Features] = {"self": own, "alexnet": alexnet, "vgg": vgg, "squeezenet": squeezenet}
"""The networks whose features a distance is measured in."""


@dataclass(frozen=True)
class FeatureDistance(Cost):
    """‖φ(x) − φ(x0)‖₂ (Laidlaw, Singla & Feizi 2021, Section 4).

    φ holds the feature maps of a network, in each place of unit length over the channels, and divided by
    √(HW), so that ‖φ‖² is the number of maps. d² is LPIPS without the weights of the channels.

    Attributes:
        network: Makes the maps.
    """

    network: Features
    classifier: Classifier | None = None
    reference: Tensor = rows()
    taken: Passes | None = rows()

    def bind(self, problem: Problem) -> Self:
        known = replace(self, classifier=problem.classifier, taken=problem.taken)
        with torch.no_grad():
            return replace(known, reference=known.features(problem.originals))

    def features(self, images: Tensor) -> Tensor:
        """φ (n, D), differentiable; the pass that makes it is counted, and each back from it."""
        given: Any = asked(self.network, "feature network", classifier=self.classifier)
        maps = self.network(images, **given)
        if not maps or any(each.ndim != 4 or len(each) != len(images) for each in maps):
            shapes = [tuple(each.shape) for each in maps]
            raise UsageError(f"{self.network} gives maps of shapes {shapes}; expected some of (N, C, H, W)")
        self._count(forwards=passes_taken(self.network)[0])
        return self.counted(torch.cat([_unit(each).flatten(1) for each in maps], 1))

    def counted(self, values: Tensor) -> Tensor:
        """Values of which each derivative that is taken counts as a backward pass of the network."""
        if values.requires_grad:
            values.register_hook(lambda _: self._count(backwards=passes_taken(self.network)[1]))
        return values

    def __call__(self, images: Tensor) -> Tensor:
        return norm(self.features(images) - self.reference)

    def _count(self, forwards: int = 0, backwards: int = 0) -> None:
        if self.taken is not None:
            draws = 1 if self.classifier is None else self.classifier.draws
            self.taken.add(forwards * draws, backwards * draws)


def _unit(maps: Tensor) -> Tensor:
    length = torch.linalg.vector_norm(maps, dim=1, keepdim=True)
    return maps / (length + 1e-10) / maps[0, 0].numel() ** 0.5
