"""Classifiers that metrics read features from: the first layers of AlexNet, VGG16 and SqueezeNet 1.1."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from limen.errors import UnknownNameError
from limen.metrics.pairs import check_channels
from limen.weights import find
from limen.weights.networks import network_of, normalized

Backbone = Literal["alex", "vgg", "squeeze"]
"""The classifiers: AlexNet, VGG16 and SqueezeNet 1.1."""


class FeatureNetwork(nn.Module):
    """The first layers of a classifier of torchvision, and what some of them give.

    Called with RGB images (N, 3, H, W) in [0, 1], which it normalises as ImageNet's classifiers are used to,
    it gives a list of feature maps (N, C, h, w), each after a ReLU: of AlexNet its five, of VGG16 the last
    before each pooling, of SqueezeNet 1.1 those of the first convolution and of six fire modules. These are
    the layers that LPIPS reads. Its parameters hold nothing before weights are loaded.

    Args:
        network: A key of `BACKBONES`.
        pooling: What stands in place of each pooling; None leaves it.

    Source:
        Zhang, Isola, Efros, Shechtman & Wang, CVPR 2018, and its program.

    Example:
        >>> maps = FeatureNetwork("vgg").to("meta")(torch.empty(1, 3, 32, 32, device="meta"))
        >>> [tuple(each.shape[1:]) for each in maps]
        [(64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4), (512, 2, 2)]
    """

    def __init__(self, network: str, pooling: nn.Module | None = None) -> None:
        super().__init__()
        from torchvision import models

        kind = BACKBONES[network]
        # The classifier as a whole takes half a gigabyte, most of which is not needed.
        with torch.device("meta"):
            layers = getattr(models, kind.torchvision)(weights=None).features[: kind.taps[-1] + 1]
        self.taps = frozenset(kind.taps)
        self.features = layers.to_empty(device="cpu")
        for place, layer in enumerate(self.features):
            if isinstance(layer, nn.ReLU):
                layer.inplace = False  # what went in may have been read
            if isinstance(layer, nn.MaxPool2d) and pooling is not None:
                self.features[place] = pooling

    def forward(self, images: Tensor) -> list[Tensor]:
        """The feature maps of the layers that are read, in their order."""
        maps, values = [], normalized(images)
        for place, layer in enumerate(self.features):
            values = layer(values)
            if place in self.taps:
                maps.append(values)
        return maps


@dataclass(frozen=True)
class Kind:
    """What is known of a classifier.

    Attributes:
        key: Its name in specs.
        torchvision: Its name in `torchvision.models`.
        file: The file of its weights in `limen.weights.FILES`.
        taps: Which of its layers are read.
        least_side: The least height and width, in pixels, of the images that it takes.
    """

    key: str
    torchvision: str
    file: str
    taps: tuple[int, ...]
    least_side: int

    def make(self) -> FeatureNetwork:
        """Its first layers, without weights."""
        return FeatureNetwork(self.key)


BACKBONES = {
    kind.key: kind
    for kind in (
        Kind("alex", "alexnet", "alexnet-owt-7be5be79.pth", (1, 4, 7, 9, 11), 31),
        Kind("vgg", "vgg16", "vgg16-397923af.pth", (3, 8, 15, 22, 29), 16),
        Kind("squeeze", "squeezenet1_1", "squeezenet1_1-b8a52dc0.pth", (1, 4, 7, 9, 10, 11, 12), 17),
    )
}
"""The classifiers by their names in specs."""


def feature_network(network: str, images: Tensor, weights: Path | None = None) -> nn.Module:
    """A classifier's first layers with weights, on the images' device and in their precision.

    It is frozen, in evaluation mode, and kept for the calls that follow.

    Args:
        network: `alex`, `vgg` or `squeeze`.
        images: Those that it will be given.
        weights: A file of weights with torchvision's names; None for those that torchvision publishes, which
            `limen.weights.find` looks for.

    Raises:
        UnknownNameError: For another network.
        WeightsError: If the weights are not at hand, or are of another network.
    """
    if network not in BACKBONES:
        raise UnknownNameError("network", network, BACKBONES)
    kind = BACKBONES[network]
    return network_of(kind.make, find(kind.file, weights), images, beyond=CLASSIFIER)


CLASSIFIER = "classifier."
"""What the names of a classifier's last layers, which give no features, begin with."""


def check_rgb_pair(name: str, a: Tensor, b: Tensor, least_side: int) -> tuple[Tensor, Tensor]:
    """The two batches as RGB images for a network, grey ones repeated; errors as of `check_channels`."""
    check_channels(name, a, b, least_side)
    return a.expand(-1, 3, -1, -1), b.expand(-1, 3, -1, -1)
