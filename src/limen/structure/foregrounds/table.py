"""Every way to find foregrounds by its name, and the one way to call any of them."""

from __future__ import annotations

from torch import Tensor

from limen.classifier import Classifier
from limen.errors import UsageError
from limen.structure.asking import Passes, asked, asks_for, named, taking
from limen.structure.attention import Attention, attention_named, passes_of
from limen.structure.foregrounds.masks import Foreground, check_masks
from limen.structure.foregrounds.salient import saliency
from limen.structure.foregrounds.segmented import segmentation
from limen.structure.foregrounds.threshold import THRESHOLD, attention_mask

_KIND = "foreground"


def _passes(method: Attention | str = "cam", **_: object) -> Passes:
    return passes_of(attention_named(method))


@taking(_passes)
def attention(
    images: Tensor,
    classifier: Classifier,
    *,
    method: Attention | str = "cam",
    threshold: float = THRESHOLD,
) -> Tensor:
    """Where the attention of the classifier under test to the class that it predicts reaches a threshold.

    Arguments, result and errors are those of `limen.structure.attention_mask`.
    """
    return attention_mask(classifier, images.detach(), method=method, threshold=threshold)


def data(images: Tensor, masks: Tensor | None) -> Tensor:
    """The masks that the data gives.

    Args:
        images: (N, C, H, W) in [0, 1].
        masks: Bool (N, 1, H, W).

    Raises:
        UsageError: If it gives none.
    """
    if masks is None:
        raise UsageError(
            "the data gives no masks; use data that has some, or another method, such as saliency"
        )
    return masks


FOREGROUNDS: dict[str, Foreground] = {
    "saliency": saliency,
    "segmentation": segmentation,
    "attention": attention,
    "data": data,
}
"""Every way to find foregrounds by its name."""


def foreground_named(method: str | Foreground) -> Foreground:
    """The way to find foregrounds that has this name; a function that does so is given back.

    Raises:
        UnknownNameError: If there is none.
    """
    return named(_KIND, method, FOREGROUNDS)


def masks_of(
    method: str | Foreground,
    images: Tensor,
    classifier: Classifier | None = None,
    masks: Tensor | None = None,
) -> Tensor:
    """The foregrounds of images.

    Args:
        method: A name in `FOREGROUNDS`, or a function of images that gives bool masks (N, 1, H, W). One that
            names a parameter `classifier` or `masks` is given it.
        images: (N, C, H, W) in [0, 1].
        classifier: The classifier under test, for methods that ask for it.
        masks: The masks that the data gives, bool (N, 1, H, W), if it gives some.

    Returns:
        Masks, bool (N, 1, H, W), without gradient. `empty_or_full` tells those that divide nothing.

    Raises:
        UnknownNameError: For a method that does not exist.
        UsageError: If the method asks for something that is not given, refuses the images, or gives anything
            but bool masks of their shape.

    Example:
        >>> import torch
        >>> masks_of("saliency", torch.rand(2, 3, 32, 48)).shape
        torch.Size([2, 1, 32, 48])
    """
    method = foreground_named(method)
    if masks is not None:
        check_masks(masks, images, "the masks of the data")
    given = asked(method, _KIND, classifier=classifier)
    if asks_for(method, "masks"):
        given["masks"] = masks
    found = method(images, **given)
    check_masks(found, images, "foreground masks")
    return found
