"""D_rob on disk: a data set with adversarial images of several networks, and how often to draw each.

A folder holds `robust.json`, which says what it was made of; `samples.parquet`, a row per sample; the images
as `images/STEP/NUMBER.png`, where step 0 has the clean ones; and `masks/NUMBER.png` where the data has masks.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from limen import __version__
from limen.analysis.surrogate import Dual
from limen.data.dataset import Dataset, Sample, spec_of
from limen.data.errors import DataError
from limen.data.files import open_folder
from limen.decoding import read_json
from limen.errors import LimenError, RunError, reason
from limen.identity import Identity
from limen.images import read_image
from limen.runs.entries import DataEntry, ModelEntry, SkippedImage
from limen.runs.files import decode_png, sync_folder, write_whole
from limen.safety import MOST_TEXT, opened, read_bytes, resolved

FORMAT = 1
FILE = "robust.json"
ROWS = "samples.parquet"

_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("drawn", pa.string()),
        pa.field("depth", pa.int64(), nullable=False),
        pa.field("k", pa.int64(), nullable=False),
        pa.field("i", pa.int64(), nullable=False),
        pa.field("weight", pa.float64(), nullable=False),
        pa.field("label", pa.int64(), nullable=False),
        pa.field("target", pa.int64()),
        pa.field("group", pa.string()),
        pa.field("success", pa.bool_()),
    ]
)


@dataclass(frozen=True)
class RobustRow:
    """What is known of one sample of D_rob.

    Attributes:
        id: Its unique name.
        source: The name of the clean sample that it was made of; of a clean one, its own.
        drawn: The name of the sample that was drawn when it was made; None for a clean one.
        depth: How many attacks lie between the source and it.
        k: The outer step that made it; 0 for a clean one.
        i: Its number within that step, from 1.
        weight: How often it is drawn, against the others.
        label: Its class.
        target: As of the source.
        group: As of the source.
        success: Whether it fooled the network that it was made for; None for a clean one.
    """

    id: str
    source: str
    drawn: str | None
    depth: int
    k: int
    i: int
    weight: float
    label: int
    target: int | None = None
    group: str | None = None
    success: bool | None = None

    def image(self, folder: Path) -> Path:
        """The file of its image."""
        return folder / "images" / f"{self.k:04d}" / f"{self.i:08d}.png"


@dataclass(frozen=True)
class Grown:
    """What one outer step came to.

    Attributes:
        number: From 1.
        loss: The mean over the drawn samples, before each step of the network.
        success: The share of its adversarial images that fooled the network.
        seconds: Time taken.
        dual: The estimate of the dual for the network after the step; None where none was asked for.
    """

    number: int
    loss: float
    success: float
    seconds: float
    dual: Dual | None = None


@dataclass(frozen=True, kw_only=True)
class RobustManifest:
    """What D_rob was made of; `robust.json` holds it.

    Attributes:
        model: The initial network.
        data: The clean samples.
        attack: What made adversarial images of them.
        literal: Whether adversarial images were attacked again, and gradients multiplied by the weights.
        clean_share: How often a clean sample is drawn, unless it is literal.
        settings: Everything else that decides the result, as text.
        masks: Whether the samples have foreground masks.
        skipped: Samples that could not be read, and are left out.
        steps: What each outer step came to, once it is finished.
        finished: Whether all steps are done.
    """

    format: int = FORMAT
    limen: str = __version__
    model: ModelEntry
    data: DataEntry
    attack: Identity
    literal: bool
    clean_share: float
    settings: dict[str, str]
    masks: bool = False
    skipped: tuple[SkippedImage, ...] = ()
    steps: tuple[Grown, ...] = field(default=())
    finished: bool = False

    def differences(self, other: RobustManifest) -> list[str]:
        """What `other` would change in the result, a line each."""
        mine, theirs = self._decisive(), other._decisive()
        return [f"{name} was {mine[name]}, now {theirs[name]}" for name in mine if mine[name] != theirs[name]]

    def _decisive(self) -> dict[str, Any]:
        return {
            "model": (self.model.spec, self.model.weights, self.model.code),
            "data": (self.data.spec, self.data.fingerprint),
            "attack": self.attack.label,
            "the attack's parameters": asdict(self.attack),
            "literal": self.literal,
            "clean_share": self.clean_share,
            "settings": self.settings,
        }


def read_robust_manifest(folder: Path) -> RobustManifest:
    """Read what D_rob in a folder was made of.

    Raises:
        DataError: If there is none, or it is broken; the message names the file.
    """
    path = folder / FILE
    try:
        text = read_bytes(path, resolved(folder), MOST_TEXT)
        return read_json(RobustManifest, text, FORMAT, "a robust data set")
    except FileNotFoundError:
        raise DataError(
            f"{folder}: no robust data set here ({FILE} is missing); limen augment makes one"
        ) from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({reason(error)})") from error
    except LimenError as error:
        raise DataError(f"{path}: {error}") from None


def write_robust_manifest(folder: Path, manifest: RobustManifest) -> None:
    """Write what D_rob in a folder is made of, whole or not at all."""
    text = json.dumps(asdict(manifest), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_whole(folder / FILE, text.encode())
    sync_folder(folder)


def write_rows(folder: Path, rows: Sequence[RobustRow]) -> None:
    """Write the rows of D_rob, whole or not at all."""
    table = pa.Table.from_pylist([vars(row) for row in rows], schema=_SCHEMA)
    stream = io.BytesIO()
    pq.write_table(table, stream)
    write_whole(folder / ROWS, stream.getvalue())
    sync_folder(folder)


def read_rows(folder: Path) -> list[RobustRow]:
    """Read the rows of D_rob, and trust none of them.

    Raises:
        DataError: If the file cannot be read, or holds something else; the message names it.
    """
    path = folder / ROWS
    try:
        with opened(path, resolved(folder)) as file:
            table = pq.read_table(file, schema=_SCHEMA)
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise DataError(
            f"{path}: cannot be read as the rows of a robust data set ({reason(error)})"
        ) from error
    rows = [RobustRow(**row) for row in table.to_pylist()]
    clean = {row.id for row in rows if not row.k}
    for number, row in enumerate(rows, start=1):
        if min(row.label, row.k, row.depth) < 0 or row.i < 1 or not 0 <= row.weight < math.inf:
            raise DataError(f"{path}, row {number}: a number is out of range")
        if row.source not in clean:
            raise DataError(f"{path}, row {number}: its source {row.source!r} is no clean sample of the set")
    if not rows or len({row.id for row in rows}) < len(rows):
        raise DataError(f"{path}: no sample, or two of one name")
    return rows


def mask_file(folder: Path, place: int) -> Path:
    """The file of the mask of the clean sample with this number, from 1."""
    return folder / "masks" / f"{place:08d}.png"


def read_sample(folder: Path, row: RobustRow, masked: int | None) -> Sample:
    """The sample of a row.

    Args:
        folder: The resolved folder of D_rob.
        row: Which sample.
        masked: The number of the clean sample whose mask it has; None for no mask.

    Raises:
        ImageFileError: If its image cannot be used.
        DataError: If its mask cannot.
    """
    path = row.image(folder)
    mask = None if masked is None else _read_mask(mask_file(folder, masked), folder)
    return Sample(row.id, read_image(path, root=folder), row.label, row.target, mask, row.group)


def _read_mask(path: Path, root: Path) -> Tensor:
    try:
        return torch.from_numpy(decode_png(path, root) > 0).permute(2, 0, 1).contiguous()
    except RunError as error:
        raise DataError(str(error)) from None


def robust(path: Path) -> Dataset:
    """D_rob as `limen augment` makes it: clean and adversarial images, drawn by their weights.

    Args:
        path: The folder.

    Raises:
        UsageError: If there is no such folder.
        DataError: If it holds no robust data set, a broken one, or one that is not finished.
    """
    root = open_folder(path)
    manifest, rows = read_robust_manifest(root), read_rows(root)
    if not manifest.finished:
        raise DataError(f"{path}: not finished; the same limen augment command goes on with it")
    places = {row.source: row.i for row in rows if not row.k}

    def read(index: int) -> Sample:
        row = rows[index]
        return read_sample(root, row, places[row.source] if manifest.masks else None)

    grouped = tuple(row.group for row in rows if row.group is not None)
    content = hashlib.sha256(read_bytes(root / ROWS, root) + repr(manifest).encode()).hexdigest()
    return Dataset(
        spec_of("robust", path),
        tuple(row.id for row in rows),
        read,
        manifest.data.class_names,
        content,
        lambda index: rows[index].image(root),
        weights=torch.tensor([row.weight for row in rows], dtype=torch.float64),
        groups=grouped if len(grouped) == len(rows) else None,
    )
