"""Transforms of images that take perturbations away before a classifier sees them.

A defence takes images (N, C, H, W) in [0, 1] and gives images of the same shape in [0, 1], each on its
own. `DEFENSES` names them, and `Defended` is a classifier behind one.

A defence that has a gradient gives a tensor that requires one where the images do; one that rounds gives a
tensor without. A defence that draws random numbers takes the keyword `seeds`, one int64 per image (N,) or
None: whoever averages over its draws gives them, and without them it draws the same for the same image.

>>> import torch
>>> DEFENSES["bilateral"](torch.rand(2, 3, 16, 16)).shape
torch.Size([2, 3, 16, 16])
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from limen.defenses.adaptive import Adaptive, is_random
from limen.defenses.bilateral import bilateral
from limen.defenses.bit_depth import bit_depth
from limen.defenses.codecs import jpeg, webp
from limen.defenses.defended import Defended, defenses_of, undefended
from limen.defenses.differentiable_jpeg import differentiable_jpeg
from limen.defenses.dnn_jpeg import dnn_jpeg
from limen.defenses.pooling import average_pool, max_pool
from limen.defenses.resize import resize
from limen.defenses.total_variation import total_variation

DEFENSES: dict[str, Callable[..., Tensor]] = {
    "resize": resize,
    "jpeg": jpeg,
    "webp": webp,
    "dnn_jpeg": dnn_jpeg,
    "average_pool": average_pool,
    "max_pool": max_pool,
    "total_variation": total_variation,
    "bit_depth": bit_depth,
    "bilateral": bilateral,
}
"""Every defence by its name: functions of the images and, by keyword, of their own parameters."""

__all__ = [
    "DEFENSES",
    "Adaptive",
    "Defended",
    "average_pool",
    "bilateral",
    "bit_depth",
    "defenses_of",
    "differentiable_jpeg",
    "dnn_jpeg",
    "is_random",
    "jpeg",
    "max_pool",
    "resize",
    "total_variation",
    "undefended",
    "webp",
]
