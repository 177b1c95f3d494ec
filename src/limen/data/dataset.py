"""What every source of images becomes: named samples, read one at a time when they are needed."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from limen.data.covariates import Covariates
from limen.data.errors import DataError
from limen.data.own_size import Photographs
from limen.errors import UsageError, reason
from limen.images import ImageFileError
from limen.safety import check_fits, read_text
from limen.spec import write_spec

UNLABELLED = -(2**63)
"""The label of an image that has none: a run takes what its model says of the image.

It is none of those that people write for "unknown", such as -1, which are refused.
"""


@dataclass(frozen=True)
class Sample:
    """One image and what is known of it.

    Attributes:
        id: Unique in the data set.
        image: Float32, shape (C, H, W), in [0, 1], on the 8-bit lattice.
        label: The true class, 0-based; `UNLABELLED` where none is known.
        target: The class that a targeted attack should reach, if the data set names one.
        mask: Where its foreground is: bool, shape (1, H, W), if the data set says so.
        group: The group of samples that it belongs to, such as `night`, if the data set names groups.
        also: Further classes that count as right, if the image shows several.
    """

    id: str
    image: Tensor
    label: int
    target: int | None = None
    mask: Tensor | None = None
    group: str | None = None
    also: tuple[int, ...] = ()


@dataclass(frozen=True)
class Batch:
    """Samples side by side.

    Attributes:
        ids: N names.
        indices: Their N positions in the data set.
        images: Float32, shape (N, C, H, W), in [0, 1].
        labels: Int64, shape (N,).
        targets: Int64, shape (N,), or None unless every sample has a target.
        masks: Where the foreground is: bool, shape (N, 1, H, W), or None unless every sample has a mask.
        groups: N names of groups, or None unless every sample is in one.
        also: N lists of further classes that count as right, mostly empty.
    """

    ids: tuple[str, ...]
    indices: tuple[int, ...]
    images: Tensor
    labels: Tensor
    targets: Tensor | None
    masks: Tensor | None = None
    groups: tuple[str, ...] | None = None
    also: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True)
class Dataset:
    """Samples with names, of which none is in memory as an image before `load` asks for it.

    Attributes:
        spec: The spec string that describes the data set.
        ids: The samples' unique names, in their order.
        read: Reads the sample at a position; raises `ImageFileError` if its image cannot be used.
        class_names: The name of each class, where known.
        numbered: Whether the user has stated each label's number, so that it is not looked up by its name.
        content: A hash of what the samples are made from, where that has been read already: the arrays, with
            masks and groups, or the table of labels.
        file: The file that the sample at a position is read from, where each has its own.
        redraw: For a set that draws its samples at random, the same set under another seed, so that
            training sees fresh samples in every epoch.
        weights: How often each sample should be drawn, against the others: float64, shape (N,), not negative;
            None where all are alike.
        groups: The group of each sample, where that is known without reading one.
        covariates: A number of each group, where the data set knows one.
        photographs: Where samples are what is shown of larger photographs without labels, these.
        code: The SHA-256 of the user's file that makes it; None where none does.

    Example:
        >>> from limen.data import from_arrays
        >>> pixels = np.zeros((2, 8, 8, 3), np.uint8)
        >>> dataset = from_arrays("black", pixels, np.array([0, 1]))
        >>> dataset.load(1).id, dataset.load(1).image.shape
        ('00001', torch.Size([3, 8, 8]))
    """

    spec: str
    ids: tuple[str, ...] = field(repr=False)
    read: Callable[[int], Sample] = field(repr=False, compare=False)
    class_names: tuple[str, ...] | None = field(default=None, repr=False)
    content: str = field(default="", repr=False)
    file: Callable[[int], Path] | None = field(default=None, repr=False, compare=False)
    numbered: bool = field(default=False, repr=False)
    redraw: Callable[[int], Dataset] | None = field(default=None, repr=False, compare=False)
    weights: Tensor | None = field(default=None, repr=False, compare=False)
    groups: tuple[str, ...] | None = field(default=None, repr=False, compare=False)
    covariates: Covariates | None = field(default=None, repr=False, compare=False)
    photographs: Photographs | None = field(default=None, repr=False, compare=False)
    code: str | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.ids)

    def fingerprint(self) -> str:
        """A SHA-256 hex digest of what is known without reading every image."""
        known = json.dumps([self.ids, self.class_names, self.content])
        return hashlib.sha256(known.encode()).hexdigest()

    def load(self, index: int) -> Sample:
        """Read one sample.

        Raises:
            UsageError: If there is no sample at that position.
            ImageFileError: If its image cannot be used.
        """
        if not 0 <= index < len(self):
            raise UsageError(f"{self.spec} has {len(self)} samples; there is none at position {index}")
        if not _is_text(self.ids[index]):
            raise ImageFileError(f"{self.ids[index]!r}: the name is no Unicode; rename the file")
        return self.read(index)

    def first(self) -> Tensor:
        """The first image (C, H, W) that can be read.

        Raises:
            UsageError: If none can.
        """
        for index in range(len(self)):
            with suppress(ImageFileError):
                return self.load(index).image
        raise UsageError(f"{self.spec}: no image can be read")


def batches(
    dataset: Dataset, indices: Iterable[int], size: int, on_skip: Callable[[str, str], None]
) -> Iterator[Batch]:
    """Read samples in batches; an image that cannot be used is reported and left out.

    At most one batch is in memory, and it is full as long as samples remain: the place of an image
    that was left out goes to the next one.

    Args:
        dataset: Where to read.
        indices: Positions in the data set, in the order wanted.
        size: Samples a batch; the last may have fewer.
        on_skip: Called with the name of a sample left out and the reason.

    Raises:
        UsageError: If `size` is not positive, a position does not exist, or a batch does not fit into memory.

    Example:
        >>> from limen.data import from_arrays
        >>> dataset = from_arrays("black", np.zeros((5, 8, 8, 1), np.uint8), np.arange(5))
        >>> [batch.labels.tolist() for batch in batches(dataset, [4, 0, 2], 2, print)]
        [[4, 0], [2]]
    """
    if size < 1:
        raise UsageError(f"batch size must be at least 1, not {size}")
    held: list[tuple[int, Sample]] = []
    for index in indices:
        try:
            held.append((index, dataset.load(index)))
        except ImageFileError as error:
            on_skip(dataset.ids[index], str(error))
            continue
        if len(held) == 1:
            _check_batch(held[0][1].image, min(size, len(dataset)))
        if len(held) == size:
            yield stack(held)
            held = []
    if held:
        yield stack(held)


def _check_batch(image: Tensor, size: int) -> None:
    try:
        check_fits(image.numel() * image.element_size() * size)
    except OSError as error:
        raise UsageError(
            f"a batch of {size} images of {image.shape[2]}×{image.shape[1]} pixels: {error}; choose a "
            "smaller batch size, or resize the images by size="
        ) from None


def stack(held: Sequence[tuple[int, Sample]]) -> Batch:
    """Samples of one shape, each with its position in the data set, as a batch.

    Example:
        >>> stack([(7, Sample("a", torch.zeros(3, 8, 8), 2))]).images.shape
        torch.Size([1, 3, 8, 8])
    """
    indices, samples = zip(*held, strict=True)
    targets, masks, groups = (_of_all(samples, name) for name in ("target", "mask", "group"))
    return Batch(
        ids=tuple(sample.id for sample in samples),
        indices=indices,
        images=torch.stack([sample.image for sample in samples]),
        labels=torch.tensor([sample.label for sample in samples]),
        targets=None if targets is None else torch.tensor(targets),
        masks=None if masks is None else torch.stack(masks),
        groups=None if groups is None else tuple(groups),
        also=tuple(sample.also for sample in samples),
    )


def _is_text(name: str) -> bool:
    """Whether a name can be written: one of a file whose bytes are no UTF-8 holds halves of characters."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _of_all(samples: Sequence[Sample], name: str) -> list[Any] | None:
    """What samples have under a name, or None if it is missing for one of them."""
    values = [getattr(sample, name) for sample in samples]
    return None if any(value is None for value in values) else values


def spec_of(source: str, argument: object, **values: object) -> str:
    """The spec of a data set, without what is at its default: the test split, and None.

    Example:
        >>> spec_of("mnist", "digits", split="train"), spec_of("folder", "photos", size=None)
        ('mnist:digits,split=train', 'folder:photos')
    """
    given = {"split": None, **values}
    usual = {"split": "test"}
    stated = [(key, value) for key, value in given.items() if value not in (None, usual.get(key))]
    return write_spec(source, stated, argument)


def check_labels(spec: str, labels: np.ndarray, classes: int | None, first: int = 0) -> None:
    """Refuse labels (N,) under `first`, or above the last class where the number of classes is known.

    Raises:
        DataError: With the first wrong label and where it is.
    """
    last = np.iinfo(np.int64).max if classes is None else first + classes - 1
    wrong = np.flatnonzero((labels < first) | (labels > last))
    if wrong.size:
        span = f"from {first} to {last}" if classes is not None else f"at least {first}"
        raise DataError(
            f"{spec}: label {labels[wrong[0]]} of sample {wrong[0]} is out of range; labels must be {span}"
        )


def read_class_names(path: Path, root: Path | None = None) -> tuple[str, ...]:
    """Read a file with the name of one class on each line.

    Args:
        path: The file.
        root: The resolved folder that it must lie in when all links are followed; None for anywhere.

    Raises:
        DataError: If the file is missing, empty, no UTF-8 text, or has an empty line in between.
    """
    try:
        # Only line ends end a line, not all that str.splitlines takes.
        lines = re.split("\r\n|\r|\n", read_text(path, root).rstrip())
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: the class names cannot be read ({reason(error)})") from error
    names = tuple(line.strip() for line in lines)
    if not names or not all(names):
        raise DataError(f"{path}: expected the name of one class on each line, none of them empty")
    return names
