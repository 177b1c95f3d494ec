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


def notes(
    figures: pa.Table,
    statistics: Collection[str] = ("stuck", "still", "unmasked", "unconfirmed", "unfinished", "unmeasured"),
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
        attack, count, images = row["attack"], row["value"] or 0, row["images"]
        told = count if row["statistic"] != "unconfirmed" else row["value"] is not None and images
        if not told or row["statistic"] not in statistics:
            continue
        if row["statistic"] == "stuck":
            found.append(
                f"{attack}: gradient zero or not finite in every pass on {round(count * images)} of "
                f"{images} images. This is no robustness; use logits, a margin loss, straight-through or a "
                "transfer check"
            )
        elif row["statistic"] == "still":
            found.append(
                f"{attack}: no step changed a value that a file holds on {round(count * images)} of {images} "
                "images, so the model saw the original alone. This is no robustness; give longer steps or a "
                "larger budget"
            )
        elif row["statistic"] == "unmasked":
            found.append(
                f"{attack}: the mask says nothing on {round(count * images)} of {images} images: the "
                "attention is flat, so that all of the image could change, or the foreground is empty or all"
            )
        elif row["statistic"] == "unconfirmed":
            found.append(
                f"{attack}: the model answers differently to the same image each time. Successes that did "
                f"not hold when it was asked again: on {round(count * images)} of {images} images"
            )
        elif row["statistic"] == "unfinished":
            found.append(f"{attack}: images left out, done under some budgets only: {count:.0f}")
        elif row["statistic"] == "unmeasured" and row["against"] is None:
            found.append(f"{attack}: fooled images without a finite {row['metric']}: {count:.0f}")
        elif row["statistic"] == "unmeasured":
            found.append(f"{attack}: images fooled by both without a {row['metric']}: {count:.0f}")
    return found
