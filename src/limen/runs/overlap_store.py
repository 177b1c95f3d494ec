"""An overlap inside a run directory: a table that any data tool opens, and the maps of some images.

    DIR/evaluation/overlap.parquet              one row an attack, image and threshold
    DIR/evaluation/attention/METHOD-LAYER/ID.png   class activation maps, grey, 255 for 1

The table is written last and whole, and what it lists is what counts. A map depends on nothing but
the run, its method and its layer, which name its folder: writing it again changes nothing.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from limen.errors import UsageError
from limen.runs.evaluations import FOLDER, check_attacks, check_format, decode_settings, write_evaluation
from limen.runs.files import RunError
from limen.runs.names import attack_folder, image_name
from limen.runs.overlap import MEASURES, Overlap
from limen.runs.reader import Run

FILE = "overlap.parquet"
FORMAT = 1
"""Version of the table; raised when an older Limen could no longer read it."""

_FORMAT_KEY, _SETTINGS_KEY = b"limen.overlap.format", b"limen.overlap"

_SCHEMA = pa.schema(
    [
        pa.field("attack", pa.string(), nullable=False),
        pa.field("id", pa.string(), nullable=False),
        pa.field("threshold", pa.float64(), nullable=False),
        *(pa.field(name, pa.float64()) for name in MEASURES),
    ]
)


@dataclass(frozen=True)
class _Settings:
    """What the table's rows do not say."""

    method: str
    layer: str
    attention_threshold: float
    thresholds: tuple[float, ...]
    attacks: tuple[str, ...]
    pictured: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class OverlapEvaluation:
    """The overlaps of a run's attacks with one kind of attention.

    Attributes:
        method: How attention was found: "cam", "gradcam" or "gradcam++".
        layer: The layer that it was found in.
        attention_threshold: What attention had to exceed.
        overlaps: One an attack, all over the same thresholds.
        pictured: Ids of the images whose maps are stored.
    """

    method: str
    layer: str
    attention_threshold: float
    overlaps: tuple[Overlap, ...]
    pictured: tuple[str, ...] = ()


def write_overlap(run: Run, evaluation: OverlapEvaluation, maps: Mapping[str, np.ndarray]) -> Path:
    """Store an evaluation in its run, in place of an older one.

    Args:
        run: The run that was evaluated.
        evaluation: The result.
        maps: The class activation maps of the images in `pictured`, each (H, W, 1) uint8.

    Returns:
        The table's file.

    Raises:
        UsageError: If maps and `pictured` differ, or the overlaps have different thresholds.
        RunError: If the folder cannot be written; an older evaluation is then still whole.
    """
    if set(maps) != set(evaluation.pictured):
        raise UsageError("an evaluation needs the maps of the images that it pictures, and no others")
    pictures = {attention_path(run, evaluation, image_id): pixels for image_id, pixels in maps.items()}
    return write_evaluation(run, FILE, _encode(evaluation), pictures)


def read_overlap(run: Run) -> OverlapEvaluation | None:
    """The evaluation stored in a run, None where there is none.

    Raises:
        RunError: If the file is broken, of a newer Limen, or says what cannot be; the message names it.
    """
    path = run.directory / FOLDER / FILE
    if not path.is_file():
        return None
    try:
        with pq.ParquetFile(path) as file:
            settings = _settings(file.schema_arrow, run.manifest.labels)
            table = file.read(_SCHEMA.names).cast(_SCHEMA)
        return _decoded(settings, table)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise RunError(
            f"{path}: cannot be read as an overlap ({error}); remove it, then evaluate again"
        ) from error
    except RunError as error:
        raise RunError(f"{path}: {error}") from None


def attention_path(run: Run, evaluation: OverlapEvaluation, image_id: str) -> Path:
    """The file of an image's class activation map."""
    folder = attack_folder(f"{evaluation.method.replace('+', 'p')}-{evaluation.layer}", ())
    return run.directory / FOLDER / "attention" / folder / image_name(image_id)


def _encode(evaluation: OverlapEvaluation) -> bytes:
    thresholds = _common_thresholds(evaluation.overlaps)
    parts = [_SCHEMA.empty_table()]
    for overlap in evaluation.overlaps:
        count = len(overlap.ids)
        columns = {
            "attack": [overlap.label] * (count * len(thresholds)),
            "id": np.repeat(np.array(overlap.ids, dtype=object), len(thresholds)),
            "threshold": np.tile(overlap.thresholds, count),
            **{name: pa.array(getattr(overlap, name).ravel(), from_pandas=True) for name in MEASURES},
        }
        parts.append(pa.table(columns, schema=_SCHEMA))
    settings = _Settings(
        evaluation.method,
        evaluation.layer,
        float(evaluation.attention_threshold),
        thresholds,
        tuple(overlap.label for overlap in evaluation.overlaps),
        tuple(evaluation.pictured),
    )
    metadata = {_FORMAT_KEY: str(FORMAT).encode(), _SETTINGS_KEY: json.dumps(asdict(settings)).encode()}
    stream = io.BytesIO()
    pq.write_table(pa.concat_tables(parts).replace_schema_metadata(metadata), stream)
    return stream.getvalue()


def _common_thresholds(overlaps: Sequence[Overlap]) -> tuple[float, ...]:
    thresholds = {tuple(map(float, overlap.thresholds)) for overlap in overlaps}
    if len(thresholds) > 1 or () in thresholds:
        raise UsageError("the overlaps of an evaluation need the same thresholds, and at least one")
    return next(iter(thresholds), ())


def _settings(schema: pa.Schema, labels: Sequence[str]) -> _Settings:
    metadata = schema.metadata or {}
    version = metadata.get(_FORMAT_KEY, b"none").decode(errors="replace")
    check_format(version, FORMAT, "overlap")
    settings = decode_settings(_Settings, metadata.get(_SETTINGS_KEY, b""), ".overlap")
    shares = (settings.attention_threshold, *settings.thresholds)
    if not all(map(math.isfinite, shares)) or any(a >= b for a, b in pairwise(settings.thresholds)):
        raise RunError("has thresholds that are not finite or do not rise")
    if settings.attacks and not settings.thresholds:
        raise RunError("has no thresholds")
    check_attacks(settings.attacks, labels)
    return settings


def _decoded(settings: _Settings, table: pa.Table) -> OverlapEvaluation:
    columns = {name: table[name].to_numpy() for name in table.column_names}
    of_attack = {label: columns["attack"] == label for label in settings.attacks}
    if sum(int(rows.sum()) for rows in of_attack.values()) != table.num_rows:
        raise RunError("has rows of attacks that it does not name")
    return OverlapEvaluation(
        settings.method,
        settings.layer,
        settings.attention_threshold,
        tuple(
            _overlap(label, settings.thresholds, {name: each[rows] for name, each in columns.items()})
            for label, rows in of_attack.items()
        ),
        settings.pictured,
    )


def _overlap(label: str, thresholds: Sequence[float], columns: Mapping[str, np.ndarray]) -> Overlap:
    ids = columns["id"][:: len(thresholds)]
    if not (
        np.array_equal(columns["threshold"], np.tile(thresholds, len(ids)))
        and np.array_equal(columns["id"], np.repeat(ids, len(thresholds)))
        and len(set(ids)) == len(ids)
    ):
        raise RunError(f"has rows of attack {label!r} that are not one for each image and threshold")
    measures = {name: columns[name].reshape(len(ids), len(thresholds)) for name in MEASURES}
    for name, values in measures.items():
        if not ((values >= 0) & (values <= 1) | np.isnan(values)).all():
            raise RunError(f"has values of {name} outside [0, 1]")
    return Overlap(label, tuple(map(str, ids)), np.array(thresholds, float), **measures)
