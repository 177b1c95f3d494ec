"""The part of an image that a classifier looks at, as a mask."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from limen.classifier import Classifier
from limen.errors import UsageError
from limen.structure.attention import Attention, attention_named

THRESHOLD = 4 / 12
"""Dong et al.'s, of attention in [0, 1]."""


def foreground(maps: Tensor, threshold: float = THRESHOLD) -> Tensor:
    """Where maps are at or above a threshold.

    A map that is 0 everywhere, as that of an image in which nothing was found, gives an empty mask at any
    threshold above 0; `empty_or_full` tells.

    Args:
        maps: Attention or saliency in [0, 1], (N, H, W).
        threshold: In [0, 1]; at 0 everything is foreground.

    Returns:
        Masks, bool (N, 1, H, W), one for all channels.

    Raises:
        UsageError: If the shape is another, or the threshold is outside [0, 1].

    Source:
        Dong et al. 2020, Section 3.3, eq. 2.

    Example:
        >>> import torch
        >>> foreground(torch.tensor([[[0.0, 0.3, 0.4, 1.0]]]))
        tensor([[[[False, False,  True,  True]]]])
    """
    if maps.ndim != 3:
        raise UsageError(f"maps have shape {tuple(maps.shape)}; expected (N, H, W)")
    if not 0 <= threshold <= 1:
        raise UsageError(f"threshold must be in [0, 1], not {threshold}")
    return (maps >= threshold)[:, None]


def attention_mask(
    classifier: Classifier,
    images: Tensor,
    classes: Tensor | None = None,
    method: str | Attention = "cam",
    threshold: float = THRESHOLD,
    **options: Any,
) -> Tensor:
    """The foreground of the attention that a classifier pays to images.

    Args:
        classifier: The model.
        images: (N, C, H, W) in [0, 1].
        classes: The class to ask about of each image, int64 (N,); None for the model's prediction.
        method: A name in `ATTENTION`, or a function of a classifier, images and classes that gives maps
            (N, H, W) in [0, 1].
        threshold: That of `foreground`.
        **options: Those of the method, such as `layer`.

    Returns:
        Masks, bool (N, 1, H, W).

    Raises:
        UnknownNameError: For a method that does not exist.
        UsageError: If the threshold is outside [0, 1], the method refuses the classifier, or its maps have
            another shape.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> net = nn.Sequential(
        ...     nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)
        ... )
        >>> mask = attention_mask(Classifier(net), torch.rand(2, 3, 16, 16), relu=False, enlarge="nearest")
        >>> mask.shape, mask.dtype
        (torch.Size([2, 1, 16, 16]), torch.bool)
    """
    maps = attention_named(method)(classifier, images, classes, **options)
    if maps.shape != (len(images), *images.shape[2:]):
        raise UsageError(f"attention maps have shape {tuple(maps.shape)}; expected one (H, W) for each image")
    return foreground(maps, threshold)
