"""`demo:digits`: scikit-learn's real handwritten digits, enlarged from 8×8 to 28×28.

Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

from limen.data.arrays import from_arrays
from limen.data.dataset import Dataset, spec_of
from limen.safety import check_count

SIZE = 28
"""Height and width of a digit, in pixels."""

_TEST = 497  # the last of 1797, which leaves 1300 for training


def digits(split: str, count: int | None) -> Dataset:
    """The first `count` digits of "test" (the last 497) or "train" (the first 1300), white on black.

    Raises:
        UsageError: If there are not as many.
    """
    pixels, labels = _enlarged()
    chosen = slice(None, -_TEST) if split == "train" else slice(-_TEST, None)
    pixels, labels = pixels[chosen], labels[chosen]
    if count is not None:
        check_count("count", count, len(pixels))
    spec = spec_of("demo", "digits", split=split, count=count)
    return from_arrays(spec, pixels[:count], labels[:count], [str(digit) for digit in range(10)])


@lru_cache(maxsize=1)
def _enlarged() -> tuple[np.ndarray, np.ndarray]:
    # scikit-learn is not imported for its file: that would take longer than all the rest.
    found = find_spec("sklearn")
    folder = ((found and found.submodule_search_locations) or [""])[0]
    table = np.loadtxt(Path(folder) / "datasets" / "data" / "digits.csv.gz", delimiter=",")
    values, labels = table[:, :-1], table[:, -1]
    small = np.rint(values.reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    large = [Image.fromarray(digit).resize((SIZE, SIZE), Image.Resampling.BICUBIC) for digit in small]
    return np.stack([np.asarray(digit) for digit in large])[..., None], labels.astype(np.int64)
