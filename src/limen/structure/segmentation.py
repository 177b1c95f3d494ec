"""One image cut into superpixels: SLIC by scikit-image, LSC and SEEDS by OpenCV."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import skimage

from limen.errors import LimenError, UsageError

Segmentation = Callable[[np.ndarray, float, float], np.ndarray]
"""Called with an image in CIELAB (H, W, 3) float64, the side of a superpixel in pixels and the compactness;
gives integer labels (H, W)."""

_ITERATIONS = 10
_LSC_RATIO = 0.075
_LSC_LEAST_SHARE = 0.25  # of a superpixel's area: what is smaller joins a neighbour
_SEEDS_LEVELS, _SEEDS_PRIOR, _SEEDS_BINS, _SEEDS_ITERATIONS = 2, 2, 5, 4
_SEEDS_LEAST_COUNT = 10  # OpenCV asks for as many where fewer are wanted


def slic(lab: np.ndarray, size: float, compactness: float) -> np.ndarray:
    """SLIC (Achanta et al. 2012): D² = (d_c / compactness)² + (d_s / size)², 10 iterations, connected.

    scikit-image stretches the values that it is given to [0, 1], which would leave the colours next to no
    weight in CIELAB; the compactness is divided by the same span, so that both cancel out.
    """
    span = float(np.ptp(lab)) or 1.0
    return skimage.segmentation.slic(
        lab,
        n_segments=_wanted(lab, size),
        compactness=compactness / span,
        max_num_iter=_ITERATIONS,
        convert2lab=False,
        enforce_connectivity=True,
        start_label=0,
        channel_axis=-1,
    )


def lsc(lab: np.ndarray, size: float, compactness: float) -> np.ndarray:
    """LSC (Li & Chen 2015) of the image in 8-bit CIELAB, with OpenCV's ratio 0.075, connected.

    OpenCV takes a side in whole pixels. It reads the least size of a superpixel as pixels, 25 by default,
    where it documents a share: at a side of 4 nearly all superpixels would become one.
    """
    side = round(size)
    height, width, _ = lab.shape
    # Rows and columns of seeds, which OpenCV divides by unchecked.
    if height * width // side**2 * min(height, width) < max(height, width):
        raise UsageError(f"lsc: superpixels of {side} pixels do not fit {height}×{width}; take a lower size")
    cv2 = _opencv()
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # its sums, and with them the superpixels, depend on how threads share the image
    try:
        made = cv2.ximgproc.createSuperpixelLSC(_in_8_bits(lab), region_size=side, ratio=_LSC_RATIO)
        made.iterate(_ITERATIONS)
        made.enforceLabelConnectivity(round(_LSC_LEAST_SHARE * side**2))
    finally:
        cv2.setNumThreads(threads)
    return made.getLabels()


def seeds(lab: np.ndarray, size: float, compactness: float) -> np.ndarray:
    """SEEDS (Van den Bergh et al. 2012) of the image in 8-bit CIELAB: prior 2, 5 bins, two levels of blocks.

    Its superpixels grow from a grid of blocks of whole pixels, rounded up: they are fewer than asked.
    """
    height, width, _ = lab.shape
    count = max(_wanted(lab, size), _SEEDS_LEAST_COUNT)
    rows = int(math.sqrt(count * height / width))
    columns = rows * width // height
    if not (_has_blocks(height, rows) and _has_blocks(width, columns)):
        raise UsageError(
            f"seeds: {height}×{width} has no grid of {count} superpixels of two pixels a side or more; "
            "take a greater size or slic"
        )
    made = _opencv().ximgproc.createSuperpixelSEEDS(
        width, height, 3, count, _SEEDS_LEVELS, prior=_SEEDS_PRIOR, histogram_bins=_SEEDS_BINS
    )
    made.iterate(_in_8_bits(lab), _SEEDS_ITERATIONS)
    return made.getLabels()


SUPERPIXELS: dict[str, Segmentation] = {"slic": slic, "lsc": lsc, "seeds": seeds}
"""Every method by its name."""


def _wanted(lab: np.ndarray, size: float) -> int:
    return max(1, round(lab.shape[0] * lab.shape[1] / size**2))


def _has_blocks(side: int, count: int) -> bool:
    """Whether OpenCV's grid along a side has a block; it checks nothing, and crashes without one."""
    blocks = 2 ** (_SEEDS_LEVELS - 1)
    return 0 < count * blocks <= side and side // math.ceil(side / count / blocks) >= blocks


def _in_8_bits(lab: np.ndarray) -> np.ndarray:
    """CIELAB as OpenCV keeps it in 8 bits: L* from 0 to 255, a* and b* around 128."""
    shifted = lab * (2.55, 1, 1) + (0, 128, 128)
    return np.ascontiguousarray(shifted.round().clip(0, 255).astype(np.uint8))


def _opencv() -> Any:
    try:
        import cv2
    except ImportError:
        cv2 = None
    if not hasattr(cv2, "ximgproc"):
        raise LimenError("lsc and seeds need OpenCV's ximgproc; run: pip install limen[superpixels]")
    return cv2
