"""Who comes nearest to the least distance that any attack finds, by every metric (Cinà et al. 2025)."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from limen.analysis import has_zero, in_memory
from limen.errors import UsageError
from limen.evaluation.context import Context
from limen.evaluation.image_distances import asked, image_distances, rows_of_images
from limen.evaluation.optimality_blocks import describe
from limen.evaluation.protocol import evaluation
from limen.runs import Part, Run


@evaluation("Equal perception", describe)
def optimality(
    run: Run,
    context: Context,
    *,
    metric: tuple[str, ...] = (),
    passes: int | None = None,
    floats: bool = False,
) -> Iterator[Part]:
    """The distance at which each attack fools each image, by every metric, and what it took.

    Args:
        run: The run.
        context: What the evaluation is given.
        metric: Specs of metrics; those of the run if none is given.
        passes: How many forward and backward passes an image may take; attacks that took more are told.
        floats: Whether images count as attacks had them in memory, before they were stored in 8 bits.

    Raises:
        UsageError: If there is no such metric, or the run has not measured it of images in memory; if no
            metric has a distance at which an image is unchanged.

    Source:
        Cinà, Rony, Pintor et al. 2025, AttackBench: evaluating gradient-based attacks for adversarial
        examples.
    """
    if passes is not None and passes < 1:
        raise UsageError(f"passes is {passes}; expected 1 or more, as each image takes some")
    columns, measures = asked(run, metric, anew=False)
    columns = [column for column in columns if has_zero(column)]
    measures = [made for made in measures if has_zero(made.column)]
    if not columns:
        raise UsageError(
            "no metric has a distance of 0 where an image is unchanged; name one, such as metric=l2"
        )
    if floats and measures:
        raise UsageError(
            f"{measures[0].column.key} is not in the run's records, which alone know of images in memory; "
            "attack again with that metric"
        )
    table, images = run.table(), context.correct()
    costs = {
        (row["attack"], row["id"]): row
        for row in table.select(["attack", "id", "forwards", "backwards", "seconds"]).to_pylist()
    }
    if floats:
        context.want(images)
        found = iter([rows_of_images(in_memory(table), columns, images)])
    else:
        found = image_distances(run, context, columns, measures, images, context.fooled())
    for rows in found:
        took = [costs[pair] for pair in zip(rows["attack"].to_pylist(), rows["id"].to_pylist(), strict=True)]
        spent = pa.array([row["forwards"] + row["backwards"] for row in took], pa.int64())
        seconds = pa.array([row["seconds"] for row in took], pa.float64())
        yield Part(rows.append_column("passes", spent).append_column("seconds", seconds))
