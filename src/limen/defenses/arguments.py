"""What several defences demand of their arguments."""

from __future__ import annotations

from typing import Literal, get_args

from torch import Tensor

from limen.errors import UsageError
from limen.images import check_images

QUALITIES = (1, 100)
"""The least and the greatest quality of a JPEG or WebP file."""

Subsampling = Literal["4:4:4", "4:2:2", "4:2:0"]
"""How a JPEG file stores colour: at full size, at half the width, or at half the width and height."""


def step_percents(qualities: Tensor) -> Tensor:
    """The quantisation steps of a quality in percent of those of quality 50, before libjpeg rounds them.

    Example:
        >>> import torch
        >>> step_percents(torch.tensor([50.0, 25.0, 75.0]))
        tensor([100., 200.,  50.])
    """
    return (5000 / qualities).where(qualities < 50, 200 - 2 * qualities)


def check_subsampling(subsampling: str) -> None:
    """Refuse what is no `Subsampling`.

    Raises:
        UsageError: With those that there are.
    """
    if subsampling not in (known := get_args(Subsampling)):
        raise UsageError(f"subsampling must be one of {', '.join(known)}, not {subsampling}")


def check_whole(name: str, value: object, low: int, high: int) -> None:
    """Refuse anything but a whole number from `low` to `high`.

    Raises:
        UsageError: With the parameter's name.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise UsageError(f"{name} must be a whole number from {low} to {high}, not {value}")


def check_grey_or_rgb(images: Tensor, codec: str) -> None:
    """Refuse what is no batch of grey or RGB images, which are all that the codec knows.

    Raises:
        UsageError: With what is wrong.
    """
    check_images(images)
    if images.shape[1] not in (1, 3):
        raise UsageError(f"{codec} takes grey or RGB images, not {images.shape[1]} channels")
