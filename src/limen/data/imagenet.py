"""ImageNet, or a subset of its classes, in the usual folders.

Russakovsky et al., "ImageNet Large Scale Visual Recognition Challenge", IJCV 2015.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Literal

from limen.data.dataset import Dataset, read_class_names, spec_of
from limen.data.errors import DataError
from limen.data.files import open_folder
from limen.data.folder import of_folders
from limen.data.matching import imagenet_names
from limen.images import Crop, Interpolation
from limen.safety import is_inside

_LINE = re.compile(r"(n\d{8})(?:\s+(\S.*))?")


def imagenet(
    path: Path,
    *,
    classes: Path,
    split: Literal["test", "train"] = "test",
    numbering: Literal["list", "imagenet"] = "list",
    size: int | None = None,
    resize: int | None = None,
    interpolation: Interpolation = "bicubic",
    masks: Path | None = None,
    crop: Crop | None = None,
) -> Dataset:
    """The classes of ImageNet that a file lists: `PATH/val/n01440764/*.JPEG`, and `PATH/train/…`.

    Args:
        path: The folder of `train` and `val`.
        classes: A file with one WordNet number a line, such as `n01440764`, and after a space a name if you
            like.
        split: `test` is the folder `val`, as ImageNet's own test images have no labels.
        numbering: Labels are the classes' places in the file (`list`), for a network of as many classes, or
            ImageNet's own from 0 to 999 (`imagenet`).
        size: Resize every image to this height and width; else all must have one size.
        resize: Resize the shorter side to this instead, and cut the square of `size` out of the centre.
        interpolation: How to resize.
        masks: A folder or `.npz` of foreground masks, as `folder` reads them.
        crop: What the model itself makes of a photograph, as `Classifier.crop` has it, for want of a `size`.

    Raises:
        UsageError: If there is no such folder, or `size` is not positive.
        DataError: If a class is none of ImageNet's, is listed twice, or has no folder.
    """
    chosen, parent = Crop.chosen(size, resize, interpolation, crop), open_folder(path)
    root = parent / {"test": "val", "train": "train"}[split]
    listing, known = _read(classes), imagenet_names()
    for number in listing:
        if number not in known:
            raise DataError(f"{classes}: {number} is none of ImageNet's 1000 classes")
        if not (root / number).is_dir() or not is_inside(parent, root / number):
            raise DataError(f"{root / number}: no such folder; {classes} lists the class")
    root = root.resolve()
    places = {number: place for place, number in enumerate(listing if numbering == "list" else known)}
    spec = spec_of(
        "imagenet",
        path,
        split=split,
        classes=classes,
        numbering=None if numbering == "list" else numbering,
        **chosen.stated,
        masks=masks,
    )
    listed = [name or known[number] for number, name in listing.items()]
    names = listed if numbering == "list" else known.values()
    folders = [root / number for number in listing]
    dataset = of_folders(spec, root, folders, places, chosen, masks)
    return replace(dataset, class_names=tuple(names), numbered=True)


def _read(classes: Path) -> dict[str, str | None]:
    """The name of each WordNet number that a file lists, where it gives one."""
    listing: dict[str, str | None] = {}
    for place, line in enumerate(read_class_names(classes), start=1):
        found = _LINE.fullmatch(line)
        if found is None:
            raise DataError(f"{classes}, line {place}: {line!r} has no number such as n01440764")
        if found[1] in listing:
            raise DataError(f"{classes}, line {place}: {found[1]} is listed a second time")
        listing[found[1]] = found[2]
    return listing
