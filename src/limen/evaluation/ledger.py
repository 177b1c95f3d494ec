"""What of a run is finished while its attacks are made: kept here, told as it grows, and written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from limen.data import Batch
from limen.evaluation.attack_batch import Attacked, Left
from limen.evaluation.budget_grid import AnyAttack
from limen.runs import RunWriter

Progress = Callable[[str, int, int], object]
"""Told, at the start and after each batch, an attack's label and how many of how many images are finished."""

Failed = Callable[[AnyAttack, str], object]
"""Told an attack that failed, and why."""


class Ledger:
    """What is finished of a run, and what is left.

    Args:
        run: Where results are written.
        attacks: The attacks and grids by the labels that they have in the run.
        ids: The images that are to be attacked.
        progress: Told how far each label is.
        failed: Told of an attack that the others go on without.
    """

    def __init__(
        self,
        run: RunWriter,
        attacks: Mapping[tuple[str, ...], AnyAttack],
        ids: Sequence[str],
        progress: Progress | None,
        failed: Failed | None,
    ) -> None:
        self._run, self._attacks, self._progress, self._failed = run, attacks, progress, failed
        self._finished = {label: set(run.finished(label)) for labels in attacks for label in labels}
        self._done = {label: len(each.intersection(ids)) for label, each in self._finished.items()}
        self._total = dict.fromkeys(self._done, len(ids))
        self._skipped: set[str] = set()
        self._given_up: set[str] = set()
        self._tell(self._done)

    def is_done(self, image_id: str) -> bool:
        """Whether every attack is done with an image."""
        return all(image_id in each for each in self._finished.values())

    def left(self, batch: Batch) -> Left:
        """What is left of a batch."""
        ids = frozenset(batch.ids)
        return Left(
            batch,
            {
                label: ids if label in self._given_up else ids.intersection(each)
                for label, each in self._finished.items()
            },
        )

    def skip(self, image_id: str, reason: str) -> None:
        """Record an image that is left out by the attacks that are not done with it."""
        lacking = [label for label, each in self._finished.items() if image_id not in each]
        if lacking and image_id not in self._skipped:
            self._skipped.add(image_id)
            self._run.skip(image_id, reason)
            for label in lacking:
                self._total[label] -= 1
            self._tell(lacking)

    def record(self, found: Attacked) -> None:
        """Write what was found of a batch."""
        for image_id in found.reached:
            self.skip(image_id, "it is of the class to reach already")
        if found.originals:
            self._run.write_originals(found.originals)
        if found.failed and self._failed is not None and not self._given_up.issuperset(found.failed):
            self._given_up.update(found.failed)
            self._failed(self._attacks[found.failed], found.reason)
        if found.results:
            self._run.write_together(found.results)
            for label, (_, images) in found.results.items():
                self._finished[label].update(images)
                self._done[label] += len(images)
            self._tell(found.results)

    def _tell(self, labels: Iterable[str]) -> None:
        if self._progress is not None:
            for label in labels:
                self._progress(label, self._done[label], self._total[label])
