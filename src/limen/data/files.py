"""Image files below a folder that must all fit into the same batch."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from torch import Tensor

from limen.data.errors import DataError
from limen.errors import UsageError, reason
from limen.images import IMAGE_SUFFIXES, Crop, ImageFileError, read_image, reading, shown_size, unusable
from limen.safety import resolved

_GREY = frozenset({"1", "L"})


def open_folder(path: Path) -> Path:
    """Resolve a data set's folder.

    Raises:
        UsageError: If it is no folder.
    """
    try:
        if not path.is_dir():
            raise UsageError(f"{path}: no such folder")
        return resolved(path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be opened ({reason(error)})") from error


def entries(folder: Path) -> list[Path]:
    """What lies in a folder, in the order of the names.

    Raises:
        DataError: If it cannot be looked into.
    """
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise DataError(f"{folder}: cannot be opened ({reason(error)})") from error


def image_files(folder: Path) -> list[Path]:
    """The image files in a folder that are not hidden, in the order of the names.

    Raises:
        DataError: If it cannot be looked into.
    """
    return [
        file
        for file in entries(folder)
        if file.suffix.lower() in IMAGE_SUFFIXES and not file.name.startswith(".") and not os.path.isdir(file)
    ]


def reader(root: Path, paths: Sequence[Path], crop: Crop) -> Callable[[int], Tensor]:
    """What reads the file at a place as float32 (C, H, W) in [0, 1], with 3 channels if any file has colours.

    Files are compared by their headers alone, which is quick, so that a long run cannot fail halfway. One
    that cannot be used, or that a link takes out of the resolved `root`, is an `ImageFileError` when it is
    read, and changes nothing for the others.

    Raises:
        DataError: If two files differ in size and the crop has no size.
    """
    first: tuple[Path, tuple[int, int]] | None = None
    channels = 1
    for path in paths:
        header = _header(path, root)
        if header is None:
            continue
        mode, shape = header
        channels = channels if mode in _GREY else 3
        first = first or (path, shape)
        if crop.size is None and shape != first[1]:
            raise DataError(
                f"{first[0]} is {first[1][0]}×{first[1][1]} pixels and {path} is {shape[0]}×{shape[1]}; "
                "add size=224 (or another size) to resize all images, and resize=256 to cut out the centre"
            )

    def read(place: int) -> Tensor:
        sides = crop.size, crop.resize, crop.interpolation
        return read_image(paths[place], *sides, root=root).expand(channels, -1, -1)

    return read


def _header(path: Path, root: Path) -> tuple[str, tuple[int, int]] | None:
    try:
        with reading(path, root) as file:
            return None if unusable(file) else (file.mode, shown_size(file))
    except ImageFileError:
        return None
