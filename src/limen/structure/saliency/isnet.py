"""IS-Net: U²-Net behind a strided convolution, for fine outlines (Qin et al. 2022)."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from limen.structure.saliency.objects import as_colour, object_maps
from limen.structure.saliency.u2net import NestedU, levels
from limen.weights.networks import network_of


class ISNet(NestedU):
    """IS-Net; the names of its layers are those of the published weights."""

    def __init__(self) -> None:
        middle = (32, 32, 64, 128, 256, 256)
        down = levels(middle, (64, 128, 256, 512, 512, 512))
        super().__init__(64, down, levels((16, *middle[1:5]), (64, 64, 128, 256, 512)))
        self.conv_in = nn.Conv2d(3, 64, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, 1, h, w) of centred images (N, 3, h, w)."""
        return self.sides(self.conv_in(x), x)[0]


def isnet(images: Tensor, *, weights: Path, size: int = 1024) -> Tensor:
    """IS-Net with published weights: how surely each pixel is of the salient object.

    Args:
        images: (N, C, H, W) in [0, 1], of 1 or 3 channels.
        weights: A file with the weights that the authors publish, `isnet.pth` or `isnet-general-use.pth`.
        size: Side to which images are resized.

    Returns:
        Maps (N, H, W) in [0, 1], differentiable in the images; `density_of` divides them by their sums.

    Raises:
        UsageError: If the images are none of 1 or 3 channels.
        WeightsError: If the file cannot be read, or is of another network; the message names its keys.

    Source:
        Qin et al., ECCV 2022, Highly accurate dichotomous image segmentation, and its program.
    """
    colour = as_colour(images)
    network = network_of(ISNet, Path(weights), images)
    return object_maps(lambda resized: network(resized - 0.5), colour, size)
