"""What must be read beside figures, in sentences: what they leave out, and what they do not mean."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import pyarrow as pa

from limen.analysis.table import rows_of
from limen.runs import MetricColumn


def caveats(metrics: Iterable[MetricColumn]) -> list[str]:
    """What must stand beside values of these metrics, a note for each that has limits of its own.

    Example:
        >>> caveats([MetricColumn("l2", "L₂"), MetricColumn("seen", "seen", caveat="Ten people.")])
        ['seen: Ten people.']
    """
    return [f"{metric.title}: {metric.caveat}" for metric in metrics if metric.caveat]


def source_of(metric: MetricColumn) -> str:
    """Which study the share of people who would notice is read off.

    Example:
        >>> source_of(MetricColumn("noticed", "would notice"))
        'by one study'
    """
    return "by one study" if metric.code is None else "by the study of your own that was given as calibration"


_OF_IMAGES = {
    "stuck": (
        "gradient zero or not finite in every pass on {which}. This is no robustness; use logits, a margin "
        "loss, straight-through or a transfer check"
    ),
    "faded": (
        "gradient zero or not finite in most passes on {which}, none of them fooled. There may be much that "
        "it did not find; use logits, a margin loss, straight-through or a transfer check"
    ),
    "still": (
        "no step changed a value that a file holds on {which}, so the model saw the original alone. This is "
        "no robustness; give longer steps or a larger budget"
    ),
    "unmasked": (
        "the mask says nothing on {which}: the attention is flat, so that all of the image could change, or "
        "the foreground is empty or all"
    ),
    "unconfirmed": (
        "the model answers differently to the same image each time. Successes that did not hold when it was "
        "asked again: on {which}"
    ),
}
"""What is said of a share of the images, by its statistic."""


def notes(
    figures: pa.Table, statistics: Collection[str] = (*_OF_IMAGES, "unfinished", "unmeasured")
) -> list[str]:
    """The sentences that belong to a table of figures.

    Args:
        figures: What `limen.analysis.table` made.
        statistics: Which statistics to put into words.

    Example:
        >>> from limen.analysis.table import SCHEMA
        >>> row = {"run": "a", "attack": "fgsm", "family": "fgsm", "images": 8}
        >>> for note in notes(pa.Table.from_pylist([row | {"statistic": "stuck", "value": 0.5}], SCHEMA)):
        ...     print(note.partition(".")[0])
        fgsm: gradient zero or not finite in every pass on 4 of 8 images
    """
    found = []
    for row in rows_of(figures):
        statistic, attack, count, images = row["statistic"], row["attack"], row["value"] or 0, row["images"]
        # That a model's answers vary is worth a note also where all successes held.
        unsteady = statistic == "unconfirmed" and row["value"] is not None and images
        if statistic not in statistics or not (count or unsteady):
            continue
        if statistic in _OF_IMAGES:
            which = f"{round(count * images)} of {images} images"
            found.append(f"{attack}: {_OF_IMAGES[statistic].format(which=which)}")
        elif statistic == "unfinished":
            found.append(f"{attack}: images left out, done under some budgets only: {count:.0f}")
        elif statistic == "unmeasured" and row["against"] is None:
            found.append(f"{attack}: fooled images without a finite {row['metric']}: {count:.0f}")
        elif statistic == "unmeasured":
            found.append(f"{attack}: images fooled by both without a {row['metric']}: {count:.0f}")
    return found
