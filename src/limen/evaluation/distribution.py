"""How any metric is distributed over the images that attacks fool (Hua et al., Figure 3.3)."""

from __future__ import annotations

from collections.abc import Iterator

from limen.evaluation.context import Context
from limen.evaluation.distribution_charts import describe
from limen.evaluation.image_distances import asked, image_distances
from limen.evaluation.protocol import evaluation
from limen.runs import Part, Run


@evaluation("Distribution over images", describe, by_batch=True)
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
    columns, measures = asked(run, metric, anew=failures)
    fooled = context.fooled()
    images = context.correct() if failures else fooled
    for table in image_distances(run, context, columns, measures, images, fooled):
        yield Part(table)
