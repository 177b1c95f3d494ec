"""The ImageNet-compatible images of the NIPS 2017 competition on adversarial attacks and defences.

Kurakin et al., "Adversarial Attacks and Defences Competition", 2018, arXiv:1804.00097. The file
`images.csv` counts ImageNet's classes from 1; Limen counts from 0.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import numpy as np

from limen.data.dataset import Dataset, Sample, check_labels, spec_of
from limen.data.errors import DataError
from limen.data.files import open_folder, reader
from limen.data.masks import masks_beside
from limen.data.table import read_table
from limen.images import Crop, Interpolation

_CLASSES = 1000
_COLUMNS = ("ImageId", "TrueLabel", "TargetClass")
_NUMBER = re.compile("[0-9]{1,9}")


def nips2017(
    path: Path,
    *,
    size: int | None = None,
    resize: int | None = None,
    interpolation: Interpolation = "bicubic",
    masks: Path | None = None,
) -> Dataset:
    """The NIPS 2017 images: `PATH/images.csv` and `PATH/images/ID.png`, as far as the files are there.

    Args:
        path: The folder of `images.csv`.
        size: Resize every image to this height and width; they are stored at 299.
        resize: Resize the shorter side to this instead, and cut the square of `size` out of the centre.
        interpolation: How to resize.
        masks: A folder with the foreground mask of each image, `ID.png`, or an `.npz` with an array `ID` for
            each; not zero where the foreground is.

    Raises:
        UsageError: If there is no such folder, or `size` is not positive.
        DataError: If `images.csv` is missing or broken, no image of it is there, a label is out of range, or
            an image has no mask.
    """
    crop, root = Crop(size, resize, interpolation), open_folder(path)
    rows = _read_rows(root)
    rows = [row for row in rows if _file(root, row[0]).is_file()]
    if not rows:
        raise DataError(f"{path}: none of the images in images.csv is in {root / 'images'}")
    files = [_file(root, row[0]) for row in rows]
    image = reader(root, files, crop)
    ids = tuple(row[0] for row in rows)
    mask = masks_beside(masks, root / "images", files, ids, crop)

    def read(index: int) -> Sample:
        name, label, target = rows[index]
        return Sample(name, image(index), label - 1, target - 1, None if mask is None else mask(index))

    spec = spec_of("nips2017", path, **crop.stated, masks=masks)
    known = repr(rows) if mask is None else repr((rows, mask.content))
    content = hashlib.sha256(known.encode()).hexdigest()
    return Dataset(spec, ids, read, _imagenet_names(), content, files.__getitem__)


def _file(root: Path, name: str) -> Path:
    return root / "images" / f"{name}.png"


def _read_rows(root: Path) -> list[tuple[str, int, int]]:
    table, rows = root / "images.csv", []
    for row in read_table(table, _COLUMNS, root=root):
        name, *classes = (row.cells[column] for column in _COLUMNS)
        if not all(_NUMBER.fullmatch(number) for number in classes):
            raise DataError(f"{row.where}: classes {' and '.join(classes)}; expected whole numbers")
        rows.append((name, *map(int, classes)))
    names = [row[0] for row in rows]
    for name in names:
        # The name becomes a path, and the table may come from anywhere.
        if Path(name).name != name or name in ("", "..") or "\\" in name or "\0" in name:
            raise DataError(f"{table}: ImageId {name!r} is no plain file name")
    if len(set(names)) != len(names):
        repeated = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{table}: ImageId {repeated!r} stands there more than once")
    for column in (1, 2):
        numbers = np.array([row[column] for row in rows], dtype=object)
        check_labels(f"{table}, {_COLUMNS[column]}", numbers, _CLASSES, first=1)
    return rows


def _imagenet_names() -> tuple[str, ...]:
    from torchvision.models import ResNet50_Weights

    return tuple(ResNet50_Weights.DEFAULT.meta["categories"])
