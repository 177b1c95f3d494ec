"""Learned perceptual image patch similarity (Zhang, Isola, Efros, Shechtman & Wang 2018)."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from limen.metrics.feature_networks import BACKBONES, Backbone, check_rgb_pair, feature_network
from limen.weights import find
from limen.weights.networks import network_of, unfilled

_EPSILON = 1e-10


def lpips(
    a: Tensor,
    b: Tensor,
    *,
    network: Backbone = "alex",
    backbone: Path | None = None,
    heads: Path | None = None,
) -> Tensor:
    """LPIPS v0.1: how far the features of a classifier are apart, weighed so as to agree with people.

    The features of each layer that is read are scaled to length 1 over the channels; their squared
    differences, weighed by channel, are averaged over the places and summed over the layers.

    Args:
        a: Images (N, C, H, W) in [0, 1], 1 or 3 channels, grey ones taken as R = G = B.
        b: Images of the same shape, dtype and device.
        network: The classifier: `alex`, for images with sides of at least 31, `vgg`, 16, or `squeeze`, 17.
        backbone: A file with its weights; None for those that torchvision publishes.
        heads: A file with the weights of its channels; None for those that the authors publish.

    Returns:
        Distances in [0, ∞), (N,): 0 for equal images, where the gradient is exactly zero.

    Raises:
        UsageError: If either batch is not one of images, the two differ in kind, have neither 1 nor 3
            channels, or a side is too small; or for another network.
        WeightsError: If weights are not at hand, or are of another network.

    Source:
        Zhang, Isola, Efros, Shechtman & Wang, CVPR 2018, eq. 1. Its program takes images in [−1, 1] and
        then scales them to the mean and deviation of ImageNet, as is done here from [0, 1].
    """
    found = BACKBONES.get(network)
    a, b = check_rgb_pair("LPIPS", a, b, 1 if found is None else found.least_side)
    layers = feature_network(network, a, backbone)
    weigh = network_of(_HEADS[network], find(f"lpips_v0.1_{network}.pth", heads), a)
    if len(a) == 0:
        return a.new_zeros(0)
    return weigh([(unit(x) - unit(y)).square() for x, y in zip(layers(a), layers(b), strict=True)])


def unit(features: Tensor) -> Tensor:
    """Features (N, C, H, W) scaled to length 1 over the channels; where all are 0 they stay 0.

    Example:
        >>> import torch
        >>> unit(torch.tensor([3.0, 4.0]).view(1, 2, 1, 1)).flatten()
        tensor([0.6000, 0.8000])
    """
    squares = features.square().sum(1, keepdim=True)
    # The root's slope at 0 is infinite, and would make the gradient NaN.
    return features / (squares.where(squares > 0, 1).sqrt() + _EPSILON)


class _Head(nn.Module):
    """The weight of each channel of one layer, under the names of the published files."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.model = nn.Sequential(nn.Identity(), nn.Conv2d(channels, 1, 1, bias=False))

    def forward(self, differences: Tensor) -> Tensor:
        return self.model(differences).mean(-1).mean(-1)[:, 0]


class _Heads(nn.Module):
    """The weights of all layers: from squared differences of features to one number per image."""

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        for place, each in enumerate(channels):
            self.add_module(f"lin{place}", _Head(each))

    def forward(self, differences: list[Tensor]) -> Tensor:
        return torch.stack([head(x) for head, x in zip(self.children(), differences, strict=True)]).sum(0)


_HEADS = {
    network: partial(unfilled, partial(_Heads, channels))
    for network, channels in (
        ("alex", (64, 192, 384, 256, 256)),
        ("vgg", (64, 128, 256, 512, 512)),
        ("squeeze", (64, 128, 256, 384, 384, 512, 512)),
    )
}
