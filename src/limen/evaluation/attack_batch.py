"""The attacks on one batch: all that is to be computed of it, wherever that is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from limen.classifier import Classifier
from limen.data import Batch
from limen.errors import LimenError
from limen.evaluation.adaptive_attack import AdaptiveAttack
from limen.evaluation.budget_grid import AnyAttack, pieces
from limen.evaluation.cleans import classify
from limen.evaluation.measure import Called, call
from limen.images import to_uint8
from limen.metrics import Metric
from limen.runs import Settings
from limen.runs.writer import Results


@dataclass(frozen=True)
class Attacking:
    """What the attacks on every batch of a run have in common.

    Attributes:
        classifier: The model under test.
        attacks: The attacks and grids, each with the labels that it has in the run.
        metrics: What to measure distortion by.
        settings: The run's.
        spec: What errors call the data set.
        batch_size: Rows of a call at most.
        lenient: Whether an attack that fails is told; else its error is raised.
    """

    classifier: Classifier
    attacks: Sequence[tuple[AnyAttack, tuple[str, ...]]]
    metrics: Sequence[Metric]
    settings: Settings
    spec: str
    batch_size: int
    lenient: bool = False

    def to(self, device: str) -> Self:
        """The same, where the classifier is moved to a device."""
        return replace(self, classifier=self.classifier.to(device))

    def failed(self, labels: tuple[str, ...], error: LimenError) -> Attacked:
        """What is found of an attack with these labels that failed.

        Raises:
            LimenError: The error itself, unless failures are only told.
        """
        if not self.lenient:
            raise error
        return Attacked(failed=labels, reason=str(error))


@dataclass(frozen=True)
class Left:
    """What is left to do of a batch: its images, and by each label the ids that it is done with."""

    batch: Batch
    finished: Mapping[str, frozenset[str]]


@dataclass(frozen=True)
class Attacked:
    """A piece of what was found of a batch, to be written whole or not at all.

    Attributes:
        originals: Pixels by id, before any attack.
        reached: The ids of images that are of the class to reach already.
        results: Of each label its records, and its pixels by id.
        failed: The labels of an attack that failed.
        reason: Why it did.
    """

    originals: Mapping[str, np.ndarray] = field(default_factory=dict)
    reached: Sequence[str] = ()
    results: Mapping[str, Results] = field(default_factory=dict)
    failed: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class Unmeasured:
    """A piece that no model is needed for any more: the rest can be done beside the next call.

    Attributes:
        called: The call of an attack.
        of_row: The label of each of its images.
        what: What its batch has in common with others.
        labels: All labels of the attack or grid.
    """

    called: Called
    of_row: Sequence[str]
    what: Attacking
    labels: tuple[str, ...]

    def measured(self) -> Attacked:
        """The piece as it is to be written.

        Raises:
            LimenError: If a metric refuses the images, and failures are not only told.
        """
        try:
            rows = self.called.records(self.what.metrics)
        except LimenError as error:
            return self.what.failed(self.labels, error)
        results = {label: ([], {}) for label in self.of_row}
        for label, row, image in zip(self.of_row, rows, self.called.pixels, strict=True):
            results[label][0].append(row)
            results[label][1][row["id"]] = image
        return Attacked(results=results)


def attack_batch(what: Attacking, left: Left) -> Iterator[Attacked | Unmeasured]:
    """Attack the images of a batch that are left, and ask the model about what files will hold.

    Yields:
        The originals first, then what each call of an attack made, which is to be measured yet.

    Raises:
        UsageError: If a label is none of the model's classes, or targets are missing.
    """
    finished = {label: set(ids) for label, ids in left.finished.items()}
    cleans = classify(what.classifier, what.spec, left.batch, what.settings)
    reached = cleans.reached()
    ids = [cleans.ids[place] for place in reached]
    cleans = cleans.at([place for place in range(len(cleans.ids)) if place not in reached])
    yield Attacked(dict(zip(cleans.ids, to_uint8(cleans.images), strict=True)), ids)
    for attack, labels in what.attacks:
        for attempt, piece, of_row in pieces(attack, labels, cleans, finished, what.batch_size):
            adaptive = what.settings.adaptive
            aware = attempt if adaptive is None else AdaptiveAttack(attempt, adaptive)
            try:
                called = call(what.classifier, aware, piece, what.settings)
            except LimenError as error:
                yield what.failed(labels, error)
                break
            for label, image_id in zip(of_row, piece.ids, strict=True):
                finished[label].add(image_id)
            yield Unmeasured(called, of_row, what, labels)


def measured_batch(what: Attacking, left: Left) -> Iterator[Attacked]:
    """As `attack_batch`, with all that it yields measured."""
    for found in attack_batch(what, left):
        yield found if isinstance(found, Attacked) else found.measured()
