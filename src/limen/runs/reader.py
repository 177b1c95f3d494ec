"""Read a run: its manifest, its records as one table, its images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from limen.runs import records
from limen.runs.columns import record_schema
from limen.runs.files import RunError, decode_png, reading_png
from limen.runs.manifest import FILE, Manifest, read_manifest
from limen.runs.names import ORIGINAL, image_name
from limen.safety import resolved


@dataclass(frozen=True)
class Run:
    """A run on disk, finished or not; made by `open_run`."""

    directory: Path
    manifest: Manifest

    def table(self) -> pa.Table:
        """All records, sorted by attack and index, with the columns `FIXED` and those of the run's metrics.

        Raises:
            RunError: If a part cannot be read; the message names the file.
        """
        parts = [record_schema(self.manifest.metrics).empty_table()]
        for path in records.part_paths(self.directory):
            part = records.read_part(path, self.manifest.metrics)
            unknown = set(part["attack"].unique().to_pylist()).difference(self.manifest.labels)
            if unknown:
                raise RunError(
                    f"{path}: records of attack {sorted(unknown)[0]!r}, which {FILE} does not list"
                )
            parts.append(part)
        return pa.concat_tables(parts).sort_by([("attack", "ascending"), ("index", "ascending")])

    def image_path(self, label: str, image_id: str) -> Path:
        """The file of the image that an attack made of the image with this id.

        Raises:
            UsageError: If the run has no such attack.
        """
        return self.directory / "images" / self.manifest.folder(label) / image_name(image_id)

    def original_path(self, image_id: str) -> Path:
        """The file of the image before any attack."""
        return self.directory / "images" / ORIGINAL / image_name(image_id)

    def photograph_path(self, label: str, image_id: str) -> Path:
        """Where a photograph that fools the model in its own size lies, if the run has one.

        Raises:
            UsageError: If the run has no such attack.
        """
        return self.directory / "photographs" / self.manifest.folder(label) / image_name(image_id)

    def image(self, label: str, image_id: str) -> np.ndarray:
        """The pixels (H, W, C) uint8 that an attack made of the image with this id.

        Raises:
            UsageError: If the run has no such attack.
            RunError: If the file cannot be read; the message names it.
        """
        return decode_png(self.image_path(label, image_id), resolved(self.directory))

    def original(self, image_id: str) -> np.ndarray:
        """The pixels (H, W, C) uint8 of the image before any attack.

        Raises:
            RunError: If the file cannot be read; the message names it.
        """
        return decode_png(self.original_path(image_id), resolved(self.directory))

    def original_size(self, image_id: str) -> tuple[int, int, int]:
        """Height, width and channels of the image before any attack, without reading its pixels.

        Raises:
            RunError: If the file cannot be read; the message names it.
        """
        with reading_png(self.original_path(image_id), resolved(self.directory)) as file:
            return file.height, file.width, len(file.getbands())


def open_run(directory: Path | str) -> Run:
    """Open a run for reading, also while another process writes it.

    Raises:
        UsageError: If there is no run in `directory`.
        RunError: If its manifest is broken; the message names the file.
    """
    directory = Path(directory)
    return Run(directory, read_manifest(directory))
