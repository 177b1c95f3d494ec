"""Whether labels are shifted, or permuted, against what the model means by its numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import scipy

from limen.analysis import mcnemar
from limen.audit.finding import Finding
from limen.audit.setup.subject import Subject
from limen.document import percent

_LEVEL = 1e-3
_GAIN = 0.1
_SHOWN = 3
_KEPT = 0.5  # what a class that keeps its number counts for, less than an image


def labels(subject: Subject) -> Iterator[Finding]:
    """A constant offset, or another numbering, that fits what the model says far better."""
    title = "Numbers of the classes"
    if not subject.labelled:
        yield Finding("labels", title, "note", "The data has no labels that could be wrong.")
        return
    truth, said = subject.labels.numpy(), subject.predictions
    shift = _shift(truth, said, subject.right, subject.classes)
    if shift is not None:
        by, right = shift
        evidence = (
            f"With {abs(by)} {'added to' if by > 0 else 'taken from'} each label {_better(subject, right)}."
        )
        cure = f"Number the classes as the model does: its number is the label {by:+d}."
        yield Finding("labels", "Labels are shifted against the model's numbers", "weakens", evidence, cure)
        return
    numbering, right = _renumbered(truth, said, subject.classes)
    if _clearly(subject.right, right, 1):
        moved = [f"{subject.called(a)} is the model's {subject.called(b)}" for a, b in numbering if a != b]
        more = f" and {len(moved) - _SHOWN} more" if len(moved) > _SHOWN else ""
        evidence = (
            f"With classes exchanged, as fitted on one half of the images and tried on the other, "
            f"{_better(subject, right)}. Such as: {', '.join(moved[:_SHOWN])}{more}."
        )
        cure = "List the classes in the model's order with classes=FILE, or name the folders by its numbers."
        yield Finding("labels", "Classes are numbered otherwise than the model's", "weakens", evidence, cure)
        return
    yield Finding("labels", title, "sound", "No offset and no exchange of classes fits clearly better.")


def _better(subject: Subject, right: np.ndarray) -> str:
    return (
        f"{percent(float(right.mean()))} of the images would be right instead of "
        f"{percent(float(subject.right.mean()))}"
    )


def _clearly(before: np.ndarray, after: np.ndarray, tried: int) -> bool:
    gain = float(after.mean() - before.mean())
    return gain >= _GAIN and tried * mcnemar(before, after) < _LEVEL


def _shift(
    truth: np.ndarray, said: np.ndarray, right: np.ndarray, classes: int
) -> tuple[int, np.ndarray] | None:
    """The offset, the shortest way around, that is clearly better than none, and what is right with it."""
    offsets = (said - truth) % classes
    counted = Counter(offsets[offsets != 0].tolist()).most_common(1)
    if not counted:
        return None
    by = counted[0][0]
    if not _clearly(right, offsets == by, classes - 1):
        return None
    return (by if by <= classes // 2 else by - classes), offsets == by


def _renumbered(
    truth: np.ndarray, said: np.ndarray, classes: int
) -> tuple[list[tuple[int, int]], np.ndarray]:
    """The one-to-one numbering that fits best, and which images it has right when fitted on the others."""
    half = np.zeros(len(truth), bool)
    for label in np.unique(truth):
        half[np.flatnonzero(truth == label)[::2]] = True
    right = np.zeros(len(truth), bool)
    for fitted in (half, ~half):
        numbers = dict(_numbering(truth[fitted], said[fitted], classes))
        right[~fitted] = [
            numbers.get(a, a) == b
            for a, b in zip(truth[~fitted].tolist(), said[~fitted].tolist(), strict=True)
        ]
    return _numbering(truth, said, classes), right


def _numbering(truth: np.ndarray, said: np.ndarray, classes: int) -> list[tuple[int, int]]:
    """Pairs of a label and the model's number that make most images right, each number for one label."""
    present = np.unique(truth)
    counts = np.zeros((len(present), classes))
    np.add.at(counts, (np.searchsorted(present, truth), said), 1.0)
    inside = present < classes
    counts[np.flatnonzero(inside), present[inside]] += _KEPT
    rows, columns = scipy.optimize.linear_sum_assignment(counts, maximize=True)
    return [(int(present[row]), int(column)) for row, column in zip(rows, columns, strict=True)]
