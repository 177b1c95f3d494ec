"""Total variation minimisation as a defence (Guo et al. 2018; Dong et al. 2020, Section 4.2)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from limen.defenses.split_bregman import minimise
from limen.errors import UsageError
from limen.images import check_images
from limen.seeds import content_seeds, draw

# Values that are minimised at once: few enough for a processor's caches, and for a device's memory.
_AT_ONCE = {"cpu": 2**18, "cuda": 2**26}


def total_variation(
    images: Tensor,
    drop: float = 0.5,
    weight: float = 0.03,
    seed: int = 0,
    seeds: Tensor | None = None,
    whole_pixels: bool = False,
    literal: bool = False,
) -> Tensor:
    """Drop values at random, and put the image of least total variation in their place.

    Of all images u, that of least Σ |∇u|₂ + 1/(2·weight) · Σ over what is kept of (u − image)² is sought, for
    each channel by itself, with forward differences that are zero at the last row and column. Split Bregman
    does so in passes of ten red-black Gauss-Seidel sweeps, from the image with dropped values at 0, until a
    pass changes the image by at most 0.01 as a root mean square, or for 100 passes. No gradient flows.

    Which values are dropped depends on the image's seed alone. Without `seeds`, it is made of `seed` and of
    the image's own pixels on 8 bits: an image is defended alike in every batch, and another image otherwise.

    Args:
        images: Images (N, C, H, W) in [0, 1].
        drop: The probability that a value is dropped, at least 0 and below 1.
        weight: How much the total variation counts against the kept values, above 0.
        seed: The call's seed, where `seeds` is not given.
        seeds: One seed per image (N,), int64, for draws that an average is taken over.
        whole_pixels: Whether a pixel is dropped in all channels at once.
        literal: Whether to follow the patch that Guo et al. published where it departs from the above: a
            dropped value at the border becomes a quarter of its three or two neighbours' sum, which darkens
            the border by 66 to 75 levels; ∇u shrinks by the factor sλ/(sλ + 1) for its length s instead of
            by the length 1/λ; and sweeps go row by row.

    Returns:
        Images of the same shape, without a gradient.

    Raises:
        UsageError: If the images are none, `drop` or `weight` is out of range, or the seeds do not fit.

    Example:
        >>> flat = torch.full((1, 1, 16, 16), 0.5)
        >>> bool((total_variation(flat, drop=0.3) - flat).abs().max() < 0.1)
        True

    Source:
        Guo, Rana, Cissé & van der Maaten, Countering adversarial images using input transformations, ICLR
        2018, Section 4.3; drop and weight as in Dong et al., Robust superpixel-guided attentional
        adversarial attack, CVPR 2020, Section 4.2.
    """
    check_images(images)
    if not 0 <= drop < 1:
        raise UsageError(f"drop must be a probability below 1, not {drop}")
    if not 0 < weight < math.inf:
        raise UsageError(f"weight must be a number above 0, not {weight}")
    images = images.detach()
    seeds = content_seeds(seed, images) if seeds is None else _fitting(seeds, images)
    shape = (1 if whole_pixels else images.shape[1], *images.shape[2:])
    count = max(1, _AT_ONCE.get(images.device.type, 2**20) // max(1, images.shape[1:].numel()))
    result = torch.empty_like(images)
    for place in range(0, len(images), count):
        piece = slice(place, place + count)
        # In float32, so that images of another dtype lose the same values.
        kept = draw(torch.rand, seeds[piece], shape, torch.float32) >= drop
        result[piece] = minimise(images[piece], kept.expand_as(images[piece]), weight, literal=literal)
    return result.clamp_(0, 1)


def _fitting(seeds: Tensor, images: Tensor) -> Tensor:
    if not isinstance(seeds, Tensor) or seeds.dtype != torch.int64 or seeds.shape != images.shape[:1]:
        raise UsageError(f"seeds must be an int64 tensor with one seed for each of {len(images)} images")
    return seeds.to(images.device)
