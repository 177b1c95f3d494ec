"""Masked MS-COCO: cut-out objects of 32×32 pixels with their masks, in the 6-class version called Segment-6.

Cong and Prakash, "Masked MS-COCO for robust image classification", 2019,
https://github.com/superctj/Masked_MSCOCO. Its page names the parts: a folder of images, a folder of
masks and a CSV file with the partition into training and test. It does not name the columns, nor say how
masks are stored: a spec may name the former, and the latter are taken for PNG.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from limen.data.dataset import Dataset, spec_of
from limen.data.errors import DataError
from limen.data.files import open_folder
from limen.data.listed import listed
from limen.data.table import Row, read_table
from limen.images import Crop

_CLASSES = {
    6: ("train", "bird", "cat", "dog", "toilet", "clock"),
    10: (
        "person",
        "airplane",
        "train",
        "bird",
        "dog",
        "elephant",
        "zebra",
        "giraffe",
        "toilet",
        "clock",
    ),
}


def segment6(
    path: Path,
    *,
    split: Literal["test", "train"] = "test",
    version: Literal[6, 10] = 6,
    image: str = "image",
    label: str = "label",
    partition: str = "partition",
) -> Dataset:
    """Masked MS-COCO: `PATH/images/NAME`, `PATH/masks/NAME` as PNG, and one CSV file that lists them.

    Args:
        path: The folder of the three. That of the images may be called anything that begins with `image`,
            that of the masks with `mask`.
        split: Which rows to read: those whose partition is the word `test` or `train`.
        version: How many classes the version has; a label is a class's name, or its number in the order of
            the authors' page.
        image: The column with the names of the image files.
        label: The column with the classes.
        partition: The column with the partition.

    Raises:
        UsageError: If there is no such folder.
        DataError: If a part of the set is missing or broken.
    """
    root = open_folder(path)
    images, masks = _only(root, "image*", folder=True), _only(root, "mask*", folder=True)
    table = _only(root, "*.csv", folder=False)
    what = "; name those of the file with image=, label= and partition="
    rows = [
        Row(
            row.where,
            {
                "image": f"{images.name}/{row.filled(image)}",
                "mask": f"{masks.name}/{os.path.splitext(row.filled(image))[0]}.png",
                "label": row.cells[label],
            },
        )
        for row in read_table(table, (image, label, partition), what, root)
        if row.cells[partition].lower() == split
    ]
    if not rows:
        raise DataError(f"{table}: no row has {split} in the column {partition}")
    given = {"version": version, "image": image, "label": label, "partition": partition}
    usual = {"version": 6, "image": "image", "label": "label", "partition": "partition"}
    told = {key: value for key, value in given.items() if value != usual[key]}
    return listed(spec_of("segment6", path, split=split, **told), root, rows, _CLASSES[version], Crop())


def _only(root: Path, pattern: str, *, folder: bool) -> Path:
    found = [each for each in sorted(root.glob(pattern)) if each.is_dir() == folder]
    if len(found) != 1:
        kind = "folder" if folder else "file"
        raise DataError(f"{root}: {len(found)} {kind}s named {pattern}; expected one")
    return found[0]
