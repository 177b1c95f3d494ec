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
from limen.data.covariates import Covariates, read_covariates
from limen.data.dataset import UNLABELLED, Batch, Dataset, Sample, batches
from limen.data.dollar_street import dollar_street
from limen.data.embedded_digits import digits
from limen.data.embedded_photos import photos
from limen.data.errors import DataError
from limen.data.excluding import read_excluded
from limen.data.folder import folder
from limen.data.imagenet import imagenet
from limen.data.listed import csv_table
from limen.data.matching import numbered_as
from limen.data.memory import groups_of, held
from limen.data.mnist import mnist
from limen.data.nips2017 import nips2017
from limen.data.npz import npz
from limen.data.own_size import Photographs
from limen.data.photographs import images
from limen.data.robust import robust
from limen.data.scenes import scenes
from limen.data.segment6 import segment6
from limen.data.stl10 import stl10
from limen.errors import UnknownNameError, UsageError

__all__ = [
    "SOURCES",
    "UNLABELLED",
    "Batch",
    "Covariates",
    "DataError",
    "Dataset",
    "Photographs",
    "Sample",
    "batches",
    "cifar10",
    "csv_table",
    "demo",
    "dollar_street",
    "folder",
    "from_arrays",
    "groups_of",
    "held",
    "imagenet",
    "images",
    "mnist",
    "nips2017",
    "npz",
    "numbered_as",
    "read_covariates",
    "read_excluded",
    "robust",
    "segment6",
    "stl10",
]

_EMBEDDED: dict[str, Callable[..., Dataset]] = {"digits": digits, "photos": photos, "scenes": scenes}


def demo(
    name: str,
    *,
    split: Literal["test", "train"] = "test",
    count: int | None = None,
    size: int | None = None,
    share: float | None = None,
    groups: int | None = None,
    bias: float | None = None,
) -> Dataset:
    """Images that need no download: real `photos` and `digits`, and synthetic `scenes` with foreground masks.

    Args:
        name: Which of them: `photos` (12 classes, 96×96, colour), `digits` (10, 28×28, grey) or `scenes` (7,
            64×64, colour).
        split: The part to read.
        count: How many images; 1200 views or scenes, or all digits, if None.
        size: Of `scenes` alone: height and width, from 32 to 224 pixels.
        share: Of `scenes` alone: the probability that a scene is one of night, a half if None; of scenes in
            made-up places, 0 if None.
        groups: Of `scenes` alone: how many made-up places the scenes are in; None for none, so that the group
            is day or night.
        bias: Of such places: the probability that a scene bears a faint cue, which holds in rich places and
            fails in poor ones; 0 if None.

    Raises:
        UnknownNameError: If there is no such set.
        UsageError: If a number is out of range, or the set does not know it.

    Example:
        >>> demo("photos").load(0).id
        'astronaut-0000'
    """
    if name not in _EMBEDDED:
        raise UnknownNameError("demo data set", name, _EMBEDDED)
    options = {"size": size, "share": share, "groups": groups, "bias": bias}
    given = {key: value for key, value in options.items() if value is not None}
    if given and name != "scenes":
        raise UsageError(f"demo:{name} has no {' and no '.join(given)}; only demo:scenes has")
    return _EMBEDDED[name](split, count, **given)


SOURCES: dict[str, Callable[..., Dataset]] = {
    "folder": folder,
    "images": images,
    "csv": csv_table,
    "imagenet": imagenet,
    "nips2017": nips2017,
    "mnist": mnist,
    "cifar10": cifar10,
    "stl10": stl10,
    "segment6": segment6,
    "dollar_street": dollar_street,
    "npz": npz,
    "robust": robust,
    "demo": demo,
}
"""The sources that a spec string can name."""
