"""Dollar Street: photographs of household things in many countries, with ImageNet's classes.

Gaviria Rojas et al., "The Dollar Street Dataset: Images Representing the Geographic and Socioeconomic
Diversity of the World", NeurIPS 2022. Its labels are topics that people gave a photograph; those of a
photograph's ImageNet classes are known to be partly wrong.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Literal

from limen.data.dataset import Dataset, Sample, spec_of
from limen.data.errors import DataError
from limen.data.excluding import read_excluded
from limen.data.files import open_folder, reader
from limen.data.listed import below
from limen.data.matching import imagenet_names
from limen.data.table import Row, read_table
from limen.images import Crop, Interpolation

_CLASSES = 1000
_COLUMNS = ("id", "imageRelPath", "imagenet_sysnet_id")


def dollar_street(
    path: Path,
    *,
    split: Literal["test", "train"] = "test",
    group: str = "country.name",
    exclude: Path | None = None,
    size: int | None = None,
    resize: int | None = None,
    interpolation: Interpolation = "bicubic",
    crop: Crop | None = None,
) -> Dataset:
    """Dollar Street with ImageNet's classes: `PATH/images_v2_imagenet_test.csv` and the files that it lists.

    A photograph may show several of ImageNet's classes. Any of them counts as right; the first is its label.
    Images that are not there are left out.

    Args:
        path: The folder of the tables.
        split: Which table to read, that of `test` or of `train`.
        group: The column that names the group: `country.name`, `country.id`, `region.id` or another.
        exclude: A table of photographs to leave out, as those with a wrong label; see `read_excluded`.
        size: Resize every image to this height and width; they have many sizes.
        resize: Resize the shorter side to this instead, and cut the square of `size` out of the centre.
        interpolation: How to resize.
        crop: What the model itself makes of a photograph, as `Classifier.crop` has it, for want of a `size`.

    Raises:
        UsageError: If there is no such folder, or `size` is not positive.
        DataError: If a table is missing or broken, or no image of it is there; the message names the line.
    """
    chosen, root = Crop.chosen(size, resize, interpolation, crop), open_folder(path)
    table = root / f"images_v2_imagenet_{split}.csv"
    rows = read_table(table, (*_COLUMNS, group), root=root)
    files = {row.filled("id"): below(root, row, "imageRelPath") for row in rows}
    if len(files) < len(rows):
        raise DataError(f"{table}: lists an id more than once")
    out = frozenset() if exclude is None else read_excluded(exclude, files)
    rows = [row for row in rows if row.cells["id"] not in out and files[row.cells["id"]].is_file()]
    if not rows:
        raise DataError(f"{table}: none of its images is there; keep their folders below {root}")
    ids = tuple(row.cells["id"] for row in rows)
    paths, classes = [files[name] for name in ids], [_classes(row) for row in rows]
    groups, image = [row.filled(group) for row in rows], reader(root, paths, chosen)

    def read(index: int) -> Sample:
        label, *others = classes[index]
        return Sample(ids[index], image(index), label, group=groups[index], also=tuple(others))

    named = None if group == "country.name" else group
    spec = spec_of("dollar_street", path, split=split, group=named, exclude=exclude, **chosen.stated)
    content = hashlib.sha256(repr((ids, classes, groups)).encode()).hexdigest()
    names = tuple(imagenet_names().values())
    return Dataset(spec, ids, read, names, content, paths.__getitem__, numbered=True, groups=tuple(groups))


def _classes(row: Row) -> tuple[int, ...]:
    """ImageNet's classes of a photograph, each once, as the table lists them: `[898, 440]`."""
    text = row.filled("imagenet_sysnet_id")
    try:
        found = json.loads(text)
    except ValueError:
        found = ()
    listed = found if isinstance(found, list) else []
    if not listed or not all(type(each) is int and 0 <= each < _CLASSES for each in listed):
        raise DataError(
            f"{row.where}: imagenet_sysnet_id {text!r} is no list of classes from 0 to {_CLASSES - 1}, "
            "such as [898, 440]"
        )
    return tuple(dict.fromkeys(listed))
