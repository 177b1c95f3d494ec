"""EGNet: a salient-object network that edges guide, on ResNet-50 (Zhao et al. 2019)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from torch import Tensor, nn
from torch.nn.functional import interpolate

from limen.structure.saliency.objects import as_colour, object_maps
from limen.weights.networks import network_of

_BGR_MEAN = (104.00699, 116.66877, 122.67892)
_BACKBONE = (64, 256, 512, 1024, 2048)  # channels of the backbone's five maps …
_CONVERTED = (128, 256, 512, 512, 512)  # … and what they become
_OUTPUTS = (128, 256, 512, 512, 512)
_KERNELS = (3, 3, 5, 5, 7)

# The names of layers are those of the published weights.


def _reduced(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.ReLU())


def _convolved(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    channels = (inputs, outputs, outputs)
    layers = [(nn.Conv2d(each, outputs, kernel, padding=kernel // 2), nn.ReLU()) for each in channels]
    return nn.Sequential(*(layer for pair in layers for layer in pair))


def _score(channels: int) -> nn.Conv2d:
    return nn.Conv2d(channels, 1, 3, padding=1)


def _enlarged(x: Tensor, like: Tensor) -> Tensor:
    return interpolate(x, like.shape[2:], mode="bilinear", align_corners=True)


class _Convert(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.convert0 = nn.ModuleList(map(_reduced, _BACKBONE, _CONVERTED))


class _Merge1(nn.Module):
    """From the deepest map up: one feature of the object per stage, and one of its edges."""

    def __init__(self) -> None:
        super().__init__()
        self.trans = nn.ModuleList([_reduced(256, 128), _reduced(512, 256), _reduced(512, 128)])
        self.up = nn.ModuleList(map(_convolved, _CONVERTED, _OUTPUTS, _KERNELS))
        self.score = nn.ModuleList(map(_score, _OUTPUTS))  # which training needs alone

    def forward(self, maps: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        x = self.up[4](maps[4])
        objects = [x]
        for k in (3, 2, 1):
            x = x if x.shape[1] == maps[k].shape[1] else self.trans[k](x)
            x = self.up[k](maps[k] + _enlarged(x, maps[k]))
            objects.append(x)
        return self.up[0](maps[0] + _enlarged(self.trans[2](objects[0]), maps[0])), objects


class _Merge2(nn.Module):
    """The edges' feature guides that of the object in every stage."""

    def __init__(self) -> None:
        super().__init__()
        self.trans = nn.ModuleList([nn.ModuleList(_reduced(each, 128) for each in _OUTPUTS[1:])])
        self.up = nn.ModuleList([nn.ModuleList(_convolved(128, 128, each) for each in _KERNELS[1:])])
        self.score = nn.ModuleList([nn.ModuleList(_score(128) for _ in _OUTPUTS[1:])])
        self.final_score = nn.Sequential(nn.Conv2d(128, 128, 5, padding=2), nn.ReLU(), _score(128))

    def forward(self, edges: Tensor, objects: list[Tensor]) -> Tensor:
        trans, up = cast(nn.ModuleList, self.trans[0]), cast(nn.ModuleList, self.up[0])
        layers = zip(trans, up, reversed(objects), strict=True)
        first, *others = [merge(_enlarged(reduce(each), edges) + edges) for reduce, merge, each in layers]
        for each in others:
            first = (first + _enlarged(each, first)).relu()
        return self.final_score(first)


class EGNet(nn.Module):
    """EGNet on ResNet-50."""

    def __init__(self) -> None:
        super().__init__()
        self.base = _backbone()
        self.convert = _Convert()
        self.merge1 = _Merge1()
        self.merge2 = _Merge2()

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, 1, h, w) of images (N, 3, h, w) in BGR from 0 to 255, less their mean."""
        base, maps = self.base, []
        x = base.relu(base.bn1(base.conv1(x)))
        maps.append(x)
        x = base.maxpool(x)
        for layer in (base.layer1, base.layer2, base.layer3, base.layer4):
            x = layer(x)
            maps.append(x)
        return self.merge2(
            *self.merge1([up(each) for up, each in zip(self.convert.convert0, maps, strict=True)])
        )


def _backbone() -> Any:
    """Torchvision's ResNet-50 with strides as in Caffe's, and the last stage dilated in place of a stride."""
    from torchvision.models import resnet50

    base: Any = resnet50(weights=None)
    del base.fc
    base.maxpool.ceil_mode = True
    for layer in (base.layer2, base.layer3, base.layer4):
        layer[0].conv1.stride, layer[0].conv2.stride = (2, 2), (1, 1)
    base.layer4[0].conv1.stride = base.layer4[0].downsample[0].stride = (1, 1)
    for block in base.layer4:
        block.conv2.dilation = block.conv2.padding = (2, 2)
    return base


def egnet(images: Tensor, *, weights: Path) -> Tensor:
    """EGNet with published weights: how surely each pixel is of the salient object.

    Args:
        images: (N, C, H, W) in [0, 1], of 1 or 3 channels, at their own size.
        weights: A file with the weights that the authors publish for ResNet-50.

    Returns:
        Maps (N, H, W) in [0, 1], differentiable in the images; `density_of` divides them by their sums.

    Raises:
        UsageError: If the images are none of 1 or 3 channels.
        WeightsError: If the file cannot be read, or is of another network; the message names its keys.

    Source:
        Zhao et al., ICCV 2019, and its program.
    """
    colour = as_colour(images)
    network = network_of(EGNet, Path(weights), images)
    mean = colour.new_tensor(_BGR_MEAN).view(3, 1, 1)
    return object_maps(lambda given: network(255 * given.flip(1) - mean), colour, None)
