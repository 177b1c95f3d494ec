"""Structural similarity at several scales (Wang, Simoncelli & Bovik 2003)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

from limen.metrics.pairs import check_sides
from limen.metrics.structural_similarity import local_dissimilarity, local_terms
from limen.operators.window import TAPS

_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_LEAST = (TAPS - 1) * 2 ** (len(_WEIGHTS) - 1) + 1


def ms_ssim(a: Tensor, b: Tensor) -> Tensor:
    """Multi-scale structural similarity: contrast and structure at five scales, luminance at the coarsest.

    At each scale the images are half as large as at the one before. Of each channel, the mean over the places
    of the contrast-structure term, at the coarsest of SSIM as a whole, is raised to the scale's exponent,
    and the five are multiplied; then comes the mean over the channels. A mean below 0 counts as 0, with no
    gradient.

    Args:
        a: Images (N, C, H, W) in [0, 1], both sides at least 161.
        b: Images of the same shape, dtype and device.

    Returns:
        Similarities in [0, 1], (N,); 1 for equal images, where the gradient is exactly zero.

    Raises:
        UsageError: If either batch is not one of images, the two differ in kind, or a side is below 161.

    Source:
        Wang, Simoncelli & Bovik, Asilomar 2003, eq. 7; the exponents are the paper's, whose sum is 1.0001.
        Window and constants as in `ssim`. An odd side is made even by repeating the first row and column.

    Example:
        >>> image = torch.rand(1, 1, 176, 161)
        >>> ms_ssim(image, image)
        tensor([1.])
    """
    check_sides("MS-SSIM", a, b, _LEAST)
    if len(a) == 0:
        return a.new_zeros(0)
    missing = []  # what the terms lack to 1, which has all its digits where they are near 1
    for scale in range(len(_WEIGHTS)):
        if scale:
            a, b = _halved(a), _halved(b)
        last = scale == len(_WEIGHTS) - 1
        missing.append((local_dissimilarity(a, b) if last else local_terms(a, b)[1]).mean(-1).mean(-1))
    lacks = torch.stack(missing, -1)
    positive = lacks < 1
    logs = torch.where(positive, lacks, 0).neg().log1p() @ lacks.new_tensor(_WEIGHTS)
    return torch.where(positive.all(-1), logs.exp(), 0).mean(1)


def _halved(images: Tensor) -> Tensor:
    odd = max(side % 2 for side in images.shape[2:])
    return avg_pool2d(pad(images, (odd, 0, odd, 0), mode="replicate"), 2)
