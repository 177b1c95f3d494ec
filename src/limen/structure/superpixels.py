"""What an image is made of: superpixels, which follow its edges (Dong et al. 2020, Section 3.3)."""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

import numpy as np
import skimage
import torch
from torch import Tensor

from limen.errors import UnknownNameError, UsageError
from limen.images import LATTICE, check_images
from limen.structure.merging import merged
from limen.structure.segmentation import SUPERPIXELS

_FINE = 256 * LATTICE
"""Steps between 0 and 1 to which images are read: each 8-bit value is one of them, in float32 and float64."""


@dataclass(frozen=True)
class Superpixels:
    """Images, each cut into regions.

    Attributes:
        labels: Which region a pixel is of, int64 (N, H, W) on the images' device; of each image from 0 to its
            count − 1, without gaps.
        counts: The regions of each image, int64 (N,).
    """

    labels: Tensor
    counts: Tensor


def superpixels(
    images: Tensor, method: str = "slic", size: float = 5.0, merge: float = 0.0, compactness: float = 20.0
) -> Superpixels:
    """Cut images into superpixels of about size × size pixels, each of nearly one colour.

    An image's regions depend on its values alone: float32 and float64 of an 8-bit image give the same ones,
    as values are read to 1/256 of an 8-bit step. The regions of the last images are kept in memory, up to 64
    MiB (some 300 images of 299×299), because attacks ask for those of the same image again and again.

    Args:
        images: (N, C, H, W) in [0, 1], of 1 or 3 channels; grey is RGB of equal channels.
        method: `slic`, or of OpenCV, which is the extra `superpixels`, `lsc` or `seeds`.
        size: The side of a superpixel in pixels, 1 or more: H·W/size² are asked for. `counts` says how many
            there are; `seeds` gives clearly fewer, and `lsc` rounds the side to whole pixels.
        merge: Neighbouring superpixels whose mean colours differ by less become one, until none do: ΔE of
            CIE 1976, 0 or more; the paper's β, which takes 0, 2 and 4.
        compactness: What weight the place has against the colour in `slic`, above 0: the colour difference
            that counts as much as a distance of `size`. The other methods have no such setting.

    Raises:
        UnknownNameError: For a method that does not exist.
        UsageError: If the images are none of 1 or 3 channels, a setting is out of its range, or the method
            cannot cut images of this shape at this size.
        LimenError: If OpenCV is needed and absent.

    Source:
        Achanta et al., TPAMI 2012 (SLIC); Li & Chen, CVPR 2015 (LSC); Van den Bergh et al., ECCV 2012
        (SEEDS); merging: Dong et al. 2020, Section 3.3.

    Example:
        >>> halves = torch.zeros(1, 3, 20, 20)
        >>> halves[..., 10:] = 1
        >>> superpixels(halves, size=5).counts, superpixels(halves, size=5, merge=4).counts
        (tensor([16]), tensor([2]))
    """
    check_images(images)
    if method not in SUPERPIXELS:
        raise UnknownNameError("superpixel method", method, SUPERPIXELS)
    if images.shape[1] not in (1, 3):
        raise UsageError(f"superpixels are those of 1 or 3 channels; the images have {images.shape[1]}")
    for name, value, least in (("size", size, 1), ("merge", merge, 0), ("compactness", compactness, 1e-6)):
        if not (math.isfinite(value) and value >= least):
            raise UsageError(f"{name} must be {least} or more, and finite, not {value}")
    options = (method, float(size), float(merge), float(compactness))
    fine = images.detach().double().mul(_FINE).round_().permute(0, 2, 3, 1).cpu().numpy().astype(np.uint16)
    made = [_kept.get(image, options) for image in fine]
    if not made:
        return Superpixels(images.new_zeros(0, *images.shape[2:]).long(), images.new_zeros(0).long())
    counts = torch.tensor([int(labels.max()) + 1 for labels in made], device="cpu")
    labels = torch.from_numpy(np.stack(made).astype(np.int64))
    return Superpixels(labels.to(images.device), counts.to(images.device))


Options = tuple[str, float, float, float]
"""Method, size, merge and compactness."""


class _Kept:
    """The regions of the images that were asked for last, as many as fit into a number of bytes."""

    def __init__(self, most: int) -> None:
        self.most, self.bytes = most, 0
        self.labels: OrderedDict[tuple[bytes, tuple[int, ...], Options], np.ndarray] = OrderedDict()
        self.lock = Lock()

    def get(self, image: np.ndarray, options: Options) -> np.ndarray:
        key = (hashlib.sha256(image.tobytes()).digest(), image.shape, options)
        with self.lock:
            if key in self.labels:
                self.labels.move_to_end(key)
                return self.labels[key]
        labels = _cut(image, *options)
        with self.lock:
            if key not in self.labels:
                self.labels[key] = labels
                self.bytes += labels.nbytes
            while self.bytes > self.most:
                self.bytes -= self.labels.popitem(last=False)[1].nbytes
        return labels


_kept = _Kept(64 * 2**20)


def _cut(image: np.ndarray, method: str, size: float, merge: float, compactness: float) -> np.ndarray:
    """Labels without gaps, in the least integers that hold them."""
    lab = skimage.color.rgb2lab(np.broadcast_to(image / _FINE, (*image.shape[:2], 3)))
    _, labels = np.unique(SUPERPIXELS[method](lab, size, compactness), return_inverse=True)
    if merge:
        labels = merged(labels, lab, merge)
    return labels.astype(np.min_scalar_type(int(labels.max())))
