"""CIFAR-10, as `.npz` or in its own binary format.

Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009. The pickled version runs
code when it is opened, and so is not read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from limen.data.arrays import from_arrays
from limen.data.dataset import Dataset, spec_of
from limen.data.errors import DataError
from limen.data.files import open_folder
from limen.data.npz import read_npz
from limen.errors import reason
from limen.safety import check_fits, read_bytes

_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_BINARY = {"test": "test_batch.bin", "train": "data_batch_?.bin"}
_RECORD = 1 + 3 * 32 * 32


def cifar10(path: Path, *, split: Literal["test", "train"] = "test") -> Dataset:
    """CIFAR-10's 32×32 photographs: a folder of `test*.npz` and `train*.npz`, or the binary version's files.

    Args:
        path: The folder; an `.npz` holds `x`, uint8 of shape (N, 32, 32, 3), and `y`, integers.
        split: Which of the two parts to read.

    Raises:
        UsageError: If there is no such folder.
        DataError: If a file is missing or broken.
    """
    root = open_folder(path)
    archives, binaries = sorted(root.glob(f"{split}*.npz")), sorted(root.glob(_BINARY[split]))
    if len(archives) > 1:
        names = ", ".join(archive.name for archive in archives)
        raise DataError(
            f"{path}: more than one file for split={split}: {names}; use npz:FILE for one of them"
        )
    if archives:
        pixels, labels = read_npz(archives[0], root)
    elif binaries:
        pixels, labels = _read_binary(root, binaries)
    else:
        raise DataError(
            f"{path}: neither {split}*.npz nor {_BINARY[split]} is there; the pickled version of CIFAR-10 "
            "is not read, as it can run code: download the binary version"
        )
    if pixels.shape[1:] != (32, 32, 3):
        raise DataError(f"{archives[0]}: images of shape {pixels.shape[1:]}; CIFAR-10's are (32, 32, 3)")
    return from_arrays(spec_of("cifar10", path, split=split), pixels, labels, _NAMES)


def _read_binary(root: Path, files: list[Path]) -> tuple[np.ndarray, np.ndarray]:
    """Records of one label and the red, green and blue planes."""
    parts = []
    for file in files:
        try:
            content = np.frombuffer(read_bytes(file, root), np.uint8)
            check_fits(content.size + sum(part.size for part in parts))
        except OSError as error:
            raise DataError(f"{file}: cannot be read ({reason(error)})") from error
        if content.size == 0 or content.size % _RECORD:
            raise DataError(f"{file}: {content.size} bytes are no whole number of records; download it again")
        parts.append(content.reshape(-1, _RECORD))
    records = np.concatenate(parts)
    return records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), records[:, 0]
