"""EfficientNet-B5 with the layer names of lukemelas/EfficientNet-PyTorch, as in DeepGaze IIE's weights."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, silu

SIDE = 456
"""That of the images that the network was trained on, by which its paddings are fixed."""


class _Stage(NamedTuple):
    repeats: int
    kernel: int
    stride: int
    expansion: int
    outputs: int


# B0's stages, 1.6 times as wide and 2.2 times as deep (Tan & Le 2019, Section 3.3).
_STAGES = (
    _Stage(3, 3, 1, 1, 24),
    _Stage(5, 3, 2, 6, 40),
    _Stage(5, 5, 2, 6, 64),
    _Stage(7, 3, 2, 6, 128),
    _Stage(7, 5, 1, 6, 176),
    _Stage(9, 5, 2, 6, 304),
    _Stage(3, 3, 1, 6, 512),
)
_STEM, _HEAD, _CLASSES = 48, 2048, 1000


class _Convolution(nn.Conv2d):
    """Without bias, padded as TensorFlow would pad images of one side."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, groups: int, side: int) -> None:
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=False)
        total = max((math.ceil(side / stride) - 1) * stride + kernel - side, 0)
        self.sides = (total // 2, total - total // 2) * 2

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        return super().forward(pad(input, self.sides))


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


class _Block(nn.Module):
    """An inverted bottleneck with squeeze and excitation."""

    def __init__(self, stage: _Stage, inputs: int, stride: int, side: int) -> None:
        super().__init__()
        self.expands = stage.expansion > 1
        self.skips = stride == 1 and inputs == stage.outputs
        wide, narrow = stage.expansion * inputs, max(1, inputs // 4)
        if self.expands:
            self._expand_conv = _Convolution(inputs, wide, 1, 1, 1, side)
            self._bn0 = _norm(wide)
        self._depthwise_conv = _Convolution(wide, wide, stage.kernel, stride, wide, side)
        self._bn1 = _norm(wide)
        self._se_reduce = nn.Conv2d(wide, narrow, 1)
        self._se_expand = nn.Conv2d(narrow, wide, 1)
        self._project_conv = _Convolution(wide, stage.outputs, 1, 1, 1, side)
        self._bn2 = _norm(stage.outputs)

    def forward(self, x: Tensor) -> Tensor:
        start = x
        if self.expands:
            x = silu(self._bn0(self._expand_conv(x)))
        x = silu(self._bn1(self._depthwise_conv(x)))
        weights = self._se_expand(silu(self._se_reduce(x.mean((2, 3), keepdim=True))))
        x = self._bn2(self._project_conv(torch.sigmoid(weights) * x))
        return x + start if self.skips else x


class EfficientNetB5(nn.Module):
    """The network's feature maps; it has a classifier for the sake of its weights alone."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = _Convolution(3, _STEM, 3, 2, 1, SIDE)
        self._bn0 = _norm(_STEM)
        blocks, channels, side = [], _STEM, SIDE // 2
        for stage in _STAGES:
            for repeat in range(stage.repeats):
                stride = 1 if repeat else stage.stride
                blocks.append(_Block(stage, channels, stride, side))
                channels, side = stage.outputs, math.ceil(side / stride)
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = _Convolution(channels, _HEAD, 1, 1, 1, side)
        self._bn1 = _norm(_HEAD)
        self._fc = nn.Linear(_HEAD, _CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """The last feature map (N, 512, h, w) of normalised images."""
        x = silu(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        return x
