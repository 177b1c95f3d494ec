"""How any metric is distributed over the images that attacks fool (Hua et al., Figure 3.3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa
import torch

from limen import catalog
from limen.evaluation.context import Context
from limen.evaluation.distribution_charts import describe
from limen.evaluation.measure import distances
from limen.evaluation.protocol import evaluation
from limen.metrics import Metric
from limen.runs import MetricColumn, Part, Run, record_schema

Known = Mapping[tuple[str, str], Mapping[str, float | None]]
"""By attack and image, what the run has measured of it already, by metric."""


@evaluation("Distribution over images", describe)
def distribution(
    run: Run, context: Context, *, metric: tuple[str, ...] = (), failures: bool = False, log: bool = False
) -> Iterator[Part]:
    """Metrics image by image, of what attacks stored: taken from the run's records where these have them.

    Args:
        run: The run.
        context: What the evaluation is given.
        metric: Specs of metrics; those of the run if none is given.
        failures: Whether the images that an attack did not fool count, too: these are stored as they were.
        log: Whether charts have a logarithmic axis.

    Raises:
        UsageError: If there is no such metric.

    Source:
        Hua et al., Human imperceptible attacks and applications to improve fairness, Figure 3.3.
    """
    columns, measures = _asked(run, metric, failures)
    for made in measures:
        context.note_code(f"metric {made.column.key}", made.identity)
    schema, known, fooled = _schema(columns), _known(run, columns), context.fooled()
    for batch in context.batches(context.correct() if failures else fooled):
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
            yield Part(pa.table({"attack": [label] * len(ids), "id": ids, "fooled": hits, **found}, schema))


def _asked(run: Run, specs: Sequence[str], failures: bool) -> tuple[list[MetricColumn], list[Metric]]:
    """The metrics to show, and those of them that must be measured for some image."""
    known = {column.key: column for column in run.manifest.metrics}
    columns, measures = {}, []
    for spec in specs or known:
        if spec in known and not failures:
            # It may be of a file that is not at hand, and need not be.
            columns[spec] = known[spec]
            continue
        made = catalog.metric(spec)
        columns[made.column.key] = known.get(made.column.key, made.column)
        measures.append(made)
    return [*columns.values()], measures


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
