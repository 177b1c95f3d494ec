"""What the published preprocessing of a network makes of a photograph, as its library states it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any, get_args

import numpy as np
from PIL import Image

from limen.errors import UsageError
from limen.images import Crop, Interpolation

_USUAL = 224 / 256  # of the shorter side: what is cut out where a processor states no number
_NEAR = 2 / 255  # a processor that resizes tensors rounds otherwise than Pillow


def crop_of_torchvision(preset: Any) -> Crop | None:
    """The crop of the transforms that come with torchvision's weights; None for one that is none of ours."""
    (side, *_), (resize, *_) = preset.crop_size, preset.resize_size
    return _made(side, resize, preset.interpolation.value)


def crop_of_timm(config: dict[str, Any]) -> Crop | None:
    """The crop of a resolved data config of timm; None for one that pads, or is not square."""
    (_, height, width), how = config["input_size"], config["interpolation"]
    whole = math.floor(height / config["crop_pct"])
    if height != width:
        return None
    if config["crop_mode"] == "squash":
        return _made(height, None, how) if whole == height else None
    return _made(height, whole, how) if config["crop_mode"] == "center" else None


def crop_of_processor(processor: Any) -> Crop | None:
    """The crop that does to a photograph what a Hugging Face processor does; None if there is none.

    A processor states its sizes in many ways, and not all that it does with them. So its numbers only
    propose crops, and a photograph tells which of them it is.
    """
    photograph = Image.fromarray(_photograph())
    plain = {"do_rescale": False, "do_normalize": False, "return_tensors": "np"}
    try:
        fed = np.asarray(processor(images=photograph, **plain)["pixel_values"][0], np.float64)
    except Exception:  # whatever code the model's makers wrote
        return None
    for crop in _proposed(processor, fed.shape[1]):
        expected = np.asarray(crop(photograph), np.float64).transpose(2, 0, 1)
        alike = [np.abs(fed - each).max() for each in (expected, expected[::-1]) if each.shape == fed.shape]
        if alike and min(alike) <= 255 * _NEAR:
            return crop
    return None


def _proposed(processor: Any, side: int) -> Iterator[Crop]:
    sizes = [getattr(processor, name, None) for name in ("size", "crop_size")]
    numbers = {value for each in sizes if each for value in dict(each).values() if isinstance(value, int)}
    percent = getattr(processor, "crop_pct", None)
    numbers |= {int(side / (percent or _USUAL))}
    resizes = [None, *sorted(number for number in numbers if number >= side)]
    for resize, how in itertools.product(resizes, get_args(Interpolation)):
        yield Crop(side, resize, how)


def _photograph() -> np.ndarray:
    """Smooth shapes of all scales, of which no two crops are alike: bytes (390, 520, 3)."""
    rows, columns = np.mgrid[:390, :520]
    waves = [np.sin(rows * rows / a + columns / b) for a, b in ((900, 31), (1700, 17), (4100, 11))]
    return (127.5 + 127.5 * np.stack(waves, -1)).astype(np.uint8)


def _made(side: int, resize: int | None, interpolation: Interpolation) -> Crop | None:
    try:
        return Crop(side, resize, interpolation)
    except UsageError:
        return None
