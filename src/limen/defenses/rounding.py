"""Rounding with a gradient, for attacks that know of it."""

from __future__ import annotations

from torch import Tensor

from limen.images import straight_through


def rounded_softly(values: Tensor, nearest: Tensor) -> Tensor:
    """The nearest steps, with the gradient of k + (v − k)³ for a value v whose nearest step is k.

    It is 0 at a step and greatest half-way to the next one, so that an attack moves the values that need the
    least to be rounded otherwise.

    Args:
        values: Values in units of a step.
        nearest: What they are rounded to.

    Source:
        Shin & Song, JPEG-resistant adversarial images, NIPS 2017 workshop on machine learning and computer
        security, Section 2.

    Example:
        >>> import torch
        >>> values = torch.tensor([1.0, 1.25, 1.49], requires_grad=True)
        >>> rounded_softly(values, values.round()).sum().backward()
        >>> values.grad
        tensor([0.0000, 0.1875, 0.7203])
    """
    nearest = nearest.detach()
    return straight_through((values - nearest) ** 3, nearest)
