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
from limen.evaluation.measure import measure
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


def attack_batch(what: Attacking, left: Left) -> Iterator[Attacked]:
    """Attack the images of a batch that are left, and measure what files will hold.

    Yields:
        The originals first, then what each call of an attack made.

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
        for call, piece, of_row in pieces(attack, labels, cleans, finished, what.batch_size):
            adaptive = what.settings.adaptive
            aware = call if adaptive is None else AdaptiveAttack(call, adaptive)
            try:
                rows, pixels = measure(what.classifier, aware, piece, what.settings, what.metrics)
            except LimenError as error:
                if not what.lenient:
                    raise
                yield Attacked(failed=labels, reason=str(error))
                break
            results = {label: ([], {}) for label in of_row}
            for label, row, image in zip(of_row, rows, pixels, strict=True):
                results[label][0].append(row)
                results[label][1][row["id"]] = image
            for label, (_, images) in results.items():
                finished[label].update(images)
            yield Attacked(results=results)
