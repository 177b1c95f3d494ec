"""What an evaluation of a run is, and how any of them is done."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch

from limen.classifier import Classifier
from limen.document import Block, Document, Notes
from limen.evaluation.context import Context
from limen.evaluation.ledger import Progress
from limen.evaluation.shared import measure_together
from limen.identity import Identity
from limen.runs import Part, Run, Stored, measuring
from limen.workers import HERE, Workers

Describe = Callable[[Stored], Sequence[Block]]
"""Says in blocks of a document what was measured."""


@dataclass(frozen=True)
class Evaluation:
    """An evaluation with its options, ready to be measured.

    Attributes:
        identity: Its name and all its options.
        title: What it asks, as a heading.
        measure: Measures a run: yields parts, each all that it will ever yield of some attacks and images.
        describe: Says in blocks of a document what was measured; the same rows always say the same.
        by_batch: Whether each batch is measured for itself, so that others may measure some of them.
    """

    identity: Identity
    title: str
    measure: Callable[[Run, Context], Iterator[Part]]
    describe: Describe
    by_batch: bool = False


F = TypeVar("F", bound=Callable[..., Iterator[Part]])


def evaluation(title: str, describe: Describe, *, by_batch: bool = False) -> Callable[[F], F]:
    """Make an evaluation of a function that measures, a generator of parts with typed keywords as options.

    Args:
        title: What it asks, as a heading.
        describe: Says in blocks of a document what was measured.
        by_batch: Whether it goes once through `context.batches`, and what it yields of a batch depends on no
            other.

    Example:
        >>> @evaluation("How bright are the images?", lambda stored: [])
        ... def brightness(run, context, *, scale: float = 1.0):
        ...     yield Part()
        >>> brightness.title
        'How bright are the images?'
    """

    def declared(measure: F) -> F:
        vars(measure).update(title=title, describe=describe, by_batch=by_batch)
        return measure

    return declared


def evaluate(
    run: Run,
    what: Evaluation,
    *,
    classifier: Classifier | None = None,
    device: str | torch.device = "cpu",
    batch_size: int = 32,
    limit: int | None = None,
    workers: Workers = HERE,
    progress: Progress | None = None,
    trust: Iterable[str | Path] = (),
) -> Stored:
    """Do what is left of an evaluation of a run, and store it in the run's folder.

    Args:
        run: The run.
        what: The evaluation; `limen.evaluation.EVALUATIONS.make` makes it of a spec.
        classifier: The run's classifier, if it is at hand; else it is made from the manifest when needed.
        device: Where to compute.
        batch_size: Images looked at side by side; memory is bounded by one batch.
        limit: Only so many first images of the data set; None for all.
        workers: Who measures: this process alone, or others beside it that find the run in the same place,
            each some of the batches. What an evaluation makes of all batches together stays here.
        progress: Called with each attack's label, finished images and all images.
        trust: The files of `python:FILE.py:NAME` that the run may name, if its model or data must be made
            again; those that this process has run already need not be told.

    Raises:
        UsageError: If an option is wrong, or the model has other weights than the run's.
        LimenError: If code would run that only the run names.
        RunError: If something in the run cannot be read or written; what was finished before is kept.
    """
    with measuring(run, what.identity, limit) as measurement:
        context = Context(
            measurement,
            classifier=classifier,
            device=device,
            batch_size=batch_size,
            limit=limit,
            progress=progress,
            trust=trust,
        )
        if what.by_batch and workers.count > 1:
            measure_together(workers, what.measure, measurement, context)
        for part in what.measure(run, context):
            measurement.write(part)
            context.tell()
        return measurement.finish(context.wanted, lambda stored: document_of(what, stored))


def document_of(what: Evaluation, stored: Stored) -> Document:
    """What pages and terminals show of a stored evaluation."""
    header = stored.header
    notes = [(name.capitalize(), value) for name, value in header.notes.items()]
    settings = [("Evaluation", header.identity.label), *notes]
    if header.limit is not None:
        settings.append(("Images", f"the first {header.limit}"))
    nothing = Notes("Nothing to measure", ["No image of this run counts for this evaluation."])
    blocks = what.describe(stored) if stored.records().num_rows else [nothing]
    return Document(what.title, settings=settings, blocks=blocks)
