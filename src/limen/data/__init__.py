"""Images with labels: on disk, in archives, and embedded for the demo.

>>> dataset = SOURCES["demo"]("digits", count=20)
>>> [batch.images.shape[0] for batch in batches(dataset, range(len(dataset)), 8, print)]
[8, 8, 4]
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from limen.data.arrays import from_arrays
from limen.data.cifar10 import cifar10
from limen.data.dataset import Batch, DataError, Dataset, Sample, batches
from limen.data.embedded_digits import digits
from limen.data.embedded_photos import photos
from limen.data.folder import folder
from limen.data.matching import numbered_as
from limen.data.mnist import mnist
from limen.data.nips2017 import nips2017
from limen.data.npz import npz
from limen.errors import UnknownNameError

__all__ = [
    "SOURCES",
    "Batch",
    "DataError",
    "Dataset",
    "Sample",
    "batches",
    "cifar10",
    "demo",
    "folder",
    "from_arrays",
    "mnist",
    "nips2017",
    "npz",
    "numbered_as",
]

_EMBEDDED = {"digits": digits, "photos": photos}


def demo(name: str, *, split: Literal["test", "train"] = "test", count: int | None = None) -> Dataset:
    """Real images that need no download: `photos` (12 classes, 96×96, colour) and `digits` (10, 28×28, grey).

    Args:
        name: Which of the two.
        split: The part to read.
        count: How many images; 1200 photographic views or all digits if None.

    Raises:
        UnknownNameError: If there is no such set.
        UsageError: If `count` is out of range.

    Example:
        >>> demo("photos").load(0).id
        'astronaut-0000'
    """
    if name not in _EMBEDDED:
        raise UnknownNameError("demo data set", name, _EMBEDDED)
    return _EMBEDDED[name](split, count)


SOURCES: dict[str, Callable[..., Dataset]] = {
    "folder": folder,
    "nips2017": nips2017,
    "mnist": mnist,
    "cifar10": cifar10,
    "npz": npz,
    "demo": demo,
}
"""The sources that a spec string can name."""
