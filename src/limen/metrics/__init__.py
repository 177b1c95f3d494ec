"""How far images are from their originals, each metric one number per image.

Every metric takes two batches (N, C, H, W) in [0, 1], float32 or float64, on any device, and gives
(N,); all but `l0`, `mad` and `noticed` can be differentiated. The first batch holds the originals, which
matters to `wpsnr`, `mad`, `noticed` and `pieapp`. `METRICS` names them, with how their values are read; it
opens without torch. `STANDARD` are those that every run measures.

The public metrics check their input, which costs a pass over both batches. A loop that has checked
its batch once builds on the unchecked parts they are made of instead: `limen.images.norm`,
`dissimilarity` for 1 − SSIM with all its digits, and `rgb_to_lab` with `delta_e` for CIEDE2000, where
the first image's Lab values need only be computed once.

>>> import torch
>>> a, b = torch.zeros(2, 3, 16, 16), torch.full((2, 3, 16, 16), 0.1)
>>> METRICS["psnr"](a, b)
tensor([20., 20.])
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from limen.metrics.metric import Metric
from limen.metrics.table import METRICS, STANDARD

if TYPE_CHECKING:
    from limen.metrics.apparent_distortion import mad
    from limen.metrics.colour_difference import ciede2000, ciede2000_map, delta_e, rgb_to_lab
    from limen.metrics.feature_similarity import fsim
    from limen.metrics.learned_similarity import lpips
    from limen.metrics.lp import l0, l1, l2, linf
    from limen.metrics.multi_scale_similarity import ms_ssim
    from limen.metrics.noticing import noticed, noticed_from_mad
    from limen.metrics.pairwise_preference import pieapp
    from limen.metrics.signal_to_noise import psnr
    from limen.metrics.structural_similarity import (
        dissimilarity,
        local_dissimilarity,
        ssim,
        ssim_map,
    )
    from limen.metrics.structure_and_texture import dists
    from limen.metrics.weighted_signal_to_noise import noise_visibility, wpsnr

_PARTS = {
    "colour_difference": ("ciede2000_map", "delta_e", "rgb_to_lab"),
    "noticing": ("noticed_from_mad",),
    "structural_similarity": ("dissimilarity", "local_dissimilarity", "ssim_map"),
    "weighted_signal_to_noise": ("noise_visibility",),
}
_SOURCES = {name: module for module, names in _PARTS.items() for name in names}

__all__ = [
    "METRICS",
    "STANDARD",
    "Metric",
    "ciede2000",
    "ciede2000_map",
    "delta_e",
    "dissimilarity",
    "dists",
    "fsim",
    "l0",
    "l1",
    "l2",
    "linf",
    "local_dissimilarity",
    "lpips",
    "mad",
    "ms_ssim",
    "noise_visibility",
    "noticed",
    "noticed_from_mad",
    "pieapp",
    "psnr",
    "rgb_to_lab",
    "ssim",
    "ssim_map",
    "wpsnr",
]


def __getattr__(name: str) -> Any:
    """A metric's function, or a part of one, imported when it is first asked for."""
    if name in METRICS:
        return METRICS[name].function
    if name in _SOURCES:
        return getattr(importlib.import_module(f"limen.metrics.{_SOURCES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
