"""Data sets of arrays that are in memory already."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch

from limen.data.dataset import Dataset, Sample, check_labels
from limen.data.errors import DataError
from limen.images import from_uint8


def from_arrays(
    spec: str,
    pixels: np.ndarray,
    labels: np.ndarray,
    class_names: Sequence[str] | None = None,
    *,
    masks: np.ndarray | None = None,
    groups: Sequence[str] | None = None,
) -> Dataset:
    """A data set of images that are already in memory, as the 8-bit pixels they were stored as.

    Args:
        spec: How to call the data set.
        pixels: Uint8, shape (N, H, W, C) with one channel or three.
        labels: Integers, shape (N,).
        class_names: The name of each class, where known.
        masks: Where each image's foreground is: booleans or integers, shape (N, H, W), foreground where not
            zero.
        groups: N names of the groups that samples belong to.

    Raises:
        DataError: If shapes or types are others, the set is empty, or a label has no class.

    Example:
        >>> pixels, left = np.zeros((1, 2, 2, 1), np.uint8), np.array([[[1, 0], [1, 0]]])
        >>> from_arrays("black", pixels, np.array([0]), masks=left).load(0).mask
        tensor([[[ True, False],
                 [ True, False]]])
    """
    _check_arrays(spec, pixels, labels, masks, groups)
    check_labels(spec, labels, len(class_names) if class_names is not None else None)
    ids = tuple(f"{index:05}" for index in range(len(pixels)))
    foreground = None if masks is None else masks != 0

    def read(index: int) -> Sample:
        image = from_uint8(pixels[index : index + 1])[0]
        mask = None if foreground is None else torch.tensor(foreground[index, None])
        group = None if groups is None else groups[index]
        return Sample(ids[index], image, int(labels[index]), mask=mask, group=group)

    content = hashlib.sha256(repr((pixels.shape, labels.tolist())).encode())
    for image in pixels:  # one by one, as they may be a view that would be copied whole
        content.update(np.ascontiguousarray(image).data)
    if foreground is not None:
        content.update(b"masks" + np.packbits(foreground).tobytes())
    if groups is not None:
        content.update(repr(("groups", *groups)).encode())
    names = tuple(class_names) if class_names is not None else None
    grouped = None if groups is None else tuple(groups)
    return Dataset(spec, ids, read, names, content.hexdigest(), groups=grouped)


def _check_arrays(
    spec: str,
    pixels: np.ndarray,
    labels: np.ndarray,
    masks: np.ndarray | None,
    groups: Sequence[str] | None,
) -> None:
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[3] not in (1, 3) or 0 in pixels.shape:
        raise DataError(
            f"{spec}: the images are {pixels.dtype} of shape {pixels.shape}; "
            "expected uint8 of shape (N, H, W, C) with 1 or 3 channels and N > 0"
        )
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or len(labels) != len(pixels):
        raise DataError(
            f"{spec}: the labels are {labels.dtype} of shape {labels.shape}; "
            f"expected {len(pixels)} integers, one an image"
        )
    if masks is not None and (masks.dtype.kind not in "biu" or masks.shape != pixels.shape[:3]):
        raise DataError(
            f"{spec}: the masks are {masks.dtype} of shape {masks.shape}; "
            f"expected booleans or integers of the images' shape {pixels.shape[:3]}"
        )
    if groups is not None and len(groups) != len(pixels):
        raise DataError(f"{spec}: {len(groups)} groups for {len(pixels)} images; expected one per image")
