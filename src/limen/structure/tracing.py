"""What an image comes by on its way through a network: feature maps, tokens, the head."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from limen.classifier import Classifier
from limen.errors import UsageError
from limen.images import check_images

_SPATIAL = (
    nn.modules.conv._ConvNd,
    nn.BatchNorm2d,
    nn.GroupNorm,
    nn.InstanceNorm2d,
    nn.modules.pooling._MaxPoolNd,
    nn.modules.pooling._AvgPoolNd,
    nn.modules.pooling._AdaptiveAvgPoolNd,
    nn.modules.pooling._AdaptiveMaxPoolNd,
    nn.Dropout2d,
    nn.Upsample,
    nn.PixelShuffle,
)
"""What takes and gives feature maps, so that a tensor of such a shape is one."""


def modules_of(classifier: Classifier) -> dict[str, nn.Module]:
    """The network's modules by their names, a shared one under each of its."""
    return dict(classifier.module.named_modules(remove_duplicate=False))


def is_map(output: Any) -> bool:
    """Whether a layer's output has the shape of a feature map with a side above 1."""
    return isinstance(output, Tensor) and output.ndim == 4 and max(output.shape[2:]) > 1


class _Map(NamedTuple):
    """A feature map and the layer that returned it."""

    layer: str
    features: Tensor


class _Head(NamedTuple):
    """A linear layer, what it was given, and the last feature map before it."""

    layer: nn.Linear | nn.Conv2d
    received: Tensor
    before: _Map | None


class Trace:
    """What the first image comes by on its way through the network.

    Attributes:
        last: The last feature map, and the layer that returned it; of the layer that is named, if one is.
        head: The last linear layer.
        in_tokens: Whether a dense layer on tokens came after the last feature map.
        known: The shapes (C, H, W) of all feature maps.
        grid: The height and width of the last one.
        given: What the layer that is named returned.
        classes: How many logits there are.
    """

    def __init__(self, layer: str | None) -> None:
        self.layer = layer
        self.last: _Map | None = None
        self.head: _Head | None = None
        self.in_tokens = False
        self.known: set[torch.Size] = set()
        self.grid: tuple[int, int] | None = None
        self.given: Tensor | None = None
        self.classes = 0
        self._latest: _Map | None = None

    def note_output(self, name: str, module: nn.Module, args: Any, output: Any) -> None:
        """A forward hook."""
        if self.layer in (None, name) and is_map(output):
            self._latest = _Map(name, output.clone())
        if self.layer == name and isinstance(output, Tensor):
            self.given = output
        if isinstance(module, _SPATIAL) and is_map(output):
            self.known.add(output.shape[1:])
        if is_map(output) and output.shape[1:] in self.known:
            self._note_map(output)

    def note_input(self, module: nn.Module, args: tuple[Any, ...]) -> None:
        """A hook before the forward."""
        if args and isinstance(module, _SPATIAL) and is_map(args[0]):
            self.known.add(args[0].shape[1:])
            self._note_map(args[0])
        if not args or not isinstance(args[0], Tensor):
            return
        if isinstance(module, nn.Linear) and args[0].ndim > 2 and args[0][0, ..., 0].numel() > 1:
            self.in_tokens = True
        if _is_linear(module):
            before = None if self.in_tokens else self.last
            self.head = _Head(cast(nn.Linear, module), args[0].clone(), before)

    def _note_map(self, features: Tensor) -> None:
        self.grid, self.in_tokens = (features.shape[2], features.shape[3]), False
        if self._latest is not None and self._latest.features.shape == features.shape:
            self.last = self._latest


def traced(classifier: Classifier, images: Tensor, layer: str | None = None) -> Trace:
    """What the first of some images comes by.

    With a layer named, only its feature maps are noted. All but the last are let go, as networks are deep.

    Raises:
        UsageError: If there is no image.
    """
    check_images(images)
    if not len(images):
        raise UsageError("finding a layer takes one image at least")
    trace = Trace(layer)
    with ExitStack() as hooks, classifier.unasked(), torch.no_grad():
        for name, module in modules_of(classifier).items():
            if name:
                hooks.enter_context(module.register_forward_hook(partial(trace.note_output, name)))
            hooks.enter_context(module.register_forward_pre_hook(trace.note_input))
        trace.classes = classifier(images[:1].detach()).shape[1]
    return trace


def _is_linear(module: nn.Module) -> bool:
    pointwise = isinstance(module, nn.Conv2d) and module.groups == 1 and set(module.kernel_size) == {1}
    return pointwise or isinstance(module, nn.Linear)
