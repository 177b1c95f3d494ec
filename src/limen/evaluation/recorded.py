"""Images as a run has recorded them, whatever has become of their files since."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

import numpy as np

from limen.data import Dataset, Sample
from limen.errors import UsageError
from limen.images import ImageFileError, from_uint8, to_uint8
from limen.runs import Run, RunWriter


def source_of(pixels: np.ndarray, label: int, target: int | None, mask: np.ndarray | None = None) -> str:
    """The SHA-256 of all that a run takes from its data for an image, by which a changed one is noticed.

    A run takes no target that is untargeted, or says itself where to aim; data without masks gives none.
    """
    digest = hashlib.sha256(repr((pixels.shape, label, target)).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    if mask is not None:
        digest.update(np.packbits(mask).data)
    return digest.hexdigest()


def as_recorded(dataset: Dataset, run: RunWriter, changed: set[str]) -> Dataset:
    """The data set with each image that the run has attacked as the run attacked it.

    A file exchanged since would otherwise mix two images under one name. The run has the first of them, so it
    can go on; what it cannot know is what another label, target or mask is to mean for the records it has.

    Args:
        dataset: What the run attacks.
        run: The run.
        changed: Where the names of images are put whose files hold something else now, once they are read.

    Returns:
        A data set that reads like `dataset`; of an image with another label, target or mask than the run has
        recorded, reading it raises `UsageError`.
    """
    settings, originals = run.manifest.settings, Run(run.directory, run.manifest)
    aims = settings.targeted and settings.aim is None

    def read(index: int) -> Sample:
        sample = dataset.load(index)
        recorded = run.source(sample.id)
        if recorded is None:
            return sample
        known = sample.label, sample.target if aims else None
        mask = None if sample.mask is None else sample.mask.numpy()
        if source_of(to_uint8(sample.image[None])[0], *known, mask) == recorded:
            return sample
        original = originals.original(sample.id)
        if source_of(original, *known, mask) != recorded:
            raise UsageError(
                f"image {sample.id!r} has another label, target or mask than when the run in {run.directory} "
                "attacked it; restore it, or choose another --out"
            )
        changed.add(sample.id)
        return replace(sample, image=from_uint8(original[None])[0])

    return replace(dataset, read=read)


def read_newer(dataset: Dataset, indices: Iterable[int], run: RunWriter) -> None:
    """Read those of the images whose files changed after the run began, as nothing else would notice them."""
    if dataset.file is None:
        return
    began = datetime.fromisoformat(run.manifest.created).timestamp()
    for index in indices:
        try:
            status = dataset.file(index).stat()
        except OSError:  # it is gone, and so cannot be another
            continue
        if max(status.st_mtime, status.st_ctime) >= began:
            with suppress(ImageFileError):  # nor is what no one can read any more
                dataset.load(index)


def words_on_changed(changed: set[str]) -> str:
    """What to say of images that a run went on with as it has them."""
    first, count = min(changed), len(changed)
    which = f"image {first!r} has" if count == 1 else f"{count} images, such as {first!r}, have"
    return (
        f"{which} changed since this run attacked what was there before, and it goes on with that; to attack "
        "what is there now, choose another --out"
    )
