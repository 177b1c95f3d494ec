"""Class activation maps: where a convolutional classifier finds the evidence for a class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from limen.classifier import Classifier, check_labels
from limen.errors import UnknownNameError, UsageError
from limen.images import check_images
from limen.structure.asking import taking
from limen.structure.feature_maps import (
    by_draw,
    check_layer,
    feature_layer,
    gathering,
    pooled_head,
    token_grid,
)

_ROUNDINGS = 32

Enlargement = Literal["bilinear", "nearest"]
"""How a map is brought to the size of the image."""

Weigh = Callable[[Tensor, Tensor], Tensor]
"""Feature maps (N, C, H, W) and the gradient of the class's logit by them, to the maps' weights (N, C)."""


@taking((1, 0))
def cam(
    classifier: Classifier,
    images: Tensor,
    classes: Tensor | None = None,
    *,
    layer: str | None = None,
    relu: bool = True,
    enlarge: Enlargement = "bilinear",
) -> Tensor:
    """CAM: a map's weight is that of the linear head, which must follow or precede global average pooling.

    Arguments and result are those of `gradcam_plus_plus`; any other network is refused.

    Source:
        Zhou et al., CVPR 2016.
    """
    _check(classifier, images, layer, enlarge)
    if not len(images):
        return images.new_zeros(0, *images.shape[2:])
    layer, weight = pooled_head(classifier, images, layer)
    features, _, classes = _answered(classifier, images, classes, layer)
    return _drawn(features, weight[classes], images, relu, enlarge)


@taking((1, 1))
def gradcam(
    classifier: Classifier,
    images: Tensor,
    classes: Tensor | None = None,
    *,
    layer: str | None = None,
    relu: bool = True,
    enlarge: Enlargement = "bilinear",
) -> Tensor:
    """Grad-CAM: a map's weight is the mean of the gradient of the class's logit by it.

    Arguments, result and errors are those of `gradcam_plus_plus`.

    Source:
        Selvaraju et al., ICCV 2017, eq. 1.
    """
    return _by_gradient(classifier, images, classes, layer, relu, enlarge, _grad_cam)


@taking((1, 1))
def gradcam_plus_plus(
    classifier: Classifier,
    images: Tensor,
    classes: Tensor | None = None,
    *,
    layer: str | None = None,
    relu: bool = True,
    enlarge: Enlargement = "bilinear",
) -> Tensor:
    """Grad-CAM++: a map's weight is Σ α·ReLU(g), with g the gradient of the class's logit by it.

    How much each place of an image speaks for a class, from 0 (least) to 1 (most): the weighted sum of a
    layer's feature maps A, its negative part cut off, enlarged to the image's size and stretched to
    [0, 1]. Here α = g² / (2g² + g³·ΣA) = 1 / (2 + g·ΣA).

    The maps are differentiable in images that require a gradient, also through their weights. The model's
    mode, gradients and hooks are left as they were, also when it raises. One forward pass
    (and another of a single image, if the layer has to be found), and a backward pass from the logits to
    the layer.

    Args:
        classifier: The model, convolutional up to the layer.
        images: A batch (N, C, H, W) in [0, 1].
        classes: The class to ask about of each image, int64 (N,); None for the model's prediction.
        layer: Dotted name of a submodule whose output is a feature map, or the tokens (N, T, C) of a
            transformer, where they are on the grid of its patches; None for what `feature_layer` finds.
            What the module itself returns counts: a ReLU that the network applies to it as a function does
            not.
        relu: Whether to cut off what speaks against the class; the program of Dong et al. 2020 does not.
        enlarge: `bilinear`, or `nearest`, with which a place of the layer is a block, as in that program.

    Returns:
        Maps in [0, 1], (N, H, W); all 0 where a map is flat.

    Raises:
        UnknownNameError: For a layer or an enlargement that does not exist.
        UsageError: If the layer gives no feature map, or none can be found.
        ModelError: If the model raises.

    Source:
        Chattopadhay et al., WACV 2018, eq. 19 and 21.

    Example:
        >>> from torch import nn
        >>> net = nn.Sequential(
        ...     nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)
        ... )
        >>> gradcam_plus_plus(Classifier(net), torch.rand(2, 3, 16, 16)).shape
        torch.Size([2, 16, 16])
    """
    return _by_gradient(classifier, images, classes, layer, relu, enlarge, _grad_cam_pp)


def _by_gradient(
    classifier: Classifier,
    images: Tensor,
    classes: Tensor | None,
    layer: str | None,
    relu: bool,
    enlarge: Enlargement,
    weigh: Weigh,
) -> Tensor:
    _check(classifier, images, layer, enlarge)
    if not len(images):
        return images.new_zeros(0, *images.shape[2:])
    grid = None if layer is None else token_grid(classifier, images, layer)
    layer = layer or feature_layer(classifier, images)
    features, gradients, _ = _answered(classifier, images, classes, layer, grid)
    return _drawn(features, weigh(features, gradients()), images, relu, enlarge)


def _check(classifier: Classifier, images: Tensor, layer: str | None, enlarge: Enlargement) -> None:
    check_images(images)
    check_layer(classifier, layer)
    if enlarge not in get_args(Enlargement):
        raise UnknownNameError("enlargement", enlarge, get_args(Enlargement))


def _answered(
    classifier: Classifier,
    images: Tensor,
    classes: Tensor | None,
    layer: str,
    grid: tuple[int, int] | None = None,
) -> tuple[Tensor, Callable[[], Tensor], Tensor]:
    """A layer's feature maps, what gives the gradient of the classes' logits by them, and the classes."""
    tracked = images.requires_grad and torch.is_grad_enabled()
    with torch.enable_grad():
        with gathering(classifier, layer, tracked, grid) as gathered:
            logits = classifier(images if tracked else images.detach())
        if not gathered:
            raise UsageError(f"layer {layer!r} gives no feature map (N, C, H, W) above 1×1; name another")
        asked = logits.argmax(1) if classes is None else classes
        check_labels(asked, images, logits.shape[1], "classes")
        score = logits.gather(1, asked[:, None]).sum()

    def gradients() -> Tensor:
        return by_draw(torch.autograd.grad(score, gathered, create_graph=tracked), len(images)).sum(0)

    features = by_draw(gathered, len(images)).mean(0)
    return features if tracked else features.detach(), gradients, asked


def _drawn(features: Tensor, weights: Tensor, images: Tensor, relu: bool, enlarge: Enlargement) -> Tensor:
    maps = (weights[:, :, None, None] * features).sum(1, keepdim=True)
    return _stretched(interpolate(maps.relu() if relu else maps, images.shape[2:], mode=enlarge)[:, 0])


def _grad_cam(features: Tensor, gradients: Tensor) -> Tensor:
    return gradients.mean((2, 3))


def _grad_cam_pp(features: Tensor, gradients: Tensor) -> Tensor:
    # Divided through by g², as where g = 0 the weight is 0 anyway: g² and g³ would underflow.
    denominator = 2 + gradients * features.sum((2, 3), keepdim=True)
    return (gradients.relu() / denominator.where(denominator != 0, 1)).sum((2, 3))


def _stretched(maps: Tensor) -> Tensor:
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    span = high - low
    # Interpolating a constant leaves roundings, which must not be taken for a map.
    flat = span <= _ROUNDINGS * torch.finfo(maps.dtype).eps * torch.maximum(low.abs(), high.abs())
    return ((maps - low) / span.where(~flat, 1)).masked_fill(flat, 0)
