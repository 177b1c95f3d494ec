"""Foreground masks from files beside the images: PNG files of the images' names, or one archive."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from limen.data.archive import read_arrays
from limen.data.errors import DataError
from limen.data.files import open_folder
from limen.images import Crop, ImageFileError, reading, shown_size, unusable


@dataclass(frozen=True)
class Masks:
    """The masks of images that are files; none is read before it is asked for, unless from an archive.

    Attributes:
        stored: Gives the mask at a place as it is stored, bool of shape (H, W), and what to call it.
        images: The images' files, which masks must be as large as.
        crop: What images are resized to; masks are with them, each pixel as the nearest one.
        content: A hash of the masks, where they have been read.
    """

    stored: Callable[[int], tuple[np.ndarray, str]]
    images: Sequence[Path]
    crop: Crop
    content: str = ""

    def __call__(self, place: int) -> Tensor:
        """The mask at a place, bool of shape (1, H, W).

        Raises:
            ImageFileError: If it cannot be used, or is not as large as its image.
        """
        mask, name = self.stored(place)
        with reading(self.images[place]) as file:
            width, height = shown_size(file)
        if mask.shape != (height, width):
            raise ImageFileError(
                f"{name}: the mask is {mask.shape[1]}×{mask.shape[0]} pixels, and its image "
                f"{self.images[place]} is {width}×{height}; they must be one size as shown"
            )
        picture = self.crop(Image.fromarray(mask), Image.Resampling.NEAREST)
        return torch.tensor(np.asarray(picture)[None])


def masks_beside(
    path: Path | None,
    root: Path,
    images: Sequence[Path],
    ids: Sequence[str],
    crop: Crop,
) -> Masks | None:
    """The masks of images in a folder, or None without a path.

    Args:
        path: A folder with a PNG for each image, under its path below `root` with .png for the suffix; or an
            `.npz` file with an array (H, W) for each image, under its id. Either is not zero where the
            foreground is.
        root: The resolved folder of the images.
        images: The images' files.
        ids: The samples' names.
        crop: What images are resized to.

    Raises:
        UsageError: If there is no such folder.
        DataError: If a mask is missing, two images would share one, or the archive cannot be used.
    """
    if path is None:
        return None
    if path.suffix.lower() == ".npz":
        return _archived(path, images, ids, crop)
    folder = open_folder(path)
    files = [folder / image.relative_to(root).with_suffix(".png") for image in images]
    owners: dict[Path, Path] = {}
    for file, image in zip(files, images, strict=True):
        if not file.is_file():
            raise DataError(f"{file}: no such mask; {image} needs one, as every image does")
        if owners.setdefault(file, image) != image:
            raise DataError(f"{file}: the mask of both {owners[file]} and {image}; rename one image")
    return mask_files(folder, files, images, crop)


def mask_files(root: Path, files: Sequence[Path], images: Sequence[Path], crop: Crop) -> Masks:
    """The masks that are files below the resolved `root`, one per image."""

    def stored(place: int) -> tuple[np.ndarray, str]:
        return _read_mask(files[place], root), str(files[place])

    return Masks(stored, images, crop)


def _read_mask(path: Path, root: Path) -> np.ndarray:
    with reading(path, root) as file:
        if file.mode not in ("1", "L") or unusable(file):
            raise ImageFileError(
                f"{path}: a mask in mode {file.mode}; save it with 8-bit or 1-bit grey pixels, 0 where the "
                "background is"
            )
        return np.asarray(file) != 0


def _archived(path: Path, images: Sequence[Path], ids: Sequence[str], crop: Crop) -> Masks:
    expected = "an array of booleans or integers (H, W) under the name of each sample"
    arrays = read_arrays(path, ids, expected)
    digest = hashlib.sha256()
    # Eight pixels in a byte, as all masks stay in memory.
    packed: list[tuple[np.ndarray, tuple[int, ...]]] = []
    for name in ids:
        array = arrays.pop(name)
        if array.ndim != 2 or array.dtype.kind not in "biu":
            raise DataError(f"{path}: {name} is {array.dtype} of shape {array.shape}; expected {expected}")
        packed.append((np.packbits(array != 0), array.shape))
        digest.update(repr(array.shape).encode() + packed[-1][0].tobytes())

    def stored(place: int) -> tuple[np.ndarray, str]:
        bits, shape = packed[place]
        mask = np.unpackbits(bits, count=int(np.prod(shape))).reshape(shape).astype(bool)
        return mask, f"{path}, {ids[place]}"

    return Masks(stored, images, crop, content=digest.hexdigest())
