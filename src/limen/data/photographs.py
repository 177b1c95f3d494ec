"""Photographs without labels: one file, or a folder of them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from torch import Tensor

from limen.data.dataset import UNLABELLED, Dataset, Sample, spec_of
from limen.data.errors import DataError
from limen.data.files import entries, image_files, open_folder
from limen.data.own_size import Photographs
from limen.errors import UsageError, reason
from limen.images import (
    READ_SUFFIXES,
    Crop,
    Interpolation,
    read_image,
)
from limen.safety import is_inside

_SIDE = 224


def images(
    path: Path,
    *,
    size: int | None = None,
    resize: int | Literal["squash"] | None = None,
    interpolation: Interpolation = "bicubic",
    crop: Crop | None = None,
) -> Dataset:
    """One photograph, or a folder of them, whose labels are what the model itself says of them.

    A photograph's shorter side is resized to `resize`, and the square of side `size` in its centre is what
    the model is shown. `limen attack` writes each photograph that fools the model in its own size too.

    Args:
        path: An image file, or a folder of image files; folders in it are left out.
        size: The height and width that the model takes; 224 where neither this nor `crop` says it.
        resize: What the shorter side becomes first; `size` if not given, so that the square is as large as
            it can be; `squash` to make the whole photograph a square. Most networks of torchvision have been
            measured at 256 with a size of 224.
        interpolation: How to resize.
        crop: What the model itself makes of a photograph, as `Classifier.crop` has it, for want of a `size`.

    Raises:
        UsageError: If there is no such file or folder, or a number is out of range.
        DataError: If the folder holds no image.
    """
    side = _SIDE if size is None else size
    asked = None if resize == "squash" else (resize or side)
    chosen = crop if crop and size is None and resize is None else Crop(side, asked, interpolation)
    alone, root = _opened(path)
    files = [alone] if alone else image_files(root)
    if not files:
        raise DataError(_nothing_in(root))
    ids = tuple(file.name for file in files)

    def read(index: int) -> Tensor:
        return read_image(files[index], root=root)

    photographs = Photographs(read, chosen)

    def sample(index: int) -> Sample:
        return Sample(ids[index], photographs.shown(read(index)), UNLABELLED)

    told = {**chosen.stated, "resize": "squash" if chosen.resize is None else chosen.resize}
    usual = {"size": _SIDE, "resize": chosen.size}
    stated = {key: value for key, value in told.items() if value != usual.get(key)}
    spec = spec_of("images", path, **stated)
    return Dataset(spec, ids, sample, file=files.__getitem__, photographs=photographs)


def _opened(path: Path) -> tuple[Path | None, Path]:
    """The file, if it is one, and the resolved folder."""
    try:
        if path.is_dir():
            return None, open_folder(path)
        if not path.is_file():
            raise UsageError(f"{path}: no such file or folder of images")
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: cannot be opened ({reason(error)})") from error
    file = path.resolve()
    return file, file.parent


def _nothing_in(root: Path) -> str:
    if any(image_files(each) for each in entries(root) if each.is_dir() and is_inside(root, each)):
        return f"{root}: images lie in folders below it; folder:{root} reads these, one folder a class"
    return f"{root}: no images; expected files that end in {' '.join(sorted(READ_SUFFIXES))}"
