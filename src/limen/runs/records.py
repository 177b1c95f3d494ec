"""The records of a run: one row an image and attack, in Parquet parts that any data tool opens."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from limen.errors import UsageError
from limen.runs.files import RunError
from limen.runs.manifest import FORMAT

FOLDER = "records"

DISTANCES = ("l0", "l1", "l2", "linf", "psnr", "wpsnr", "ssim", "mad", "ciede2000")
"""The columns that compare the stored image with its original.

Null where the attack failed, the image is too small for the metric, or the Limen that measured it did
not have the metric yet."""

_FORMAT_KEY = b"limen.format"

SCHEMA = pa.schema(
    [
        pa.field("attack", pa.string(), nullable=False),
        pa.field("index", pa.int64(), nullable=False),
        pa.field("id", pa.string(), nullable=False),
        pa.field("label", pa.int64(), nullable=False),
        pa.field("target", pa.int64()),
        pa.field("clean_prediction", pa.int64(), nullable=False),
        pa.field("clean_confidence", pa.float64(), nullable=False),
        pa.field("prediction", pa.int64(), nullable=False),
        pa.field("confidence", pa.float64(), nullable=False),
        pa.field("success", pa.bool_(), nullable=False),
        pa.field("success_in_memory", pa.bool_(), nullable=False),
        pa.field("steps", pa.int64(), nullable=False),
        pa.field("forwards", pa.int64(), nullable=False),
        pa.field("backwards", pa.int64(), nullable=False),
        pa.field("seconds", pa.float64(), nullable=False),
        *(pa.field(name, pa.float64()) for name in DISTANCES),
    ],
    metadata={_FORMAT_KEY: str(FORMAT).encode()},
)

COLUMNS = tuple(name for name in SCHEMA.names if name != "attack")
"""What a row holds; the attack's label is the part's."""


def encode_part(label: str, rows: Sequence[Mapping[str, Any]]) -> bytes:
    """The bytes of a Parquet part with one attack's rows.

    Raises:
        UsageError: If a row lacks a column that is no distance, has one too many, or a value does not
            fit its column.
    """
    for row in rows:
        differing = {name for name in row.keys() ^ set(COLUMNS) if name in row or name not in DISTANCES}
        if differing:
            raise UsageError(f"a record's columns differ from the run's in {sorted(differing)}")
    try:
        table = pa.Table.from_pylist([{"attack": label, **row} for row in rows], schema=SCHEMA)
        _check_nulls(table)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise UsageError(f"a record of {label!r} does not fit its columns: {error}") from error
    stream = io.BytesIO()
    pq.write_table(table, stream)
    return stream.getvalue()


def part_paths(directory: Path) -> list[Path]:
    """The committed parts of the run in `directory`, oldest first."""
    # A name with a leading dot is an unfinished file; data tools pass over it too.
    return sorted(path for path in (directory / FOLDER).glob("*.parquet") if not path.name.startswith("."))


def read_part(path: Path, columns: Sequence[str] = SCHEMA.names) -> pa.Table:
    """Read some columns of a part, checked against `SCHEMA`; distances that it lacks are null.

    Raises:
        RunError: If the file is no Parquet, has missing or wrong columns or nulls, or a newer Limen
            wrote it; the message names the file.
    """
    try:
        with pq.ParquetFile(path) as file:
            _check_schema(file.schema_arrow)
            table = file.read([name for name in columns if name in file.schema_arrow.names])
        _check_nulls(table)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise RunError(f"{path}: cannot be read as records ({error}); restore or remove it") from error
    except RunError as error:
        raise RunError(f"{path}: {error}") from None
    schema = pa.schema([SCHEMA.field(name) for name in columns])
    return pa.concat_tables([schema.empty_table(), table], promote_options="default").cast(schema)


def _check_schema(found: pa.Schema) -> None:
    version = (found.metadata or {}).get(_FORMAT_KEY, b"none").decode(errors="replace")
    if version.isdecimal() and int(version) > FORMAT:
        raise RunError(f"has format {version}, this Limen reads up to {FORMAT}; upgrade Limen")
    if version != str(FORMAT):
        raise RunError(f"has format {version}, expected {FORMAT}: not the records of a run")
    fields = [field for field in SCHEMA if field.name in found.names or field.name not in DISTANCES]
    missing = [field.name for field in fields if found.names.count(field.name) != 1]
    if missing:
        raise RunError(f"lacks the columns {', '.join(missing)}, or has them twice")
    for field in fields:
        if found.field(field.name).type != field.type:
            raise RunError(f"column {field.name} is {found.field(field.name).type}, expected {field.type}")


def _check_nulls(table: pa.Table) -> None:
    for name in table.column_names:
        if not SCHEMA.field(name).nullable and table[name].null_count:
            raise ValueError(f"column {name} has empty values")
