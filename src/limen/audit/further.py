"""What an audit measures of its run besides: defences, detection, transfer, groups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from limen.audit.effort import Effort
from limen.data import Dataset
from limen.spec import write_spec


def evaluations_of(dataset: Dataset, effort: Effort, transfer: Sequence[str]) -> Iterator[str]:
    """The specs of what is measured of a run.

    Args:
        dataset: What was attacked; where its samples are in groups, these are compared.
        effort: What is measured anyway.
        transfer: Specs of other models that see what fools this one.
    """
    yield from effort.evaluations
    if transfer:
        yield write_spec("transfer", [("model", tuple(transfer))])
    if dataset.groups is not None and len(set(dataset.groups)) > 1:
        yield "fairness"
