"""Where a classifier looks: every method that a spec can name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from torch import Tensor

from limen.classifier import Classifier
from limen.structure.asking import named, passes_taken
from limen.structure.cam import cam, gradcam, gradcam_plus_plus
from limen.structure.feature_maps import feature_layer, pooled_head


class Attention(Protocol):
    """Any function that tells where a classifier looks.

    It is called with a classifier, images (N, C, H, W) and classes (N,), None for the predicted ones, and by
    name with options of its own.
    """

    def __call__(self, *arguments: Any, **options: Any) -> Tensor:
        """Maps (N, H, W) in [0, 1], high where the classifier looks."""
        ...


ATTENTION: dict[str, Attention] = {"cam": cam, "gradcam": gradcam, "gradcam++": gradcam_plus_plus}
"""Every method by its name."""

_FINDERS: Mapping[Attention, Callable[[Classifier, Tensor], str]] = {
    cam: lambda classifier, images: pooled_head(classifier, images)[0],
    gradcam: feature_layer,
    gradcam_plus_plus: feature_layer,
}


def passes_of(method: Attention) -> tuple[int, int]:
    """How many forward and backward passes a method takes for each image, for whoever counts them.

    A method of one's own says so by its attribute `passes`; without it, it counts as one of each. A pass of
    a single image that finds the layer is not counted.

    Example:
        >>> passes_of(cam), passes_of(gradcam), passes_of(lambda classifier, images, classes: images[:, 0])
        ((1, 0), (1, 1), (1, 1))
    """
    return passes_taken(method, (1, 1))


def attention_named(method: str | Attention) -> Attention:
    """The method of this name; a method itself is given back.

    Raises:
        UnknownNameError: If there is none.
    """
    return named("attention method", method, ATTENTION)


def class_activation_map(
    classifier: Classifier,
    images: Tensor,
    classes: Tensor | None = None,
    method: str = "gradcam++",
    **options: Any,
) -> Tensor:
    """Where a classifier looks, by the name of a method.

    Args:
        classifier: The model.
        images: A batch (N, C, H, W) in [0, 1].
        classes: The class to ask about of each image, int64 (N,); None for the model's prediction.
        method: A key of `ATTENTION`.
        options: The method's own, such as `layer`.

    Returns:
        Maps in [0, 1], (N, H, W).

    Raises:
        UnknownNameError: If there is no such method.
        UsageError: As the method.
    """
    return attention_named(method)(classifier, images, classes, **options)


def layer_of(method: Attention, classifier: Classifier, images: Tensor) -> str | None:
    """The layer that a method takes if none is named; None for a method that has no layers.

    Raises:
        UsageError: If the method finds none.
    """
    finder = _FINDERS.get(method)
    return None if finder is None else finder(classifier, images)
