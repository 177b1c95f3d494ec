"""Distances and likenesses of images, each one number a sample.

Every metric takes two batches (N, C, H, W) in [0, 1], float32 or float64, on any device, and gives
(N,); all but `l0` and `mad` can be differentiated. The first batch holds the originals, which matters
to `wpsnr` and `mad`. `METRICS` names them.

The public metrics check their input, which costs a pass over both batches. A loop that has checked
its batch once builds on the unchecked parts they are made of instead: `limen.images.norm`,
`local_similarity` for SSIM (`dissimilarity` for 1 − SSIM with all its digits), and `rgb_to_lab`
with `delta_e` for CIEDE2000, where the first image's Lab values need only be computed once.

>>> import torch
>>> a, b = torch.zeros(2, 3, 16, 16), torch.full((2, 3, 16, 16), 0.1)
>>> METRICS["psnr"](a, b)
tensor([20., 20.])
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from limen.metrics.ciede2000 import ciede2000, ciede2000_map, delta_e, rgb_to_lab
from limen.metrics.lp import l0, l1, l2, linf
from limen.metrics.mad import mad
from limen.metrics.moments import BLOCK
from limen.metrics.psnr import psnr
from limen.metrics.ssim import dissimilarity, local_dissimilarity, local_similarity, ssim, ssim_map
from limen.metrics.wpsnr import noise_visibility, wpsnr
from limen.operators.window import TAPS

METRICS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "l0": l0,
    "l1": l1,
    "l2": l2,
    "linf": linf,
    "psnr": psnr,
    "wpsnr": wpsnr,
    "ssim": ssim,
    "mad": mad,
    "ciede2000": ciede2000,
}
"""Every metric by its name, which is also its column in a run's records."""

LEAST_SIDE: dict[str, int] = {"ssim": TAPS, "mad": BLOCK}
"""The least height and width, in pixels, of the metrics that do not take images of any size."""

__all__ = [
    "LEAST_SIDE",
    "METRICS",
    "ciede2000",
    "ciede2000_map",
    "delta_e",
    "dissimilarity",
    "l0",
    "l1",
    "l2",
    "linf",
    "local_dissimilarity",
    "local_similarity",
    "mad",
    "noise_visibility",
    "psnr",
    "rgb_to_lab",
    "ssim",
    "ssim_map",
    "wpsnr",
]
