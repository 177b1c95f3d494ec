"""Image files that a table lists: what `csv:` reads, and sets that come with such a table."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from limen.data.dataset import Dataset, Sample, read_class_names, spec_of
from limen.data.errors import DataError
from limen.data.excluding import read_excluded
from limen.data.files import open_folder, reader
from limen.data.masks import mask_files
from limen.data.table import Row, read_table
from limen.images import Crop, Interpolation

_NUMBER = re.compile("[0-9]{1,9}")
_NUMERIC = re.compile(r"[-+]?[\d.]*\d[\d.]*(e[-+]?\d+)?", re.IGNORECASE)


def csv_table(
    path: Path,
    *,
    size: int | None = None,
    resize: int | None = None,
    interpolation: Interpolation = "bicubic",
    classes: Path | None = None,
    exclude: Path | None = None,
    crop: Crop | None = None,
) -> Dataset:
    """A table with the columns `image` and `label`, and if you like `mask`, `target` and `group`.

    `image` and `mask` are paths below the table's folder; a mask is a PNG as large as its image, not zero
    where the foreground is. `label` and `target` are numbers from 0 or names of classes, `group` is any text.
    A sample's name is the path of its image. Other columns are left alone.

    Args:
        path: The CSV file, in UTF-8, with a first line of column names.
        size: Resize every image to this height and width; else all must have one size.
        resize: Resize the shorter side to this instead, and cut the square of `size` out of the centre.
        interpolation: How to resize.
        classes: A file with the name of one class on each line, in the model's order. Without it, classes
            that are names are numbered in alphabetical order, and looked up among the model's.
        exclude: A table of samples to leave out, such as those with a wrong label; see `read_excluded`.
        crop: What the model itself makes of a photograph, as `Classifier.crop` has it, for want of a `size`.

    Raises:
        UsageError: If there is no such folder, or a size is out of range.
        DataError: If a table is missing or broken, or two sizes are mixed; the message names the line.
    """
    chosen, root = Crop.chosen(size, resize, interpolation, crop), open_folder(path.parent)
    rows = read_table(path, ("image", "label"))
    if not rows:
        raise DataError(f"{path}: lists no image")
    names = read_class_names(classes) if classes is not None else _names(rows)
    if exclude is not None:
        out = read_excluded(exclude, {_name(root, row) for row in rows})
        rows = [row for row in rows if _name(root, row) not in out]
    spec = spec_of("csv", path, **chosen.stated, classes=classes, exclude=exclude)
    return replace(listed(spec, root, rows, names, chosen), numbered=classes is not None)


def listed(
    spec: str,
    root: Path,
    rows: Sequence[Row],
    names: tuple[str, ...] | None,
    crop: Crop,
) -> Dataset:
    """The images that rows list, in their order.

    Args:
        spec: How to call the data set.
        root: The resolved folder that paths begin in.
        rows: At least one, with the cells that `csv_table` says.
        names: The names of the classes in the order of their numbers; None if rows tell only numbers.
        crop: What images are resized to.

    Raises:
        DataError: If a cell is wrong, an image is listed twice, or two sizes are mixed.
    """
    files = [below(root, row, "image") for row in rows]
    ids = tuple(_name(root, row) for row in rows)
    seen: set[str] = set()
    for row, name in zip(rows, ids, strict=True):
        if name in seen:
            raise DataError(f"{row.where}: {name!r} is listed a second time")
        seen.add(name)
    columns = [column for column in ("label", "target") if column in rows[0].cells]
    numbers = {column: _numbers(rows, column, names) for column in columns}
    groups = [row.filled("group") for row in rows] if "group" in rows[0].cells else None
    image, mask = reader(root, files, crop), None
    if "mask" in rows[0].cells:
        mask = mask_files(root, [below(root, row, "mask") for row in rows], files, crop)

    def read(index: int) -> Sample:
        return Sample(
            ids[index],
            image(index),
            numbers["label"][index],
            numbers["target"][index] if "target" in numbers else None,
            None if mask is None else mask(index),
            None if groups is None else groups[index],
        )

    content = hashlib.sha256(repr([row.cells for row in rows]).encode()).hexdigest()
    grouped = None if groups is None else tuple(groups)
    return Dataset(spec, ids, read, names, content, files.__getitem__, groups=grouped)


def below(root: Path, row: Row, column: str) -> Path:
    """The path that a cell names below the resolved `root`.

    Raises:
        DataError: If it is no such path.
    """
    text = row.filled(column)
    path = Path(text)
    # The table may come from anywhere.
    if path.is_absolute() or path.drive or ".." in path.parts or "\\" in text or "\0" in text:
        raise DataError(f"{row.where}: {column} {text!r} is no path below {root}, such as a/b.png")
    return root / path


def _name(root: Path, row: Row) -> str:
    """What a sample is called: the path of its image."""
    return below(root, row, "image").relative_to(root).as_posix()


def _names(rows: Sequence[Row]) -> tuple[str, ...] | None:
    """The classes that rows name, in alphabetical order; None if they are numbers."""
    cells = [(row, column) for row in rows for column in ("label", "target") if column in row.cells]
    found = [row.filled(column) for row, column in cells]
    numbered = [bool(_NUMBER.fullmatch(text)) for text in found]
    for (row, column), text, number in zip(cells, found, numbered, strict=True):
        # As names, -1 or 2.0 would be put in alphabetical order unsaid.
        if _NUMERIC.fullmatch(text) and not number:
            raise DataError(f"{row.where}: {column} {text!r} is no whole number from 0")
    if all(numbered):
        return None
    if any(numbered):
        row, column = cells[numbered.index(not numbered[0])]
        raise DataError(
            f"{row.where}: {column} {row.cells[column]!r} where {found[0]!r} stands before; "
            "use numbers or names throughout, or list the classes with classes=FILE"
        )
    return tuple(sorted(set(found)))


def _numbers(rows: Sequence[Row], column: str, names: tuple[str, ...] | None) -> list[int]:
    places = {} if names is None else {name: place for place, name in enumerate(names)}
    numbers = []
    for row in rows:
        text = row.filled(column)
        number = places.get(text, int(text) if _NUMBER.fullmatch(text) else None)
        if number is None or (names is not None and number >= len(names)):
            raise DataError(f"{row.where}: {column} {text!r} is none of the {len(places)} classes")
        numbers.append(number)
    return numbers
