"""Distances image by image: what a run has measured is taken from it, what it lacks is measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa
import torch

from limen import catalog
from limen.evaluation.context import Context, Images
from limen.evaluation.measure import distances
from limen.metrics import Metric
from limen.runs import MetricColumn, Run, record_schema

Known = Mapping[tuple[str, str], Mapping[str, float | None]]
"""By attack and image, what the run has measured of it already, by metric."""


def asked(run: Run, specs: Sequence[str], anew: bool) -> tuple[list[MetricColumn], list[Metric]]:
    """The metrics that specs name, those of the run if none, and of these the ones to measure on some image.

    Args:
        run: The run.
        specs: The specs.
        anew: Whether the run's own must be measured on some image, too.

    Raises:
        UsageError: If there is no such metric.
    """
    known = {column.key: column for column in run.manifest.metrics}
    columns, measures = {}, []
    for spec in specs or known:
        if spec in known and not anew:
            # It may be of a file that is not at hand, and need not be.
            columns[spec] = known[spec]
            continue
        made = catalog.metric(spec)
        columns[made.column.key] = known.get(made.column.key, made.column)
        measures.append(made)
    return [*columns.values()], measures


def image_distances(
    run: Run,
    context: Context,
    columns: Sequence[MetricColumn],
    measures: Sequence[Metric],
    images: Images,
    fooled: Images,
) -> Iterator[pa.Table]:
    """Tables of these images, a row per attack and image: whether it is fooled, and what each metric says.

    Args:
        run: The run.
        context: What the evaluation is given.
        columns: The metrics.
        measures: Those of them to measure where the run has no value. Of an image that is not fooled they
            measure what is stored, which is the original.
        images: By attack, the images.
        fooled: By attack, those that it fooled.
    """
    for made in measures:
        context.note_code(f"metric {made.column.key}", made.identity)
    schema, known = _schema(columns), _known(run, columns)
    for batch in context.batches(images):
        for label, rows, ids in batch.remaining():
            recorded = [known[label, image_id] for image_id in ids]
            found = {column.key: [row.get(column.key) for row in recorded] for column in columns}
            pair = batch.originals[rows], context.adversarial(label, ids)
            for made in measures:
                key = made.column.key
                missing = torch.tensor([value is None for value in found[key]])
                measured = distances([made], *pair, missing)[key]
                found[key] = [
                    new if old is None else old for old, new in zip(found[key], measured, strict=True)
                ]
            hits = [image_id in fooled[label] for image_id in ids]
            yield pa.table({"attack": [label] * len(ids), "id": ids, "fooled": hits, **found}, schema)


def rows_of_images(records: pa.Table, columns: Sequence[MetricColumn], images: Images) -> pa.Table:
    """The same table of records of a run alone, such as those of images in memory."""
    rows = [
        {**row, "fooled": row["success"]} for row in records.to_pylist() if row["id"] in images[row["attack"]]
    ]
    return pa.Table.from_pylist(rows, _schema(columns))


def _schema(columns: Sequence[MetricColumn]) -> pa.Schema:
    """Columns that know their metric, so that what is stored can be shown without any other source."""
    whole = record_schema(columns)
    fixed = [pa.field("attack", pa.string()), pa.field("id", pa.string()), pa.field("fooled", pa.bool_())]
    return pa.schema([*fixed, *(whole.field(column.key) for column in columns)])


def _known(run: Run, columns: Sequence[MetricColumn]) -> Known:
    """What the run's records hold of these metrics."""
    keys = {column.key for column in run.manifest.metrics}
    table = run.table().select(["attack", "id", *(each.key for each in columns if each.key in keys)])
    return {(row["attack"], row["id"]): row for row in table.to_pylist()}
