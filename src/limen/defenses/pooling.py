"""Pooling as a defence (Dong et al. 2020, Section 4.2)."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import avg_pool2d, max_pool2d, pad

from limen.errors import UsageError
from limen.images import check_images


def average_pool(images: Tensor, size: int = 3) -> Tensor:
    """Each pixel becomes the mean of the window around it, per channel.

    Beyond the border the image is reflected. A gradient flows.

    Args:
        images: Images (N, C, H, W) in [0, 1].
        size: The window's side in pixels, odd; 3, 5 and 7 in the paper.

    Returns:
        Images of the same shape.

    Raises:
        UsageError: If the images are none, the size is not odd, or half of it is not less than a side.

    Example:
        >>> import torch
        >>> average_pool(torch.tensor([0.0, 0.0, 0.9, 0.0]).expand(1, 1, 4, 4))[0, 0, 0]
        tensor([0.0000, 0.3000, 0.3000, 0.6000])

    Source:
        Dong et al., Robust superpixel-guided attentional adversarial attack, CVPR 2020, Table 3.
    """
    half = _half(images, size)
    if half >= min(images.shape[2:]):
        raise UsageError(f"size {size} is too large to reflect images of {_sides(images)}")
    # Torch does not reflect an empty batch.
    return avg_pool2d(pad(images, [half] * 4, mode="reflect"), size, stride=1) if len(images) else images


def max_pool(images: Tensor, size: int = 3) -> Tensor:
    """Each pixel becomes the greatest value of the window around it, per channel.

    At the border the window ends. A gradient flows to the greatest value of each window.

    Args:
        images: Images (N, C, H, W) in [0, 1].
        size: The window's side in pixels, odd; 3, 5 and 7 in the paper.

    Returns:
        Images of the same shape.

    Raises:
        UsageError: If the images are none, or the size is not odd.

    Example:
        >>> import torch
        >>> max_pool(torch.tensor([0.0, 0.0, 0.9, 0.1]).expand(1, 1, 4, 4))[0, 0, 0]
        tensor([0.0000, 0.9000, 0.9000, 0.9000])

    Source:
        Dong et al., Robust superpixel-guided attentional adversarial attack, CVPR 2020, Table 3.
    """
    return max_pool2d(images, size, stride=1, padding=_half(images, size))


def _half(images: Tensor, size: int) -> int:
    check_images(images)
    if not isinstance(size, int) or size < 1 or size % 2 == 0:
        raise UsageError(f"size must be an odd number of pixels, not {size}")
    return size // 2


def _sides(images: Tensor) -> str:
    return f"{images.shape[2]}×{images.shape[3]} pixels"
