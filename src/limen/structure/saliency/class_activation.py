"""Class activation as a density: a classifier's attention in place of people's."""

from __future__ import annotations

from torch import Tensor

from limen.classifier import Classifier
from limen.structure.asking import Passes, taking
from limen.structure.attention import Attention, attention_named, passes_of
from limen.structure.saliency.density import as_density


def _passes(method: Attention | str = "gradcam", **_: object) -> Passes:
    return passes_of(attention_named(method))


@taking(_passes)
def attention(images: Tensor, classifier: Classifier, *, method: Attention | str = "gradcam") -> Tensor:
    """Where the classifier under test looks, as a density.

    Args:
        images: (N, C, H, W) in [0, 1].
        classifier: The classifier.
        method: A name in `limen.structure.ATTENTION`, or a function of a classifier, images and classes that
            gives maps (N, H, W) in [0, 1]. It asks about the class that the classifier predicts.

    Returns:
        Densities (N, H, W), uniform where a map is flat. Differentiable in the images if the method's maps
        are, as Limen's own are.

    Raises:
        UnknownNameError: For a method that does not exist.
        UsageError: If the method refuses the classifier.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))
        >>> attention(torch.rand(2, 3, 16, 16), Classifier(net), method="cam").shape
        torch.Size([2, 16, 16])
    """
    return as_density(attention_named(method)(classifier, images, None))
