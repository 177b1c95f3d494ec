"""The records of a run: one row per image and attack, in Parquet parts that any data tool opens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from limen.decoding import check_format
from limen.errors import UsageError, reason
from limen.runs.columns import NEEDED, MetricColumn, record_schema
from limen.runs.files import RunError, encode_parquet
from limen.runs.manifest import FORMAT
from limen.safety import opened, resolved

FOLDER = "records"

_FORMAT_KEY = b"limen.format"


def encode_part(results: Mapping[str, Sequence[Mapping[str, Any]]], metrics: Sequence[MetricColumn]) -> bytes:
    """The bytes of a Parquet part with the rows of each attack, by its label.

    Raises:
        UsageError: If a row lacks a column of `NEEDED`, has one too many, or a value does not
            fit its column.
    """
    schema = record_schema(metrics)
    known = set(schema.names)
    rows = [{"attack": label, **row} for label, of_attack in results.items() for row in of_attack]
    for row in rows:
        differing = (NEEDED - row.keys()) | (row.keys() - known)
        if differing:
            raise UsageError(f"a record's columns differ from the run's in {sorted(differing)}")
    try:
        table = pa.Table.from_pylist(rows, schema=schema)
        _check_nulls(table, schema)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise UsageError(f"a record of {', '.join(results)} does not fit its columns: {error}") from error
    return encode_parquet(table.replace_schema_metadata({_FORMAT_KEY: str(FORMAT).encode()}))


def part_paths(directory: Path) -> list[Path]:
    """The committed parts of the run in `directory`, oldest first."""
    # A name with a leading dot is an unfinished file; data tools pass over it too.
    return sorted(path for path in (directory / FOLDER).glob("*.parquet") if not path.name.startswith("."))


def read_part(path: Path, metrics: Sequence[MetricColumn], columns: Sequence[str] | None = None) -> pa.Table:
    """Read a part, checked against the columns of its run; metrics that it lacks are null.

    Args:
        path: The part.
        metrics: The metrics of the run.
        columns: Which columns to read; None for all.

    Raises:
        RunError: If the file is no Parquet, has missing or wrong columns or nulls, or a newer Limen
            wrote it; the message names the file.
    """
    schema = record_schema(metrics)
    wanted = schema if columns is None else pa.schema([schema.field(name) for name in columns])
    try:
        # The folder of the run is that above the folder of the records.
        with opened(path, resolved(path.parent.parent)) as stream, pq.ParquetFile(stream) as file:
            found = file.schema_arrow  # made anew each time that it is asked for, as are its names
            _check_schema(found, schema)
            held = {*found.names}
            table = file.read([name for name in wanted.names if name in held])
        _check_nulls(table, wanted)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise RunError(
            f"{path}: cannot be read as records ({reason(error)}); restore or remove it"
        ) from error
    except RunError as error:
        raise RunError(f"{path}: {error}") from None
    return pa.concat_tables([wanted.empty_table(), table], promote_options="default").cast(wanted)


def _check_schema(found: pa.Schema, schema: pa.Schema) -> None:
    version = (found.metadata or {}).get(_FORMAT_KEY, b"none").decode(errors="replace")
    check_format(int(version) if version.isdecimal() else version, FORMAT, "the records of a run")
    names = Counter(found.names)
    fields = [each for each in schema if each.name in NEEDED or each.name in names]
    missing = [field.name for field in fields if names[field.name] != 1]
    if missing:
        raise RunError(f"lacks the columns {', '.join(missing)}, or has them twice")
    for field in fields:
        if found.field(field.name).type != field.type:
            raise RunError(f"column {field.name} is {found.field(field.name).type}, expected {field.type}")


def _check_nulls(table: pa.Table, schema: pa.Schema) -> None:
    for name in table.column_names:
        if table[name].null_count and not schema.field(name).nullable:
            raise ValueError(f"column {name} has empty values")
