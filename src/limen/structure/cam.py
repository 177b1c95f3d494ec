"""Class activation maps: where a convolutional classifier finds the evidence for a class."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from limen.classifier import Classifier, check_labels
from limen.errors import UnknownNameError, UsageError
from limen.images import check_images

METHODS = ("cam", "gradcam", "gradcam++")
"""CAM, Grad-CAM and Grad-CAM++."""

_NEAREST = 10
_ROUNDINGS = 32


def class_activation_map(
    classifier: Classifier,
    images: Tensor,
    classes: Tensor | None = None,
    method: str = "gradcam++",
    layer: str | None = None,
) -> Tensor:
    """How much each place of an image speaks for a class, from 0 (least) to 1 (most).

    The weighted sum of a layer's feature maps A, its negative part cut off, enlarged to the image's
    size (bilinear) and stretched to [0, 1]. The weight of a map, with g the gradient of the class's
    logit by it, is

    - `"cam"` (Zhou et al., CVPR 2016): the head's weight of that map; only for networks whose
      linear head follows, or precedes, global average pooling;
    - `"gradcam"` (Selvaraju et al., ICCV 2017, eq. 1): the mean of g;
    - `"gradcam++"` (Chattopadhay et al., WACV 2018, eq. 19 and 21): Σ α·ReLU(g) with
      α = g² / (2g² + g³·ΣA) = 1 / (2 + g·ΣA).

    The model's mode, gradients and hooks are left as they were, also when it raises. One forward pass
    (and another of a single image, if the layer has to be found), and a backward pass from the logits to
    the layer.

    Args:
        classifier: The model, convolutional up to the layer.
        images: A batch (N, C, H, W) in [0, 1].
        classes: The class to ask about of each image, int64 (N,); None for the model's prediction.
        method: One of `METHODS`.
        layer: Dotted name of a submodule whose output is a feature map; None for what
            `feature_layer` finds. What the module itself returns counts: a ReLU that the network
            applies to it as a function does not.

    Returns:
        Maps in [0, 1], (N, H, W); all 0 where a map is flat.

    Raises:
        UnknownNameError: For a method or a layer that does not exist.
        UsageError: If the layer gives no feature map, none can be found, or `"cam"` is asked of a
            network without such a head.
        ModelError: If the model raises.

    Example:
        >>> net = nn.Sequential(
        ...     nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)
        ... )
        >>> class_activation_map(Classifier(net), torch.rand(2, 3, 16, 16), method="gradcam").shape
        torch.Size([2, 16, 16])
    """
    check_images(images)
    _check_names(classifier, method, layer)
    if not len(images):
        return images.new_zeros(0, *images.shape[2:])
    images = images.detach()
    head = None
    if layer is None or method == "cam":
        layer, head = _found(classifier, images, method, layer)
    with torch.enable_grad():
        with _gathering(classifier, layer) as gathered:
            logits = classifier(images)
        if not gathered:
            raise UsageError(f"layer {layer!r} gives no feature map (N, C, H, W) above 1×1; name another")
        classes = logits.argmax(1) if classes is None else classes
        check_labels(classes, images, logits.shape[1], "classes")
        score = logits.gather(1, classes[:, None]).sum()
    # A lone image was doubled by the classifier; its double comes last and is cut off.
    features = torch.cat(gathered).detach()[: len(images)]
    if head is not None:
        weights = head.weight.detach().flatten(1)[classes]
    else:
        gradients = torch.cat(torch.autograd.grad(score, gathered))[: len(images)]
        weights = _WEIGHTS[method](features, gradients)
    maps = (weights[:, :, None, None] * features).sum(1, keepdim=True).relu()
    return _stretched(interpolate(maps, images.shape[2:], mode="bilinear", align_corners=False)[:, 0])


def feature_layer(classifier: Classifier, images: Tensor, method: str = "gradcam++") -> str:
    """The name of the layer that `class_activation_map` takes if none is named.

    It is the last module whose output is a feature map (N, C, H, W) with a side above 1, which means the last
    before global pooling or flattening; for `"cam"`, the last before the linear head.

    Args:
        classifier: The model.
        images: At least one image that the model takes; the first is sent through it.
        method: One of `METHODS`.

    Raises:
        UsageError: If there is no such layer.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 14 * 14, 5))
        >>> feature_layer(Classifier(net), torch.rand(1, 3, 16, 16))
        '1'
    """
    check_images(images)
    _check_names(classifier, method, None)
    if not len(images):
        raise UsageError("finding a layer takes one image at least")
    return _found(classifier, images, method, None)[0]


def _grad_cam(features: Tensor, gradients: Tensor) -> Tensor:
    return gradients.mean((2, 3))


def _grad_cam_pp(features: Tensor, gradients: Tensor) -> Tensor:
    # Divided through by g², as where g = 0 the weight is 0 anyway: g² and g³ would underflow.
    denominator = 2 + gradients * features.sum((2, 3), keepdim=True)
    return (gradients.relu() / denominator.where(denominator != 0, 1)).sum((2, 3))


_WEIGHTS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"gradcam": _grad_cam, "gradcam++": _grad_cam_pp}


def _stretched(maps: Tensor) -> Tensor:
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    span = high - low
    # Interpolating a constant leaves roundings, which must not be taken for a map.
    flat = span <= _ROUNDINGS * torch.finfo(maps.dtype).eps * high
    return ((maps - low) / span.where(~flat, 1)).masked_fill(flat, 0)


def _check_names(classifier: Classifier, method: str, layer: str | None) -> None:
    if method not in METHODS:
        raise UnknownNameError("method", method, METHODS)
    names = [name for name in _modules(classifier) if name]
    if layer is not None and layer not in names:
        # A network has hundreds of layers: only the nearest help.
        raise UnknownNameError(
            "layer", layer, difflib.get_close_matches(layer, names, n=_NEAREST, cutoff=0.0)
        )


def _modules(classifier: Classifier) -> dict[str, nn.Module]:
    return dict(classifier.module.named_modules(remove_duplicate=False))


def _is_map(output: Any) -> bool:
    return isinstance(output, Tensor) and output.ndim == 4 and max(output.shape[2:]) > 1


@contextmanager
def _gathering(classifier: Classifier, layer: str) -> Iterator[list[Tensor]]:
    """Gather the layer's feature maps, one tensor for each piece of the batch that the model is run on.

    They are leaves that the rest of the network hangs on, so that a backward pass ends there, and
    copies, as the network may go on to change its own in place.
    """
    gathered: list[Tensor] = []
    last: list[Tensor] = []

    def keep(module: nn.Module, args: Any, output: Any) -> Tensor | None:
        if not _is_map(output):
            return None
        # A module may be used several times; the last time counts.
        last[:] = [output.detach().requires_grad_()]
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


@dataclass(frozen=True)
class _Map:
    """A feature map and the layer that returned it."""

    layer: str
    features: Tensor


@dataclass(frozen=True)
class _Head:
    """A linear layer, what it was given, and the last feature map before it."""

    layer: nn.Linear | nn.Conv2d
    received: Tensor
    before: _Map | None


@dataclass
class _Trace:
    """The last of each kind that a forward pass came by; the others are let go, as networks are deep."""

    map: _Map | None = None
    head: _Head | None = None


def _found(
    classifier: Classifier, images: Tensor, method: str, layer: str | None
) -> tuple[str, nn.Linear | nn.Conv2d | None]:
    """The layer, and for CAM the head whose weights belong to its maps."""
    trace, logits = _traced(classifier, images[:1], layer)
    if method == "cam":
        return _fitting(trace.head, logits.shape[1])
    if trace.map is None:
        raise UsageError("the model has no layer that gives a feature map (N, C, H, W) above 1×1")
    return trace.map.layer, None


def _fitting(head: _Head | None, classes: int) -> tuple[str, nn.Linear | nn.Conv2d]:
    if head is None or head.before is None:
        raise UsageError(f"CAM needs a feature map before a linear head; {_OTHERS}")
    average = head.before.features.mean((2, 3))
    received = head.received.flatten(2).mean(2) if head.received.ndim == 4 else head.received
    rounding = 1e-4 * float(average.abs().max())
    fits = received.shape == average.shape and torch.allclose(received, average, rtol=1e-3, atol=rounding)
    if not fits or head.layer.weight.shape[0] != classes:
        raise UsageError(
            "CAM needs a linear head on the spatial average of its feature maps, and this model's head "
            f"does not receive the average of {head.before.layer!r}; {_OTHERS}"
        )
    return head.before.layer, head.layer


_OTHERS = "use gradcam or gradcam++, which need no such head"


def _traced(classifier: Classifier, image: Tensor, layer: str | None) -> tuple[_Trace, Tensor]:
    """Send an image through the model; with a layer named, only its feature maps are noted."""
    trace = _Trace()

    def note_map(name: str) -> Callable[..., None]:
        def note(module: nn.Module, args: Any, output: Any) -> None:
            if _is_map(output):
                trace.map = _Map(name, output.clone())

        return note

    def note_head(module: Any, args: tuple[Any, ...]) -> None:
        trace.head = _Head(module, args[0].clone(), trace.map)

    hooks = []
    try:
        for name, module in _modules(classifier).items():
            if name and layer in (None, name):
                hooks.append(module.register_forward_hook(note_map(name)))
            if _is_linear(module):
                hooks.append(module.register_forward_pre_hook(note_head))
        with torch.no_grad():
            return trace, classifier(image)
    finally:
        for hook in hooks:
            hook.remove()


def _is_linear(module: nn.Module) -> bool:
    pointwise = isinstance(module, nn.Conv2d) and module.groups == 1 and set(module.kernel_size) == {1}
    return pointwise or isinstance(module, nn.Linear)
