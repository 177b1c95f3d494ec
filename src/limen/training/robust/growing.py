"""The loops of Algorithm 4.1: a network steps, and what it then is is attacked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from limen.analysis.surrogate import Dual
from limen.catalog import NamedAttack
from limen.classifier import Classifier
from limen.data import Dataset, held
from limen.data.dataset import stack
from limen.data.robust import Grown, RobustManifest, read_rows, write_rows
from limen.images import LATTICE, from_uint8, to_uint8
from limen.training.attacking import ended
from limen.training.checkpoint import Checkpoint
from limen.training.course import Clock, Place, Stepper
from limen.training.dual import Lagrangian
from limen.training.objectives import CrossEntropy
from limen.training.reading import Plan
from limen.training.robust.folder import RobustFolder
from limen.training.robust.growth import Growth
from limen.training.settings import Settings, Step
from limen.training.team import Team

CHECKPOINT = "robust.checkpoint"

GrowthListener = Callable[[Step | Grown, tuple[Grown, ...]], None]
"""Called after every batch, and after every outer step, with what it came to and the steps that are done."""


class Builder:
    """What makes the adversarial samples of a folder whose clean ones are there.

    Args:
        folder: Where D_rob is.
        manifest: What it is made of.
        classifier: The network before the first step; it is trained in place.
        attack: What attacks it.
        settings: Of its steps; epochs are the outer steps.
        team: This process.
    """

    def __init__(
        self,
        folder: Path,
        manifest: RobustManifest,
        classifier: Classifier,
        attack: NamedAttack,
        settings: Settings,
        team: Team,
    ) -> None:
        self._classifier, self._attack, self._settings = classifier, attack, settings
        self._stepper = Stepper(classifier, settings, CrossEntropy(), team)
        self._kept = Checkpoint(folder / CHECKPOINT, {}, self._stepper.states())
        self._place, self._steps = self._resumed()
        rows = read_rows(folder)
        clean = sum(row.k == 0 for row in rows)
        made = (self._place.epoch - 1) * clean + min(self._place.step * settings.batch_size, clean)
        # Rows that the checkpoint knows nothing of are made again.
        self._growth = Growth(rows[: clean + made], manifest.literal, manifest.clean_share)
        self._folder = RobustFolder(folder, self._growth, manifest.masks, clean * (1 + settings.epochs))

    def run(
        self,
        every: float,
        listen: GrowthListener | None,
        workers: int,
        dual: Lagrangian | None,
        test_set: Dataset,
    ) -> tuple[Grown, ...]:
        """Take the outer steps that are left; returns what all came to."""
        test_set = held(test_set, fixed=True)
        while self._place.epoch <= self._settings.epochs:
            clock = Clock(self._place.seconds, every)
            self._outer_step(clock, listen, workers)
            place = self._place
            made = self._growth.rows[-self._growth.clean :]
            success = sum(bool(row.success) for row in made) / len(made)
            found = None if dual is None else self._dual(dual, test_set)
            grown = Grown(place.epoch, place.loss / place.count, success, clock.seconds, found)
            self._place, self._steps = Place(place.epoch + 1), (*self._steps, grown)
            self._save()
            if listen is not None:
                listen(grown, self._steps)
        return self._steps

    def _outer_step(self, clock: Clock, listen: GrowthListener | None, workers: int) -> None:
        number = self._place.epoch
        with self._stepper.learning.training():
            for reached, step, lesson in self._stepper.steps(self._place, self._plan(number), workers):
                self._attacked(lesson.indices, number, (step.number - 1) * self._settings.batch_size + 1)
                self._place = replace(reached, seconds=clock.seconds)
                if listen is not None:
                    listen(step, self._steps)
                if step.number < step.steps and clock.is_due():
                    self._save()

    def _plan(self, number: int) -> Plan:
        """What an outer step draws, of the samples that were there when it began."""
        count, seed = self._growth.clean * number, self._settings.epoch_seed(number)
        weights = self._growth.weights(count)
        drawn = self._growth.draw(count, seed)
        factors = [float(weights[place]) for place in drawn] if self._growth.literal else None
        size, augment = self._settings.batch_size, self._stepper.augment
        return Plan(self._folder.dataset(count), drawn, size, seed=seed, augment=augment, factors=factors)

    def _attacked(self, drawn: Sequence[int], number: int, first: int) -> None:
        """Attack what was drawn, with the weights that the network has now."""
        places = [self._growth.attacked(place) for place in drawn]
        batch = stack([(place, self._folder.read(place)) for place in places])
        network = self._stepper.learning.under_attack()
        device, dtype = self._classifier.device, self._classifier.dtype
        images, labels = batch.images.to(device, dtype), batch.labels.to(device)
        masks = None if batch.masks is None else batch.masks.to(device)
        rows = self._growth.new_rows(number, drawn, first)
        ids, seed = [row.id for row in rows], self._settings.epoch_seed(number)
        moved = ended(self._attack, network, images, labels, ids, seed=seed, masks=masks, lattice=LATTICE)
        pixels = to_uint8(moved)
        with torch.no_grad():
            fooled = network(from_uint8(pixels).to(device, dtype)).argmax(1) != labels
        known = zip(rows, fooled.tolist(), strict=True)
        self._folder.add([replace(row, success=success) for row, success in known], pixels)

    def _dual(self, dual: Lagrangian, test_set: Dataset) -> Dual:
        return dual(self._classifier, test_set, self._settings.batch_size, seed=self._settings.seed)

    def _save(self) -> None:
        """Write the rows, and then where the build is: what the checkpoint counts is there."""
        write_rows(self._folder.folder, self._growth.weighted())
        self._kept.write(asdict(self._place), [asdict(each) for each in self._steps])

    def _resumed(self) -> tuple[Place, tuple[Grown, ...]]:
        if not self._kept.path.exists():
            return Place(), ()
        place, steps = self._kept.read()
        return Place(**place), tuple(_grown(each) for each in steps)


def _grown(told: Mapping[str, Any]) -> Grown:
    dual = told["dual"]
    values: dict[str, Any] = {**told, "dual": None if dual is None else Dual(**dual)}
    return Grown(**values)
