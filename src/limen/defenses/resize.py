"""Resizing as a defence (Dong et al. 2020, Section 4.2)."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from limen.errors import UsageError
from limen.images import check_images


def resize(images: Tensor, factor: float = 2.0) -> Tensor:
    """Shrink by a factor, and enlarge to the old size, both bilinearly.

    Shrinking does not antialias, as in the paper's program: a large factor skips pixels. A gradient flows.

    Args:
        images: Images (N, C, H, W) in [0, 1].
        factor: How many times smaller each side becomes, at least 1, rounded to the shorter side.

    Returns:
        Images of the same shape.

    Raises:
        UsageError: If the images are none, the factor is under 1, or it leaves no pixel of a side.

    Example:
        >>> import torch
        >>> resize(torch.tensor([0.0, 0.2, 0.8, 1.0]).expand(1, 1, 4, 4))[0, 0, 0]
        tensor([0.1000, 0.3000, 0.7000, 0.9000])

    Source:
        Dong, Han, Chen, Liu, Bian, Ma, Li, Wang, Zhang & Yu, Robust superpixel-guided attentional
        adversarial attack, CVPR 2020, Section 4.2 and Figure 4, which has factors from 1 to 3.
    """
    check_images(images)
    if not 1 <= factor < math.inf:
        raise UsageError(f"factor must be a number of at least 1, not {factor}")
    full = images.shape[2:]
    small = [int(side / factor) for side in full]
    if 0 in small:
        raise UsageError(f"factor {factor:g} leaves nothing of images of {full[0]}×{full[1]} pixels")
    if not len(images):
        return images
    shrunk = interpolate(images, size=small, mode="bilinear", align_corners=False)
    enlarged = interpolate(shrunk, size=full, mode="bilinear", align_corners=False)
    with torch.no_grad():  # rounding may pass 1 by a bit, which is no reason to lose a gradient
        return enlarged.clamp_(0, 1)
