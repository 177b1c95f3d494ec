"""Which share of people would notice a change."""

from __future__ import annotations

import torch
from torch import Tensor

from limen.metrics.apparent_distortion import mad
from limen.metrics.psychometrics import CALIBRATION, OFFSET


def noticed(a: Tensor, b: Tensor) -> Tensor:
    """The share of people who would notice, beyond those who see a difference between equal images.

    It is read off a curve over MAD, fitted to the answers of one study; `limen.metrics.psychometrics` says
    which, and `CAVEAT` there what the share does not mean. It is a statement about the mean over images: for
    one image see `answers_to_one`. Like `mad`, it is not differentiable.

    Args:
        a: Original images, as `mad` takes them.
        b: Images of the same shape, dtype and device.

    Returns:
        Shares (N,) from 0.06, where MAD is 0, to 1.

    Raises:
        UsageError: As `mad` does.

    Source:
        The answers: Göpfert, Artelt, Wersing & Hammer, Adversarial attacks hidden in plain sight, 2020.

    Example:
        >>> image = torch.rand(1, 3, 32, 32)
        >>> noticed(image, image)
        tensor([0.0607])
    """
    return noticed_from_mad(mad(a, b))


def noticed_from_mad(values: Tensor) -> Tensor:
    """The same share for values of MAD that are known.

    Example:
        >>> noticed_from_mad(torch.tensor([0.0, 0.1, 1.0]))
        tensor([0.0607, 0.3493, 0.7918])
    """
    return torch.sigmoid(CALIBRATION.intercept + CALIBRATION.slope * torch.log(values + OFFSET))
