"""Which pairs of batches a metric takes, and whether it can take any."""

from __future__ import annotations

import torch
from torch import Tensor

from limen.errors import UsageError
from limen.images import check_pair
from limen.metrics.metric import Metric


def check_channels(name: str, a: Tensor, b: Tensor, least_side: int) -> None:
    """Refuse what is no pair of grey or colour images large enough for a metric.

    Args:
        name: What to call the metric.
        a: Originals.
        b: Images.
        least_side: The least height and width that it takes.

    Raises:
        UsageError: If they are no pair of batches, have neither 1 nor 3 channels, or are too small.

    Example:
        >>> import torch
        >>> check_channels("MAD", torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8), 16)
        Traceback (most recent call last):
        limen.errors.UsageError: MAD takes sides of 16 pixels or more, the images only have 8×8; ...
    """
    check_sides(name, a, b, least_side)
    if a.shape[1] not in (1, 3):
        raise UsageError(f"{name} takes 1 or 3 channels; the images have {a.shape[1]}")


def check_sides(name: str, a: Tensor, b: Tensor, least_side: int) -> None:
    """Refuse what is no pair of images large enough for a metric; else as `check_channels`.

    Raises:
        UsageError: If they are no pair of batches, or are too small.
    """
    check_pair(a, b)
    if min(a.shape[2:]) < least_side:
        size = f"{a.shape[2]}×{a.shape[3]}"
        raise UsageError(
            f"{name} takes sides of {least_side} pixels or more, the images only have {size}; enlarge them "
            f"or leave {name} out"
        )


def require(metric: Metric) -> None:
    """Call a metric with no images, so that what it needs and has not is told before anything is measured.

    Raises:
        LimenError: If something is missing, or an option is refused.

    Example:
        >>> from limen.metrics import METRICS
        >>> require(METRICS["ssim"])
    """
    side = metric.least_side
    metric.function(*torch.zeros(2, 0, 3, side, side, device="cpu"))
