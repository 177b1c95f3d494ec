"""Whether the model knows the images at all, before any attack."""

from __future__ import annotations

from collections.abc import Iterator

from limen.analysis import near_chance, share
from limen.audit.finding import Finding
from limen.audit.setup.subject import Subject
from limen.document import percent


def accuracy(subject: Subject) -> Iterator[Finding]:
    """Clean accuracy with its interval, against chance. At chance nothing is left to attack."""
    if not subject.labelled:
        yield Finding(
            "accuracy",
            "Clean accuracy",
            "note",
            "The data has no labels: what counts as right is what the model itself said before any attack.",
            "Give labelled images, so that it is seen whether the model is what you mean to audit.",
        )
        return
    right, images = int(subject.right.sum()), len(subject.right)
    found = share(subject.right)
    said = (
        f"{right:,} of {images:,} right ({percent(found.value)}, 95 % interval {percent(found.low)} to "
        f"{percent(found.high)}); chance among {subject.classes:,} classes is {percent(1 / subject.classes)}."
    )
    if right and not near_chance(right, images, subject.classes):
        yield Finding("accuracy", "Clean accuracy", "sound", said)
        return
    yield Finding(
        "accuracy",
        "The model is right no more often than by chance",
        "stops",
        said,
        "See what the checks of labels and preprocessing say. Model and data may number their classes "
        "differently, or the model may want other preprocessing.",
    )
