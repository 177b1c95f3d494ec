"""JPEG and WebP as defences: the codecs themselves, as files have them (Dziugaite et al. 2016)."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from limen.defenses.adaptive import with_stand_in
from limen.defenses.arguments import (
    QUALITIES,
    Subsampling,
    check_grey_or_rgb,
    check_subsampling,
    check_whole,
)
from limen.defenses.differentiable_jpeg import differentiable_jpeg
from limen.defenses.seen_rounding import rounded_as_seen
from limen.errors import UsageError
from limen.images import from_uint8, to_uint8


@with_stand_in(differentiable_jpeg)
def jpeg(images: Tensor, quality: int = 75, subsampling: Subsampling = "4:2:0") -> Tensor:
    """Compress as a JPEG file, and read that again.

    It is Pillow's codec on the image in 8 bits, so no gradient flows; `differentiable_jpeg` stands in
    for it where one is needed.

    Args:
        images: Grey or RGB images (N, C, H, W) in [0, 1].
        quality: Pillow's quality, a whole number from 1 to 100; 95 to 5 in the paper.
        subsampling: How coarsely colour is stored; grey images have none.

    Returns:
        Images of the same shape, on the 8-bit lattice, without a gradient.

    Raises:
        UsageError: If the images are none that a JPEG file can hold, the quality is out of range, or the
            subsampling is unknown.

    Example:
        >>> import torch
        >>> jpeg(torch.full((1, 3, 8, 8), 0.5), quality=50)[0, :, 0, 0] * 255
        tensor([128., 128., 128.])

    Source:
        Dziugaite, Ghahramani & Roy, A study of the effect of JPG compression on adversarial images, 2016;
        Dong et al., Robust superpixel-guided attentional adversarial attack, CVPR 2020, Figure 5 (a).
    """
    check_subsampling(subsampling)
    return _through_file(images, "JPEG", quality, subsampling=subsampling)


@with_stand_in(lambda images, made, quality=75: rounded_as_seen(images, made))
def webp(images: Tensor, quality: int = 75) -> Tensor:
    """Compress as a lossy WebP file, and read that again.

    It is Pillow's codec on the image in 8 bits, so no gradient flows; where one is needed, it is that of
    rounding as far as the result tells it.

    Args:
        images: Grey or RGB images (N, C, H, W) in [0, 1]. WebP knows colour alone: a grey image is stored as
            a coloured one, and the luma is kept of what is read.
        quality: Pillow's quality, a whole number from 1 to 100.

    Returns:
        Images of the same shape, on the 8-bit lattice, without a gradient.

    Raises:
        UsageError: If the images are none that a WebP file can hold, or the quality is out of range.

    Example:
        >>> import torch
        >>> webp(torch.full((1, 3, 8, 8), 0.5))[0, :, 0, 0] * 255
        tensor([128., 128., 128.])
    """
    return _through_file(images, "WEBP", quality)


def _through_file(images: Tensor, kind: str, quality: int, **options: Any) -> Tensor:
    check_grey_or_rgb(images, kind)
    check_whole("quality", quality, *QUALITIES)
    read = np.empty((len(images), *images.shape[2:], images.shape[1]), np.uint8)
    for place, pixels in enumerate(to_uint8(images)):
        mode = "RGB" if pixels.shape[-1] == 3 else "L"
        file = io.BytesIO()
        try:
            Image.fromarray(pixels if mode == "RGB" else pixels[..., 0]).save(
                file, kind, quality=quality, **options
            )
        except (OSError, ValueError) as error:
            sides = f"{pixels.shape[0]}×{pixels.shape[1]}"
            raise UsageError(f"an image of {sides} pixels cannot be stored as {kind} ({error})") from error
        with Image.open(file, formats=[kind]) as decoded:
            read[place] = np.asarray(decoded.convert(mode)).reshape(pixels.shape)
    return from_uint8(read, images.dtype).to(images.device)
