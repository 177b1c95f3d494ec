"""The folder of D_rob while it is written: samples go in by batches, and come out from memory if they fit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from limen.data import Dataset, Sample
from limen.data.memory import MOST
from limen.data.robust import RobustRow, mask_file, read_sample
from limen.errors import LimenError
from limen.images import ImageFileError, from_uint8, to_uint8
from limen.runs.entries import SkippedImage
from limen.runs.files import encode_png, make_folders, sync_folder, write_pngs, write_whole
from limen.training.reading import OnSkip
from limen.training.robust.growth import Growth


class RobustFolder:
    """The samples of D_rob, so far.

    Args:
        folder: Where it is.
        growth: Its rows.
        masks: Whether the samples have foreground masks.
        total: How many samples it will have.
    """

    def __init__(self, folder: Path, growth: Growth, masks: bool, total: int) -> None:
        self.folder, self.growth = folder.resolve(), growth
        self._masks, self._total = masks, total
        self._samples: dict[int, Sample] = {}

    def read(self, position: int) -> Sample:
        """The sample at a position.

        Raises:
            LimenError: If its file cannot be read.
        """
        if position not in self._samples:
            row = self.growth.rows[position]
            masked = self.growth.rows[self.growth.source(position)].i if self._masks else None
            self._keep(position, read_sample(self.folder, row, masked))
        return self._samples[position]

    def dataset(self, count: int) -> Dataset:
        """The first so many samples, as a data set."""
        ids = tuple(row.id for row in self.growth.rows[:count])
        return Dataset(f"robust:{self.folder}", ids, self.read)

    def add(self, rows: Sequence[RobustRow], pixels: np.ndarray) -> None:
        """Write images (n, H, W, C) uint8, and take their rows.

        What is written counts once `write_rows` has been called; before that a killed build writes it again.

        Raises:
            RunError: If the folder cannot be written.
        """
        write_images(self.folder, rows, pixels)
        first = len(self.growth)
        self.growth.add(rows)
        images = from_uint8(pixels)
        for place, (row, image) in enumerate(zip(rows, images, strict=True)):
            mask = self.read(self.growth.source(first + place)).mask
            self._keep(first + place, Sample(row.id, image, row.label, row.target, mask, row.group))

    def _keep(self, position: int, sample: Sample) -> None:
        if self._total * sample.image.numel() * sample.image.element_size() > MOST:
            self._samples.clear()  # but for the one that is asked for
        self._samples[position] = sample


def write_images(folder: Path, rows: Sequence[RobustRow], pixels: np.ndarray) -> None:
    """Write the images (n, H, W, C) uint8 of rows of one outer step."""
    place = rows[0].image(folder).parent
    make_folders(folder, [place])
    write_pngs({row.image(folder): image for row, image in zip(rows, pixels, strict=True)})
    sync_folder(place)


def write_mask(folder: Path, number: int, mask: Tensor) -> None:
    """Write the mask, bool (1, H, W), of the clean sample with this number, from 1."""
    file = mask_file(folder, number)
    make_folders(folder, [file.parent])
    write_whole(file, encode_png(mask.permute(1, 2, 0).numpy().astype(np.uint8) * 255))


def write_clean(
    folder: Path, dataset: Dataset, on_skip: OnSkip | None
) -> tuple[list[RobustRow], bool, list[SkippedImage]]:
    """Copy the images and masks of a data set into the folder, as the clean samples.

    Args:
        folder: Where to.
        dataset: What to copy.
        on_skip: Called with the name of an image that cannot be used and the reason; if None, that is an
            error.

    Returns:
        Their rows, whether all have masks, and which samples were left out.

    Raises:
        LimenError: If no image can be used, or the folder cannot be written.
    """
    rows: list[RobustRow] = []
    skipped: list[SkippedImage] = []
    masked = True
    for index in range(len(dataset)):
        try:
            sample = dataset.load(index)
        except ImageFileError as error:
            if on_skip is None:
                raise
            on_skip(dataset.ids[index], str(error))
            skipped.append(SkippedImage(dataset.ids[index], str(error)))
            continue
        known = (sample.label, sample.target, sample.group)
        rows.append(RobustRow(sample.id, sample.id, None, 0, 0, len(rows) + 1, 1.0, *known))
        write_images(folder, rows[-1:], to_uint8(sample.image[None]))
        if sample.mask is None:
            masked = False
        elif masked:
            write_mask(folder, len(rows), sample.mask)
    if not rows:
        raise LimenError(f"{dataset.spec}: none of the images can be used")
    if masked:
        sync_folder(folder / "masks")
    return rows, masked, skipped
