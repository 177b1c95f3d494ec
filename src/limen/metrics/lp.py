"""Lp distances over all values of an image, channels included."""

from __future__ import annotations

import math

from torch import Tensor

from limen.images import check_pair, norm


def l0(a: Tensor, b: Tensor) -> Tensor:
    """Count the values that differ, in [0, C·H·W].

    Values, not pixels: an RGB pixel changed in all three channels counts three times, as it does
    in JSMA (Papernot et al. 2016). The gradient is zero everywhere and is not offered.

    Args:
        a: Images (N, C, H, W) in [0, 1].
        b: Images of the same shape, dtype and device.

    Returns:
        The counts, (N,), in the images' dtype.

    Raises:
        UsageError: If either batch is not one of images, or the two differ in kind.

    Example:
        >>> import torch
        >>> a = torch.zeros(1, 3, 2, 2)
        >>> b = a.clone()
        >>> b[0, :, 0, 0] = 1
        >>> l0(a, b)
        tensor([3.])
    """
    check_pair(a, b)
    return (a != b).flatten(1).sum(1).to(a.dtype)


def l1(a: Tensor, b: Tensor) -> Tensor:
    """Sum the absolute differences, in [0, C·H·W].

    Args and errors as in `l0`; the subgradient where values are equal is 0.

    Example:
        >>> import torch
        >>> l1(torch.zeros(1, 1, 2, 2), torch.full((1, 1, 2, 2), 0.5))
        tensor([2.])
    """
    check_pair(a, b)
    return norm(a - b, 1)


def l2(a: Tensor, b: Tensor) -> Tensor:
    """Euclidean distance in [0, √(C·H·W)], neither squared nor divided by the number of values.

    Args and errors as in `l0`; the subgradient at equal images is 0.

    Example:
        >>> import torch
        >>> l2(torch.zeros(1, 1, 1, 4), torch.full((1, 1, 1, 4), 0.5))
        tensor([1.])
    """
    check_pair(a, b)
    return norm(a - b, 2)


def linf(a: Tensor, b: Tensor) -> Tensor:
    """Take the largest absolute difference, in [0, 1].

    Args and errors as in `l0`; where several values share the maximum, so do they its gradient.

    Example:
        >>> import torch
        >>> linf(torch.zeros(1, 1, 2, 2), torch.full((1, 1, 2, 2), 0.5))
        tensor([0.5000])
    """
    check_pair(a, b)
    return norm(a - b, math.inf)
