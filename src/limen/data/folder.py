"""Folders of image files, one folder a class."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from limen.data.dataset import DataError, Dataset, Sample, read_class_names, spec_of
from limen.data.files import inside, open_folder, reader
from limen.images import IMAGE_SUFFIXES

_NUMBER = re.compile("[0-9]{1,9}")


def folder(path: Path, *, size: int | None = None, classes: Path | None = None) -> Dataset:
    """Image files in one folder a class: `PATH/cat/1.png`, `PATH/dog/2.jpg`.

    Where the model names its classes too, a folder is the class of its name; folders that are all named
    by numbers are the classes with these numbers. A sample's name is its path below the folder. Hidden
    folders are left out. Links are followed only where they stay below the folder.

    Args:
        path: The folder of class folders.
        size: Resize every image to this height and width; else all must have one size.
        classes: A file with the name of one class on each line, in the model's order; a sample's label is
            the line of its folder's name, counted from 0. Without it, and where the model has no names,
            classes are the folders in alphabetical order.

    Raises:
        UsageError: If there is no such folder, or `size` is not positive.
        DataError: If there is no image, a folder is not among `classes`, two folders have one number, or
            two sizes are mixed.
    """
    root = open_folder(path, size)
    folders = sorted(entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    for entry in folders:
        if not inside(root, entry):
            raise DataError(f"{entry}: links to a place outside of {root}; put a copy there instead")
    names: tuple[str, ...] | None
    if classes is None and folders and all(_NUMBER.fullmatch(entry.name) for entry in folders):
        names, label_of = None, _numbers(folders)
    else:
        names = read_class_names(classes) if classes is not None else tuple(entry.name for entry in folders)
        label_of = _labels(folders, names, classes)
    files = [file for entry in folders for file in sorted(entry.iterdir()) if _is_image(file)]
    if not files:
        suffixes = " ".join(sorted(IMAGE_SUFFIXES))
        raise DataError(f"{path}: no images; expected one folder a class, with files that end in {suffixes}")
    image = reader(root, files, size)
    ids = tuple(file.relative_to(root).as_posix() for file in files)

    def read(index: int) -> Sample:
        return Sample(ids[index], image(index), label_of[files[index].parent.name])

    return Dataset(
        spec_of("folder", path, size=size, classes=classes),
        ids,
        read,
        names,
        numbered=classes is not None,
        file=files.__getitem__,
    )


def _numbers(folders: Sequence[Path]) -> dict[str, int]:
    labels = {entry.name: int(entry.name) for entry in folders}
    for name, number in labels.items():
        if [*labels.values()].count(number) > 1:
            raise DataError(
                f"{folders[0].parent}: two folders have the number of {name!r}; rename one of them"
            )
    return labels


def _labels(folders: Sequence[Path], names: Sequence[str], classes: Path | None) -> dict[str, int]:
    labels = {}
    for entry in folders:
        count = names.count(entry.name)
        if count != 1:
            found = "not" if count == 0 else f"{count} times"
            raise DataError(
                f"{entry}: class {entry.name!r} is {found} in {classes}; "
                "rename the folder or mend the list of classes"
            )
        labels[entry.name] = names.index(entry.name)
    return labels


def _is_image(file: Path) -> bool:
    return file.suffix.lower() in IMAGE_SUFFIXES and not file.name.startswith(".")
