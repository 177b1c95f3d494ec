"""The layers of a network that give feature maps: which there are, and what they give."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from limen.classifier import Classifier
from limen.errors import UnknownNameError, UsageError
from limen.images import check_images

_NEAREST = 10


def feature_layer(classifier: Classifier, images: Tensor) -> str:
    """The last layer whose output is a feature map (N, C, H, W) with a side above 1.

    That is the last before global pooling or flattening.

    Args:
        classifier: The model.
        images: At least one image that the model takes; the first is sent through it.

    Raises:
        UsageError: If there is no such layer.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 14 * 14, 5))
        >>> feature_layer(Classifier(net), torch.rand(1, 3, 16, 16))
        '1'
    """
    last, _, _ = _traced(classifier, images)
    if last is None:
        raise UsageError("the model has no layer that gives a feature map (N, C, H, W) above 1×1")
    return last.layer


def pooled_head(classifier: Classifier, images: Tensor, layer: str | None = None) -> tuple[str, Tensor]:
    """The layer whose feature maps a linear head weighs after global average pooling, and the weights (K, C).

    The first image is sent through the model. A layer that is named is the one that the head must belong to.

    Raises:
        UsageError: If the model has no such head.
    """
    _, head, logits = _traced(classifier, images, layer)
    if head is None or head.before is None:
        raise UsageError(f"CAM needs a feature map before a linear head; {_OTHERS}")
    average = head.before.features.mean((2, 3))
    received = head.received.flatten(2).mean(2) if head.received.ndim == 4 else head.received
    rounding = 1e-4 * float(average.abs().max())
    fits = received.shape == average.shape and torch.allclose(received, average, rtol=1e-3, atol=rounding)
    if not fits or head.layer.weight.shape[0] != logits.shape[1]:
        raise UsageError(
            "CAM needs a linear head on the spatial average of its feature maps, and this model's head "
            f"does not receive the average of {head.before.layer!r}; {_OTHERS}"
        )
    return head.before.layer, head.layer.weight.detach().flatten(1)


def check_layer(classifier: Classifier, layer: str | None) -> None:
    """Refuse a layer that the model does not have.

    Raises:
        UnknownNameError: Offers the nearest names.
    """
    names = [name for name in _modules(classifier) if name]
    if layer is not None and layer not in names:
        # A network has hundreds of layers: only the nearest help.
        raise UnknownNameError(
            "layer", layer, difflib.get_close_matches(layer, names, n=_NEAREST, cutoff=0.0)
        )


@contextmanager
def gathering(classifier: Classifier, layer: str, tracked: bool = False) -> Iterator[list[Tensor]]:
    """Gather the layer's feature maps, one tensor for each piece of the batch that the model is run on.

    They are leaves that the rest of the network hangs on, so that a backward pass ends there, unless they
    are tracked, and so hang on the images. They are copies, as the network may go on to change its own in
    place.
    """
    gathered: list[Tensor] = []
    last: list[Tensor] = []

    def keep(module: nn.Module, args: Any, output: Any) -> Tensor | None:
        if not _is_map(output):
            return None
        # A module may be used several times; the last time counts.
        last[:] = [output.clone() if tracked and output.requires_grad else output.detach().requires_grad_()]
        return last[0].clone()

    def close(module: nn.Module, args: Any, output: Any) -> None:
        gathered.extend(last)
        last.clear()

    hooks = [
        _modules(classifier)[layer].register_forward_hook(keep),
        classifier.module.register_forward_hook(close),
    ]
    try:
        yield gathered
    finally:
        for hook in hooks:
            hook.remove()


def maps_of_each_size(classifier: Classifier, images: Tensor) -> list[Tensor]:
    """Of every size that the model's feature maps have, those of the last layer that gives maps of that size.

    They are differentiable in the images, and come in the order in which the sizes first appear.

    Args:
        classifier: The model.
        images: Images (N, C, H, W) that the model takes; it is run on them once.

    Returns:
        Feature maps (N, C, h, w), those of 1×1 left out.

    Raises:
        UsageError: If no layer gives a feature map.

    Example:
        >>> layers = nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()
        >>> net = nn.Sequential(*layers, nn.Linear(8 * 8 * 8, 5))
        >>> [tuple(each.shape) for each in maps_of_each_size(Classifier(net), torch.rand(2, 3, 16, 16))]
        [(2, 8, 16, 16), (2, 8, 8, 8)]
    """
    pieces: list[dict[torch.Size, Tensor]] = []
    found: dict[torch.Size, Tensor] = {}

    def keep(module: nn.Module, args: Any, output: Any) -> None:
        if _is_map(output):
            found[output.shape[2:]] = output

    def close(module: nn.Module, args: Any, output: Any) -> None:
        pieces.append(dict(found))
        found.clear()

    layers = [module for name, module in classifier.module.named_modules() if name]
    hooks = [module.register_forward_hook(keep) for module in layers]
    hooks.append(classifier.module.register_forward_hook(close))
    try:
        classifier(images)
    finally:
        for hook in hooks:
            hook.remove()
    if not pieces or not pieces[0]:
        raise UsageError("the model has no layer that gives a feature map (N, C, H, W) above 1×1")
    return [torch.cat([piece[size] for piece in pieces]) for size in pieces[0]]


def _modules(classifier: Classifier) -> dict[str, nn.Module]:
    return dict(classifier.module.named_modules(remove_duplicate=False))


def _is_map(output: Any) -> bool:
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


_OTHERS = "use gradcam or gradcam++, which need no such head"


def _traced(
    classifier: Classifier, images: Tensor, layer: str | None = None
) -> tuple[_Map | None, _Head | None, Tensor]:
    """The last feature map and linear layer that the first image comes by, and its logits.

    With a layer named, only its feature maps are noted. All but the last are let go, as networks are deep.
    """
    check_images(images)
    if not len(images):
        raise UsageError("finding a layer takes one image at least")
    last: _Map | None = None
    head: _Head | None = None

    def note_map(name: str, module: nn.Module, args: Any, output: Any) -> None:
        nonlocal last
        if _is_map(output):
            last = _Map(name, output.clone())

    def note_head(module: Any, args: tuple[Any, ...]) -> None:
        nonlocal head
        head = _Head(module, args[0].clone(), last)

    hooks = []
    try:
        for name, module in _modules(classifier).items():
            if name and layer in (None, name):
                hooks.append(module.register_forward_hook(partial(note_map, name)))
            if _is_linear(module):
                hooks.append(module.register_forward_pre_hook(note_head))
        with torch.no_grad():
            logits = classifier(images[:1].detach())
    finally:
        for hook in hooks:
            hook.remove()
    return last, head, logits


def _is_linear(module: nn.Module) -> bool:
    pointwise = isinstance(module, nn.Conv2d) and module.groups == 1 and set(module.kernel_size) == {1}
    return pointwise or isinstance(module, nn.Linear)
