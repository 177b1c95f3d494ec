"""Folders of image files, one folder a class."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from limen.data.dataset import Dataset, Sample, read_class_names, spec_of
from limen.data.errors import DataError
from limen.data.files import entries, image_files, open_folder, reader
from limen.data.masks import masks_beside
from limen.images import READ_SUFFIXES, Crop, Interpolation
from limen.safety import is_inside

_NUMBER = re.compile("[0-9]{1,9}")


def folder(
    path: Path,
    *,
    size: int | None = None,
    resize: int | None = None,
    interpolation: Interpolation = "bicubic",
    classes: Path | None = None,
    masks: Path | None = None,
    crop: Crop | None = None,
) -> Dataset:
    """Image files in one folder a class: `PATH/cat/1.png`, `PATH/dog/2.jpg`.

    Where the model names its classes too, a folder is the class of its name; folders that are all named
    by numbers are the classes with these numbers. A sample's name is its path below the folder. Hidden
    folders are left out. Links are followed only where they stay below the folder.

    Args:
        path: The folder of class folders.
        size: Resize every image to this height and width; else all must have one size.
        resize: Resize the shorter side to this instead, and cut the square of `size` out of the centre, as
            most networks of ImageNet have been measured at size=224,resize=256.
        interpolation: How to resize.
        classes: A file with the name of one class on each line, in the model's order; a sample's label is
            the line of its folder's name, counted from 0. Without it, and where the model has no names,
            classes are the folders in alphabetical order.
        masks: A folder with the foreground mask of each image, `cat/1.png` for `cat/1.jpg`, or an `.npz` with
            an array for each under the sample's name; not zero where the foreground is.
        crop: What the model itself makes of a photograph, as `Classifier.crop` has it, for want of a `size`.

    Raises:
        UsageError: If there is no such folder, `size` is not positive, or `resize` is less.
        DataError: If there is no image, a folder is not among `classes`, two folders have one number, some
            are numbers and others names, a link leads nowhere, two sizes are mixed, or an image has no mask.
    """
    chosen, root = Crop.chosen(size, resize, interpolation, crop), open_folder(path)
    folders = _class_folders(root)
    names: tuple[str, ...] | None
    numbers = [entry.name for entry in folders if classes is None and _NUMBER.fullmatch(entry.name)]
    if numbers and len(numbers) < len(folders):
        other = next(entry.name for entry in folders if entry.name not in numbers)
        raise DataError(
            f"{root}: folder {numbers[0]!r} is a number and folder {other!r} a name; use numbers or names "
            "throughout, or list the classes in the model's order with classes=FILE"
        )
    if numbers:
        names, label_of = None, _numbers(folders)
    else:
        names = read_class_names(classes) if classes is not None else tuple(entry.name for entry in folders)
        label_of = _labels(folders, names, classes)
    spec = spec_of("folder", path, **chosen.stated, classes=classes, masks=masks)
    dataset = of_folders(spec, root, folders, label_of, chosen, masks)
    return replace(dataset, class_names=names, numbered=classes is not None)


def _class_folders(root: Path) -> list[Path]:
    """The folders that are classes; one that cannot be opened would shift the labels of those after it."""
    found = [entry for entry in entries(root) if not entry.name.startswith(".")]
    for entry in found:
        if entry.is_symlink() and not entry.exists():
            raise DataError(f"{entry}: links to nothing; mend or remove the link")
        if entry.is_dir() and not is_inside(root, entry):
            raise DataError(f"{entry}: links to a place outside of {root}; put a copy there instead")
    return [entry for entry in found if entry.is_dir()]


def of_folders(
    spec: str,
    root: Path,
    folders: Sequence[Path],
    label_of: Mapping[str, int],
    crop: Crop,
    masks: Path | None,
) -> Dataset:
    """The image files in some folders below the resolved `root`, without the names of classes.

    Args:
        spec: How to call the data set.
        root: Where the folders are.
        folders: Each with images of one class.
        label_of: The label of each folder, by its name.
        crop: What images are resized to.
        masks: A folder or `.npz` of foreground masks, if any.

    Raises:
        DataError: If there is no image, two sizes are mixed, or an image has no mask.
    """
    files = [file for entry in folders for file in image_files(entry)]
    if not files:
        suffixes = " ".join(sorted(READ_SUFFIXES))
        raise DataError(f"{root}: no images; expected one folder a class, with files that end in {suffixes}")
    image = reader(root, files, crop)
    ids = tuple(file.relative_to(root).as_posix() for file in files)
    mask = masks_beside(masks, root, files, ids, crop)

    def read(index: int) -> Sample:
        label = label_of[files[index].parent.name]
        return Sample(ids[index], image(index), label, mask=None if mask is None else mask(index))

    content = "" if mask is None else mask.content
    return Dataset(spec, ids, read, content=content, file=files.__getitem__)


def _numbers(folders: Sequence[Path]) -> dict[str, int]:
    labels = {entry.name: int(entry.name) for entry in folders}
    counts = Counter(labels.values())
    if twice := next((name for name, number in labels.items() if counts[number] > 1), None):
        raise DataError(f"{folders[0].parent}: two folders have the number of {twice!r}; rename one of them")
    return labels


def _labels(folders: Sequence[Path], names: Sequence[str], classes: Path | None) -> dict[str, int]:
    labels, listed = {}, [_composed(name) for name in names]
    for entry in folders:
        count = listed.count(_composed(entry.name))
        if count != 1:
            found = "not" if count == 0 else f"{count} times"
            raise DataError(
                f"{entry}: class {entry.name!r} is {found} in {classes}; "
                "rename the folder or mend the list of classes"
            )
        labels[entry.name] = listed.index(_composed(entry.name))
    return labels


def _composed(name: str) -> str:
    """A name with its accents as one character each: some file systems take them apart."""
    return unicodedata.normalize("NFC", name)
