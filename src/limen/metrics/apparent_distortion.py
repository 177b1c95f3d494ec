"""Most apparent distortion (Larson & Chandler 2010)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from limen.images import LATTICE, grey
from limen.metrics.appearance import appearance_distortion
from limen.metrics.moments import BLOCK
from limen.metrics.pairs import check_channels
from limen.metrics.visibility import detected_distortion

# The weights of the two stages are equal where log₁₀ d_detect is 2.55.
_CENTRE, _SLOPE = 2.55, 3.35

# Pixels that go through the filters at once: what a CPU's caches hold, or a GPU's memory.
_PIECE = {"cpu": 2**16}
_LARGE_PIECE = 2**21


@torch.no_grad()
def mad(a: Tensor, b: Tensor) -> Tensor:
    """Most apparent distortion: what is seen of a faint change, and what a strong one makes of the image.

    Two distances of the grey images are joined, d_appear^(1−α)·d_detect^α, with α falling from 1 as
    d_detect grows. d_detect weighs the error by how far it is above what the image hides; it is 0, and
    so is MAD, where no block of the image shows a visible change. d_appear compares the statistics of
    log-Gabor bands. Colours count by their luma (0.299, 0.587, 0.114) alone.

    It is not differentiable: the result belongs to no graph.

    Args:
        a: Original images (N, C, H, W) in [0, 1], 1 or 3 channels, both sides at least 16.
        b: Images of the same shape, dtype and device. MAD is not symmetric: the original masks.

    Returns:
        Distortions in [0, ∞), (N,): 0 for equal images and for changes below the threshold of vision,
        about 10 for plain noise, above 50 for ruined images.

    Raises:
        UsageError: If either batch is not one of images, the two differ in kind, have neither 1 nor 3
            channels, or a side is below 16.

    Example:
        >>> image = torch.rand(1, 3, 32, 32)
        >>> mad(image, image)
        tensor([0.])
    """
    check_channels("MAD", a, b, BLOCK)
    if len(a) == 0:
        return a.new_zeros(0)
    piece = _PIECE.get(a.device.type, _LARGE_PIECE)
    pieces = zip(*(each.split(max(1, piece // (a.shape[2] * a.shape[3]))) for each in (a, b)), strict=True)
    return torch.cat([_distortion(LATTICE * grey(x), LATTICE * grey(y)) for x, y in pieces])


def combine(detected: Tensor, appearance: Tensor) -> Tensor:
    """The two stages in one number, appearance^(1−α)·detected^α, with α = 1 / (1 + 0.467·detected^0.130).

    The two constants are exp(−2.55/3.35) and 1/(3.35·ln 10): α is a logistic curve over log₁₀ detected.

    Example:
        >>> combine(torch.tensor([0.0, 10**2.55]), torch.tensor([7.0, 7.0])) ** 2
        tensor([   0.0000, 2483.6936])
    """
    alpha = 1 / (1 + math.exp(-_CENTRE / _SLOPE) * detected ** (1 / (_SLOPE * math.log(10))))
    return appearance ** (1 - alpha) * detected**alpha


def _distortion(reference: Tensor, distorted: Tensor) -> Tensor:
    detected = detected_distortion(reference, distorted)
    # Where nothing is seen the appearance, three quarters of the work, has the exponent 0.
    seen = detected > 0
    appearance = torch.ones_like(detected)  # in float64, as the detection stage is
    if seen.any():
        appearance[seen] = appearance_distortion(reference[seen], distorted[seen]).to(appearance)
    return combine(detected, appearance).to(reference.dtype)
