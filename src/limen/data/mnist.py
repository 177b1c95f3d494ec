"""MNIST in its own idx format, and sets published in the same format (Fashion-MNIST, KMNIST).

LeCun, Cortes and Burges, "The MNIST database of handwritten digits".
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Literal

import numpy as np

from limen.data.arrays import from_arrays
from limen.data.dataset import Dataset, spec_of
from limen.data.errors import DataError
from limen.data.files import open_folder
from limen.errors import reason
from limen.safety import check_fits, inflated, opened

_PREFIXES = {"test": "t10k", "train": "train"}


def mnist(path: Path, *, split: Literal["test", "train"] = "test") -> Dataset:
    """MNIST's 28×28 digits in idx files, compressed (`.gz`) or not, as `PATH/t10k-images-idx3-ubyte.gz`.

    Args:
        path: The folder of the idx files.
        split: Which of the two parts to read.

    Raises:
        UsageError: If there is no such folder.
        DataError: If a file is missing or broken.
    """
    root = open_folder(path)
    prefix = _PREFIXES[split]
    images = _read_idx(root, f"{prefix}-images-idx3-ubyte", dimensions=3)
    labels = _read_idx(root, f"{prefix}-labels-idx1-ubyte", dimensions=1)
    spec = spec_of("mnist", path, split=split)
    return from_arrays(spec, images[..., None], labels, [str(digit) for digit in range(10)])


def _read_idx(root: Path, name: str, dimensions: int) -> np.ndarray:
    """An idx file of unsigned bytes: two zeros, type 8, the number of dimensions, big-endian sizes, data."""
    path, start = root / name, 4 + 4 * dimensions
    if (compressed := root / f"{name}.gz").exists():
        path = compressed
    try:
        head = _first(path, root, start)
        if len(head) < start or head[:4] != bytes([0, 0, 8, dimensions]):
            raise DataError(f"{path}: not an idx file of unsigned bytes with {dimensions} dimensions")
        shape = struct.unpack(f">{dimensions}I", head[4:])
        expected = int(np.prod(shape, dtype=object))
        check_fits(expected)
        content = _first(path, root, start + expected + 1)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file, with or without .gz") from None
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({reason(error)}); download it again") from error
    if (found := len(content) - start) != expected:
        said = f"{found} bytes" if found < expected else "more bytes"
        raise DataError(f"{path}: holds {said} where {expected} belong; download it again")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _first(path: Path, root: Path, most: int) -> bytes:
    """The first so many bytes of what a file holds, decompressed if it is compressed."""
    with opened(path, root) as file:
        return inflated(file, most) if path.suffix == ".gz" else file.read(most)
