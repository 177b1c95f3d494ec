"""Write a run: each batch whole or not at all, by one process at a time, again and again until done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from limen.errors import RunError, UsageError
from limen.runs import records
from limen.runs.files import (
    acquired,
    make_folders,
    remove_unfinished,
    sync_folder,
    unfinished,
    write_pngs,
    write_whole,
    writing,
)
from limen.runs.manifest import FILE, Manifest, SkippedImage, read_manifest, write_manifest
from limen.runs.names import ORIGINAL, image_name

LOCK = "run.lock"

Results = tuple[Sequence[Mapping[str, Any]], Mapping[str, np.ndarray]]
"""Of an attack on a batch: a record per image, and the adversarial pixels by id, each (H, W, C) uint8."""


class RunWriter:
    """A run that this process alone may write; made by `create_or_resume`, released by `close`.

    Of the results it keeps only the finished ids, and the hash of each image's source, in memory.
    """

    def __init__(self, directory: Path, manifest: Manifest, lock: FileLock) -> None:
        self.directory = directory
        self.manifest = manifest
        self._lock = lock
        self._finished: dict[str, set[str]] = {label: set() for label in manifest.labels}
        self._sources: dict[str, str] = {}
        self._next_part = 0
        for path in records.part_paths(directory):
            self._note_part(path)
        self._prepare_folders()

    def __enter__(self) -> RunWriter:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def close(self) -> None:
        """Let other processes write the run."""
        self._lock.release()

    def finished(self, label: str) -> frozenset[str]:
        """The ids of the images that the attack with this label is done with.

        Raises:
            UsageError: If the run has no such attack.
        """
        return frozenset(self._finished[self.manifest.attack(label).label])

    def source(self, image_id: str) -> str | None:
        """The column `source` of the image with this id; None if no attack is done with it."""
        return self._sources.get(image_id)

    def write_originals(self, images: Mapping[str, np.ndarray]) -> None:
        """Store images before any attack, once a run; call it before `write` for the same ids.

        Args:
            images: Pixels by id, each (H, W, C) uint8.

        Raises:
            RunError: If the folder cannot be written.
        """
        recorded = {each for each in images if any(each in ids for ids in self._finished.values())}
        self._write_images(ORIGINAL, {each: images[each] for each in images if each not in recorded})

    def write(self, label: str, rows: Sequence[Mapping[str, Any]], images: Mapping[str, np.ndarray]) -> None:
        """Store an attack's results on a batch: all of them, or on an error none.

        The Parquet part is written last, and only what it records counts: images without it are
        overwritten when the run is resumed.

        Args:
            label: The attack's label.
            rows: A mapping per image, with the run's columns but `attack`; those of metrics may be missing.
            images: The adversarial pixels by id, each (H, W, C) uint8.

        Raises:
            UsageError: If rows and images do not fit each other, the columns or the run.
            RunError: If the folder cannot be written.
        """
        self.write_together({label: (rows, images)})

    def write_together(self, results: Mapping[str, Results]) -> None:
        """Store what several attacks made side by side, as `write` does: all of it, or on an error none.

        Args:
            results: The rows and images of each attack, by its label.

        Raises:
            UsageError: If rows and images do not fit each other, the columns or the run.
            RunError: If the folder cannot be written.
        """
        results = {self.manifest.attack(label).label: result for label, result in results.items()}
        for label, (rows, images) in results.items():
            self._check_new(label, [row.get("id") for row in rows], images)
        part = records.encode_part(
            {label: rows for label, (rows, _) in results.items()}, self.manifest.metrics
        )
        for label, (_, images) in results.items():
            self._write_images(self.manifest.folder(label), images)
        path = self.directory / records.FOLDER / f"{self._next_part:08d}.parquet"
        write_whole(path, part)
        sync_folder(path.parent)
        self._next_part += 1
        for label, (rows, images) in results.items():
            self._finished[label].update(images)
            self._sources.update((row["id"], row["source"]) for row in rows if row.get("source"))
        written = {image_id for _, images in results.values() for image_id in images}
        self._set_skipped(each for each in self.manifest.skipped if each.id not in written)

    def _check_new(self, label: str, ids: Sequence[str | None], images: Mapping[str, np.ndarray]) -> None:
        if len(set(ids)) < len(ids) or set(ids) != images.keys():
            raise UsageError("the records and the images of a batch need the same ids, each once")
        again = self._finished[label].intersection(images)
        if again:
            raise UsageError(f"{label!r} has finished these images already: {', '.join(sorted(again)[:5])}")

    def skip(self, image_id: str, reason: str) -> None:
        """Record an image that cannot be read; it is forgotten again once a later write holds it."""
        image_id, reason = (text.encode(errors="backslashreplace").decode() for text in (image_id, reason))
        others = [each for each in self.manifest.skipped if each.id != image_id]
        self._set_skipped([*others, SkippedImage(image_id, reason)])

    def _prepare_folders(self) -> None:
        # Made and flushed before any file, so that no power cut keeps a record and loses its image.
        images = self.directory / "images"
        attacks = (images / entry.folder for entry in self.manifest.attacks)
        folders = (self.directory / records.FOLDER, images / ORIGINAL, *attacks)
        make_folders(self.directory, folders)
        with writing(self.directory):
            unfinished(self.directory / FILE).unlink(missing_ok=True)
        for folder in folders:
            remove_unfinished(folder)
        sync_folder(images)
        sync_folder(self.directory)

    def _set_skipped(self, skipped: Iterable[SkippedImage]) -> None:
        manifest = self.manifest.with_skipped(skipped)
        if set(manifest.skipped) != set(self.manifest.skipped):
            write_manifest(self.directory, manifest)
            self.manifest = manifest

    def _write_images(self, folder: str, images: Mapping[str, np.ndarray]) -> None:
        path = self.directory / "images" / folder
        write_pngs({path / image_name(image_id): pixels for image_id, pixels in images.items()})
        if images:
            sync_folder(path)

    def _note_part(self, path: Path) -> None:
        table = records.read_part(path, self.manifest.metrics, ("attack", "id", "source"))
        for label in table["attack"].unique().to_pylist():
            if label not in self._finished:
                raise RunError(f"{path}: records of attack {label!r}, which {FILE} does not list")
        for row in table.to_pylist():
            self._finished[row["attack"]].add(row["id"])
            if row["source"] is not None:
                self._sources[row["id"]] = row["source"]
        if path.stem.isdecimal():
            self._next_part = max(self._next_part, int(path.stem) + 1)


def create_or_resume(directory: Path | str, manifest: Manifest) -> RunWriter:
    """Open a run for writing: a new one, or the one that is there if its results would be the same.

    Attacks and metrics that an existing run does not have yet are added to it; older records have no values
    of such a metric. The device, and which images are attacked in which batches, may differ.

    Args:
        directory: Where the run is or shall be; made if missing.
        manifest: What is about to run.

    Returns:
        The writer, a context manager that holds the run's lock.

    Raises:
        UsageError: If the run there has other settings, or the directory holds something else.
        RunError: If another process writes the run, or it cannot be read or written.

    Example:
        >>> import tempfile
        >>> from limen.identity import Identity
        >>> from limen.runs import DataEntry, Manifest, ModelEntry
        >>> manifest = Manifest(model=ModelEntry("demo:photos", "ab12"), data=DataEntry("demo:photos", 16))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with create_or_resume(folder, manifest.with_attacks([Identity("ddn", {})])) as run:
        ...         run.finished("ddn")
        frozenset()
    """
    directory = Path(directory)
    with writing(directory):
        directory.mkdir(parents=True, exist_ok=True)
        strangers = {path.name for path in directory.iterdir()} - {LOCK, unfinished(directory / FILE).name}
    if strangers and FILE not in strangers:
        raise UsageError(f"{directory}: not empty and not a run; choose another --out")
    lock = acquired(directory / LOCK)
    try:
        if (directory / FILE).exists():
            manifest = _merge(directory, manifest)
        else:
            write_manifest(directory, manifest)
        return RunWriter(directory, manifest, lock)
    except BaseException:
        lock.release()
        raise


def _merge(directory: Path, manifest: Manifest) -> Manifest:
    existing = read_manifest(directory)
    differences = existing.differences(manifest)
    if differences:
        raise UsageError(
            f"{directory}: the run there has other settings ({'; '.join(differences)}); choose another --out"
        )
    attacks = (entry.identity for entry in manifest.attacks)
    merged = existing.with_attacks(attacks).with_metrics(manifest.metrics)
    if merged != existing:
        write_manifest(directory, merged)
    return merged
