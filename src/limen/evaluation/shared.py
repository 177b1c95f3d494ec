"""An evaluation that several workers share: each measures some of the batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from limen.classifier import Classifier
from limen.evaluation.context import Context, EndOfShareError
from limen.runs import Measurement, Part, Run, open_run
from limen.workers import Workers


@dataclass(frozen=True)
class Sharing:
    """What all shares of an evaluation have in common.

    Attributes:
        directory: The folder of the run, where every worker finds it.
        measure: Measures a run, batch by batch.
        classifier: The run's classifier.
        batch_size: Images looked at side by side.
        limit: Only so many first images of the data set.
        trust: The files of code that the run may name.
    """

    directory: Path
    measure: Callable[[Run, Context], Iterator[Part]]
    classifier: Classifier
    batch_size: int
    limit: int | None
    trust: tuple[str | Path, ...]

    def to(self, device: str) -> Self:
        """The same, where the classifier is moved to a device."""
        return replace(self, classifier=self.classifier.to(device))


@dataclass(frozen=True)
class Share:
    """Each so many-th batch from the one with this index on, and what has been measured already."""

    index: int
    of: int
    finished: frozenset[tuple[str, str]]


@dataclass
class _Known:
    """What a worker knows of the measurement, and notes for it."""

    run: Run
    finished: frozenset[tuple[str, str]]
    notes: list[tuple[str, str]] = field(default_factory=list)

    def __contains__(self, pair: tuple[str, str]) -> bool:
        return pair in self.finished

    def note(self, name: str, value: str) -> None:
        self.notes.append((name, value))


def measure_share(of: Sharing, share: Share) -> Iterator[Part | tuple[str, str]]:
    """Measure a share of the batches: yields notes, by name and value, and parts, as they come."""
    run = open_run(of.directory)
    known = _Known(run, share.finished)
    context = Context(
        known,
        classifier=of.classifier,
        device=of.classifier.device,
        batch_size=of.batch_size,
        limit=of.limit,
        trust=of.trust,
        share=(share.index, share.of),
    )
    try:
        for part in of.measure(run, context):
            yield from _taken(known.notes)
            yield part
    except EndOfShareError:
        pass
    yield from _taken(known.notes)


def measure_together(
    workers: Workers,
    measure: Callable[[Run, Context], Iterator[Part]],
    measurement: Measurement,
    context: Context,
) -> None:
    """Have workers measure what is left of the batches of an evaluation, and write what they find.

    What an evaluation does after its batches, such as pictures of some images, is not theirs.
    """
    sharing = Sharing(
        context.run.directory.absolute(),
        measure,
        context.classifier,
        context.batch_size,
        context.limit,
        context.trust,
    )
    shares = [Share(index, workers.count, frozenset()) for index in range(workers.count)]

    def left(share: Share) -> Share:
        return replace(share, finished=measurement.finished)

    for found in workers.run(measure_share, sharing, shares, left):
        if isinstance(found, Part):
            measurement.write(found)
            context.tell()
        else:
            measurement.note(*found)


def _taken(notes: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    while notes:
        yield notes.pop(0)
