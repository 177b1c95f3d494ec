"""PieAPP, an error learned from which of two images people prefer (Prashnani, Cai, Mostofi & Sen 2018)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from limen.errors import UsageError
from limen.images import LATTICE
from limen.metrics.feature_networks import check_rgb_pair
from limen.weights import find
from limen.weights.networks import network_of, unfilled

_PATCH = 64
_PIECE = 128  # patches at once, each of which has 120,832 features

Channels = Literal["bgr", "rgb"]
"""The order of colours that a network is given."""


def pieapp(
    a: Tensor, b: Tensor, *, channels: Channels = "bgr", stride: int = 27, weights: Path | None = None
) -> Tensor:
    """PieAPP v0.1: how much worse than the original an image looks, averaged over patches.

    Args:
        a: Original images (N, C, H, W) in [0, 1], 1 or 3 channels, grey ones taken as R = G = B, both sides
            at least 64.
        b: Images of the same shape, dtype and device. PieAPP is not symmetric.
        channels: The order of colours in which the network is given the images. The authors' program reads
            them as blue, green, red, with which the published weights were used; piq gives red, green, blue.
        stride: How many pixels patches are apart; the authors compare with 6, and use 27 where time is short.
        weights: A file with the network's weights; None for those that are published.

    Returns:
        Errors, (N,), about 0 for equal images, lower for closer ones. The gradient is not zero there.

    Raises:
        UsageError: If either batch is not one of images, the two differ in kind, have neither 1 nor 3
            channels, or a side is below 64; or if an option is out of range.
        WeightsError: If weights are not at hand, or are of another network.

    Source:
        Prashnani, Cai, Mostofi & Sen, CVPR 2018, and its program; the network is piq's.
    """
    if stride < 1 or channels not in ("bgr", "rgb"):
        raise UsageError(f"stride must be 1 or more and channels bgr or rgb, not {stride} and {channels!r}")
    a, b = check_rgb_pair("PieAPP", a, b, _PATCH)
    network = network_of(_network, find("PieAPPv0.1.pth", weights), a)
    if len(a) == 0:
        return a.new_zeros(0)
    originals, images = (_patches(each, channels, stride).split(_PIECE) for each in (a, b))
    judged = [_judged(network, x, y) for x, y in zip(originals, images, strict=True)]
    errors, weigh = (torch.cat(each).view(len(a), -1) for each in zip(*judged, strict=True))
    return (errors * weigh).sum(1) / weigh.sum(1)


def _patches(images: Tensor, channels: str, stride: int) -> Tensor:
    """The patches (P, 3, 64, 64) of all images in 0…255, those of an image side by side."""
    if channels == "bgr":
        images = images.flip(1)
    cut = (LATTICE * images).unfold(2, _PATCH, stride).unfold(3, _PATCH, stride)
    return cut.permute(0, 2, 3, 1, 4, 5).flatten(0, 2)


class _Affine(nn.Module):
    """One factor and one offset, whose factor the published file has as a vector and not as a matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(1))
        self.bias = nn.Parameter(torch.empty(1))

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * x + self.bias


def _network() -> nn.Module:
    from piq.pieapp import PieAPPModel

    network = unfilled(PieAPPModel)
    network.add_module("ref_score_subtract", _Affine())
    return network


def _judged(network: Any, originals: Tensor, images: Tensor) -> tuple[Tensor, Tensor]:
    """The error and the weight of each patch, (P,)."""
    (features, weights), (others, other_weights) = network(originals), network(images)
    errors, weigh = network.compute_difference(features - others, weights - other_weights)
    return errors[:, 0], weigh[:, 0]
