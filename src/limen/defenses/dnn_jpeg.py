"""DNN-oriented JPEG as a defence (Liu et al. 2019; Dong et al. 2020, Section 4.2)."""

from __future__ import annotations

import torch
from torch import Tensor

from limen.defenses.adaptive import with_stand_in
from limen.defenses.arguments import QUALITIES, check_whole, step_percents
from limen.defenses.blocks import dct, extend, idct, join, split
from limen.defenses.rounding import rounded_softly
from limen.images import LATTICE, check_images

_LOW_BANDS = 4
_LOW_STEP, _HIGH_STEP = 25.0, 30.0
_GRAIN = 2.0**30


@with_stand_in(lambda images, quality=50: _coded(images, quality))
def dnn_jpeg(images: Tensor, quality: int = 50) -> Tensor:
    """Quantise the frequencies of each 8×8 block, the high ones somewhat more coarsely than the low.

    Of each channel, on the scale of 0 to 255 and without JPEG's level shift, the low 4×4 frequencies of a
    block are rounded to multiples of 25 and the others to multiples of 30, ties to even. Another quality than
    50 multiplies both steps as it does those of a JPEG file. Neither subsampling nor a conversion of colours
    takes place. The derivative is zero almost everywhere: no gradient flows.

    Args:
        images: Images (N, C, H, W) in [0, 1].
        quality: From 1, coarsest, to 100.

    Returns:
        Images of the same shape, without a gradient.

    Raises:
        UsageError: If the images are none, or the quality is out of range.

    Example:
        >>> dnn_jpeg(torch.full((1, 1, 8, 8), 0.5))[0, 0, 0, 0] * 255  # the mean, in steps of 25/8
        tensor(128.1250)

    Source:
        Liu, Liu, Liu, Xu, Lin, Wang & Wen, Feature distillation: DNN-oriented JPEG compression against
        adversarial examples, CVPR 2019. The steps are those of the program of Dong et al., Robust
        superpixel-guided attentional adversarial attack, CVPR 2020, which leaves its quality undefined.
    """
    check_images(images)
    check_whole("quality", quality, *QUALITIES)
    return _coded(images.detach(), quality)


def _coded(images: Tensor, quality: int) -> Tensor:
    """Images after the loss, unchecked, with the gradient of soft rounding where they need one."""
    if not len(images):
        return images
    height, width = images.shape[2:]
    steps = torch.full((8, 8), _HIGH_STEP, dtype=torch.float64, device=images.device)
    steps[:_LOW_BANDS, :_LOW_BANDS] = _LOW_STEP
    percent = step_percents(torch.tensor(float(quality))).item()
    steps = (steps * percent / 100).clamp_min(1)  # a step of 0, at quality 100, is none
    # Whole pixels often lie on a tie. In float64, and freed of its noise, a tie is one on every machine.
    counts = dct(split(extend(images.double() * LATTICE))) / steps
    counts = rounded_softly(counts, torch.round(torch.round(counts * _GRAIN) / _GRAIN))
    decoded = join(idct(counts * steps))[..., :height, :width]
    return (decoded / LATTICE).clamp(0, 1).to(images.dtype)
