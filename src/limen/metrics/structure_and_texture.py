"""Deep image structure and texture similarity (Ding, Ma, Wang & Simoncelli 2020)."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, interpolate

from limen.metrics.feature_networks import BACKBONES, CLASSIFIER, FeatureNetwork, check_rgb_pair
from limen.weights import find
from limen.weights.networks import network_of

_VGG = BACKBONES["vgg"]
_CHANNELS = (3, 64, 128, 256, 512, 512)
_CONSTANT = 1e-6
_SIDE = 256  # to which larger images are made smaller
_HANN = ((0.0625, 0.125, 0.0625), (0.125, 0.25, 0.125), (0.0625, 0.125, 0.0625))


def dists(
    a: Tensor, b: Tensor, *, resize: bool = True, backbone: Path | None = None, heads: Path | None = None
) -> Tensor:
    """DISTS: how far means, which make texture, and structures of an image's and VGG16's maps are apart.

    Of each channel of the image and of five layers of VGG16, whose poolings are made free of aliasing, SSIM's
    luminance and structure terms are taken over all places. The distance is their weighed mean distance from
    1, computed so that no digits are lost where it is near 0.

    Args:
        a: Images (N, C, H, W) in [0, 1], 1 or 3 channels, grey ones taken as R = G = B, sides at least 16.
        b: Images of the same shape, dtype and device.
        resize: Whether images whose shorter side is above 256 are made smaller first, so that it is 256. The
            values of large images differ much between the two.
        backbone: A file with weights of VGG16; None for those that torchvision publishes.
        heads: A file with the weights of the channels; None for those that the authors publish.

    Returns:
        Distances in [0, ∞), mostly below 1, (N,): 0 for equal images, where the gradient is exactly zero.

    Raises:
        UsageError: If either batch is not one of images, the two differ in kind, have neither 1 nor 3
            channels, or a side is below 16.
        WeightsError: If weights are not at hand, or are of another network.

    Source:
        Ding, Ma, Wang & Simoncelli, TPAMI 2020, eq. 5–8, and its program, which makes images smaller before
        they are compared. With `resize` it is done as piq does it, without antialiasing.
    """
    a, b = check_rgb_pair("DISTS", a, b, _VGG.least_side)
    layers = network_of(_network, find(_VGG.file, backbone), a, beyond=CLASSIFIER)
    weigh = network_of(_Weights, find("dists_weights-f5e65c96.pt", heads), a)
    if len(a) == 0:
        return a.new_zeros(0)
    if resize and min(a.shape[2:]) > _SIDE:
        a, b = _smaller(a), _smaller(b)
    pairs = [(a, b), *zip(layers(a), layers(b), strict=True)]
    terms = [_missing(x, y) for x, y in pairs]
    return weigh(*(torch.cat(each, 1) for each in zip(*terms, strict=True)))


class _Pooling(nn.Module):
    """The root mean square under a Hann window, at every other place."""

    def forward(self, x: Tensor) -> Tensor:
        channels = x.shape[1]
        kernel = x.new_tensor(_HANN).expand(channels, 1, 3, 3)
        return (conv2d(x.square(), kernel, stride=2, padding=1, groups=channels) + 1e-12).sqrt()


class _Weights(nn.Module):
    """Of each channel, the weights of its mean and its structure, under the published file's names."""

    def __init__(self) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.empty(1, sum(_CHANNELS), 1, 1))
        self.beta = nn.Parameter(torch.empty(1, sum(_CHANNELS), 1, 1))

    def forward(self, texture: Tensor, structure: Tensor) -> Tensor:
        alpha, beta = self.alpha.flatten(), self.beta.flatten()
        return (texture @ alpha + structure @ beta) / (alpha.sum() + beta.sum())


def _network() -> FeatureNetwork:
    return FeatureNetwork(_VGG.key, _Pooling())


def _smaller(images: Tensor) -> Tensor:
    scale = _SIDE / min(images.shape[2:])
    return interpolate(images, scale_factor=scale, mode="bilinear", recompute_scale_factor=False)


def _missing(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """What the similarity of means and that of structures lack to 1, of each channel, (N, C)."""
    # 1 − (2pq + c) / (p² + q² + c) = (p − q)² / (p² + q² + c), of means and, as covariances, of maps.
    (mean_x, variance_x), (mean_y, variance_y) = _moments(x), _moments(y)
    texture = (mean_x - mean_y).square() / (mean_x.square() + mean_y.square() + _CONSTANT)
    structure = _moments(x - y)[1] / (variance_x + variance_y + _CONSTANT)
    return texture, structure


def _moments(maps: Tensor) -> tuple[Tensor, Tensor]:
    mean = maps.mean(-1, keepdim=True).mean(-2, keepdim=True)
    return mean[:, :, 0, 0], (maps - mean).square().mean(-1).mean(-1)
