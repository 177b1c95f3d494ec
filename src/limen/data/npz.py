"""NumPy archives of images and labels, and of masks and groups if they are there."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from limen.data.archive import read_arrays
from limen.data.arrays import from_arrays
from limen.data.dataset import Dataset, read_class_names, spec_of
from limen.data.errors import DataError


def npz(path: Path, *, classes: Path | None = None) -> Dataset:
    """A NumPy archive with images `x` and labels `y`, held in memory as 8-bit pixels.

    Args:
        path: The `.npz` file. `x` is uint8 of shape (N, H, W, C), or floats in [0, 1] of shape
            (N, C, H, W), which are rounded to 8 bits; `y` is integers of shape (N,), from 0. If they are
            there, `mask` is booleans or integers of shape (N, H, W), not zero where the foreground is, and
            `group` is texts or integers of shape (N,).
        classes: A file with the name of one class on each line.

    Raises:
        DataError: If the file is missing, broken, holds Python objects, or the arrays are others.
    """
    names = read_class_names(classes) if classes is not None else None
    arrays = _read(path, ("mask", "group"))
    groups = arrays.get("group")
    if groups is not None and (groups.ndim != 1 or groups.dtype.kind not in "Uiu"):
        raise DataError(
            f"{path}: group is {groups.dtype} of shape {groups.shape}; expected texts or integers (N,)"
        )
    return from_arrays(
        spec_of("npz", path, classes=classes),
        arrays["x"],
        arrays["y"],
        names,
        masks=arrays.get("mask"),
        groups=None if groups is None else [str(group) for group in groups],
    )


def read_npz(path: Path, root: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read `x` as uint8 (N, H, W, C), and `y`, from an archive in the resolved folder `root`.

    Raises:
        DataError: If that cannot be done.
    """
    arrays = _read(path, root=root)
    return arrays["x"], arrays["y"]


def _read(path: Path, optional: tuple[str, ...] = (), root: Path | None = None) -> dict[str, np.ndarray]:
    arrays = read_arrays(path, ("x", "y"), "arrays named x (images) and y (labels)", optional, root)
    return {**arrays, "x": _to_pixels(path, arrays["x"])}


def _to_pixels(path: Path, images: np.ndarray) -> np.ndarray:
    if not np.issubdtype(images.dtype, np.floating):
        return images
    if images.ndim != 4 or images.size == 0:
        raise DataError(f"{path}: x holds floats of shape {images.shape}; expected (N, C, H, W) with N > 0")
    low, high = float(images.min()), float(images.max())
    # Written so that NaN, which compares false with everything, is refused too.
    if not (low >= 0 and high <= 1):
        raise DataError(f"{path}: x reaches from {low:.4g} to {high:.4g}; scale it to [0, 1], or store uint8")
    if images.shape[1] not in (1, 3):
        raise DataError(f"{path}: x has shape {images.shape}; floats are (N, C, H, W) with 1 or 3 channels")
    return np.rint(images * 255).astype(np.uint8).transpose(0, 2, 3, 1)
