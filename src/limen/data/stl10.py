"""STL-10 in its binary format.

Coates, Lee and Ng, "An Analysis of Single-Layer Networks in Unsupervised Feature Learning", AISTATS 2011.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from limen.data.arrays import from_arrays
from limen.data.dataset import Dataset, check_labels, read_class_names, spec_of
from limen.data.errors import DataError
from limen.data.files import open_folder
from limen.errors import reason
from limen.safety import read_bytes

_NAMES = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")
_SIDE = 96


def stl10(path: Path, *, split: Literal["test", "train"] = "test") -> Dataset:
    """STL-10's 96×96 photographs: `PATH/test_X.bin` and `test_y.bin`, or those that begin with `train`.

    The files count classes from 1; Limen counts from 0. `class_names.txt` is read if it is there.

    Args:
        path: The folder of the binary files.
        split: Which of the two labelled parts to read.

    Raises:
        UsageError: If there is no such folder.
        DataError: If a file is missing or broken.
    """
    root = open_folder(path)
    pixels, labels = _read(root, f"{split}_X.bin"), _read(root, f"{split}_y.bin")
    record = 3 * _SIDE * _SIDE
    if len(pixels) == 0 or len(pixels) != len(labels) * record:
        raise DataError(
            f"{root / f'{split}_X.bin'}: {len(pixels)} bytes where {len(labels)} labels, of {split}_y.bin, "
            f"need {record} each; download both again"
        )
    check_labels(f"{root / f'{split}_y.bin'}", labels, len(_NAMES), first=1)
    listing = root / "class_names.txt"
    names = read_class_names(listing, root) if listing.is_file() else _NAMES
    if len(names) != len(_NAMES):
        raise DataError(f"{listing}: {len(names)} names; STL-10 has {len(_NAMES)} classes")
    # Three planes an image, each stored column by column.
    images = pixels.reshape(-1, 3, _SIDE, _SIDE).transpose(0, 3, 2, 1)
    return from_arrays(spec_of("stl10", path, split=split), images, labels - 1, names)


def _read(root: Path, name: str) -> np.ndarray:
    try:
        return np.frombuffer(read_bytes(root / name, root), np.uint8)
    except OSError as error:
        raise DataError(f"{root / name}: cannot be read ({reason(error)})") from error
