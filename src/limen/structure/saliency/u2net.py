"""U²-Net: a salient-object network of nested U-shapes (Qin et al. 2020)."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, max_pool2d

from limen.structure.saliency.objects import as_colour, object_maps
from limen.weights.networks import network_of, normalized

# The names of layers are those of the published weights.


class _Block(nn.Module):
    """Convolution, batch normalisation and ReLU."""

    def __init__(self, inputs: int, outputs: int, dilation: int) -> None:
        super().__init__()
        self.conv_s1 = nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation)
        self.bn_s1 = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn_s1(self.conv_s1(x)).relu()


class _Level(NamedTuple):
    """One stage: how deep its U is, whether it dilates in place of pooling, its inner and outer channels."""

    depth: int
    dilated: bool
    middle: int
    outputs: int


class _U(nn.Module):
    """A residual U-block: RSU-L of the paper, or RSU-4F where it dilates in place of pooling."""

    def __init__(self, level: _Level, inputs: int) -> None:
        super().__init__()
        depth, self.dilated, middle, outputs = level
        self.depth = depth
        self.rebnconvin = _Block(inputs, outputs, 1)
        for k in range(1, depth + 1):
            dilation = 2 ** (k - 1) if self.dilated else 2 if k == depth else 1
            self.add_module(f"rebnconv{k}", _Block(outputs if k == 1 else middle, middle, dilation))
        for k in range(depth - 1, 0, -1):
            block = _Block(2 * middle, outputs if k == 1 else middle, 2 ** (k - 1) if self.dilated else 1)
            self.add_module(f"rebnconv{k}d", block)

    def forward(self, x: Tensor) -> Tensor:
        x = start = self.rebnconvin(x)
        skipped = []
        for k in range(1, self.depth):
            x = self.get_submodule(f"rebnconv{k}")(x if k == 1 or self.dilated else halved(x))
            skipped.append(x)
        x = self.get_submodule(f"rebnconv{self.depth}")(x)
        for k in range(self.depth - 1, 0, -1):
            skip = skipped.pop()
            x = self.get_submodule(f"rebnconv{k}d")(torch.cat([enlarged(x, skip), skip], 1))
        return x + start


class NestedU(nn.Module):
    """A U of U-blocks with one logit map per stage; U²-Net, and IS-Net but for its first layer.

    Args:
        inputs: Channels of the images.
        down: The six stages that go down.
        up: The five that go up, the finest first.
    """

    def __init__(self, inputs: int, down: tuple[_Level, ...], up: tuple[_Level, ...]) -> None:
        super().__init__()
        entering = (inputs, *(level.outputs for level in down))
        for k, level in enumerate(down, start=1):
            self.add_module(f"stage{k}", _U(level, entering[k - 1]))
        for k, level in enumerate(up, start=1):
            below = up[k].outputs if k < len(up) else down[-1].outputs
            self.add_module(f"stage{k}d", _U(level, below + down[k - 1].outputs))
        for k, level in enumerate((*up, down[-1]), start=1):
            self.add_module(f"side{k}", nn.Conv2d(level.outputs, 1, 3, padding=1))
        self.stages = len(down)

    def sides(self, x: Tensor, like: Tensor) -> list[Tensor]:
        """Logits (N, 1, h, w) of every stage, the finest first, at the size of another tensor."""
        skipped = []
        for k in range(1, self.stages + 1):
            x = self.get_submodule(f"stage{k}")(x if k == 1 else halved(x))
            skipped.append(x)
        found = [skipped.pop()]
        while skipped:
            skip = skipped.pop()
            stage = self.get_submodule(f"stage{len(skipped) + 1}d")
            found.append(stage(torch.cat([enlarged(found[-1], skip), skip], 1)))
        maps = enumerate(reversed(found), start=1)
        return [enlarged(self.get_submodule(f"side{k}")(each), like) for k, each in maps]


class U2Net(NestedU):
    """U²-Net of 44 million parameters, or the small U²-Net†."""

    def __init__(self, small: bool = False) -> None:
        middle = (16,) * 6 if small else (32, 32, 64, 128, 256, 256)
        outputs = (64,) * 6 if small else (64, 128, 256, 512, 512, 512)
        rising = (64,) * 5 if small else (64, 64, 128, 256, 512)
        super().__init__(3, levels(middle, outputs), levels((16, *middle[1:5]), rising))
        self.outconv = nn.Conv2d(6, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, 1, h, w) of normalised images (N, 3, h, w)."""
        return self.outconv(torch.cat(self.sides(x, x), 1))


def levels(middle: tuple[int, ...], outputs: tuple[int, ...]) -> tuple[_Level, ...]:
    """The stages of the paper's depths: 7, 6, 5, 4, and 4 that dilate."""
    depths = (7, 6, 5, 4, 4, 4)
    return tuple(_Level(depths[k], k > 3, middle[k], outputs[k]) for k in range(len(outputs)))


def halved(x: Tensor) -> Tensor:
    """Maximum of each 2×2, of sides rounded up."""
    return max_pool2d(x, 2, 2, ceil_mode=True)


def enlarged(x: Tensor, like: Tensor) -> Tensor:
    """Bilinearly enlarged to the size of another tensor."""
    return interpolate(x, like.shape[2:], mode="bilinear")


def small_u2net() -> U2Net:
    """U²-Net†, of 1.1 million parameters."""
    return U2Net(small=True)


def u2net(images: Tensor, *, weights: Path, small: bool = False, size: int = 320) -> Tensor:
    """U²-Net with published weights: how surely each pixel is of the salient object.

    Args:
        images: (N, C, H, W) in [0, 1], of 1 or 3 channels.
        weights: A file with the weights that the authors publish, `u2net.pth` or `u2netp.pth`.
        small: Whether they are those of the small network, `u2netp.pth`.
        size: Side to which images are resized.

    Returns:
        Maps (N, H, W) in [0, 1], differentiable in the images; `density_of` divides them by their sums.

    Raises:
        UsageError: If the images are none of 1 or 3 channels.
        WeightsError: If the file cannot be read, or is of another network; the message names its keys.

    Source:
        Qin et al., Pattern Recognition 106, 2020, and its program, which divides an image by its maximum.
    """
    colour = as_colour(images)
    network = network_of(small_u2net if small else U2Net, Path(weights), images)

    def logits(resized: Tensor) -> Tensor:
        highest = resized.amax((1, 2, 3), keepdim=True)
        return network(normalized(resized / highest.where(highest > 0, 1)))

    return object_maps(logits, colour, size, antialias=True)
