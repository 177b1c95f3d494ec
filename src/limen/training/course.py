"""One training: what its steps are taken with, and how its epochs are measured."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from limen.analysis.surrogate import Dual
from limen.classifier import Classifier, check_labels
from limen.data import Dataset
from limen.errors import LimenError, UsageError
from limen.identity import Named, identify
from limen.seeds import sample_seeds
from limen.training.augmentation import augmentations
from limen.training.dual import Lagrangian
from limen.training.learner import Learning
from limen.training.objective import Objective, Telling
from limen.training.optimization import OPTIMIZERS, SCHEDULES
from limen.training.reading import Lesson, OnSkip, Plan, read
from limen.training.settings import Epoch, Settings, Step
from limen.training.team import Team
from limen.training.validation import Validation, accuracy, robust_accuracy


@dataclass(frozen=True)
class Place:
    """Where a training is.

    Attributes:
        epoch: The epoch under way, from 1.
        step: How many of its steps are done.
        loss: The sum of its images' losses so far.
        count: How many images these are.
        seconds: What it has taken so far.
        rate: The learning rate of the last step.
    """

    epoch: int = 1
    step: int = 0
    loss: float = 0.0
    count: float = 0.0
    seconds: float = 0.0
    rate: float = 0.0


class Clock:
    """How long an epoch has taken, and when its state is to be kept within it.

    Args:
        before: The seconds that it had taken before an interruption.
        every: The seconds from one time that the state is kept to the next.
    """

    def __init__(self, before: float, every: float) -> None:
        self._start = self._kept = time.perf_counter()
        self._before, self._every = before, every

    @property
    def seconds(self) -> float:
        """What the epoch has taken so far."""
        return self._before + time.perf_counter() - self._start

    def is_due(self) -> bool:
        """Whether the state is to be kept now; the next time is counted from here if so."""
        due = time.perf_counter() - self._kept >= self._every
        if due:
            self._kept = time.perf_counter()
        return due


@dataclass(frozen=True)
class Course:
    """What is trained on what, for what, and by whom; its attributes are arguments of `train`."""

    classifier: Classifier
    train_set: Dataset
    test_set: Dataset
    settings: Settings
    objective: Objective
    validation: Validation | None
    dual: Lagrangian | None
    on_skip: OnSkip | None
    workers: int
    team: Team

    def conditions(self) -> dict[str, Any]:
        """What must be the same for a training to go on."""
        objective = identify(self.objective)
        return {
            "model": None if self.classifier.identity is None else self.classifier.identity.label,
            **asdict(self.settings),
            "objective": objective.label,
            "the objective's file": objective.code,
            "train_set": self.train_set.spec,
            "data": self.train_set.fingerprint(),
            "test_set": self.test_set.spec,
            "validation": None if self.validation is None else identify(self.validation).label,
            "dual": None if self.dual is None else identify(self.dual).label,
        }

    def measure(self, place: Place) -> Epoch:
        """What an epoch came to whose steps are done.

        Raises:
            LimenError: If none of its images could be used.
        """
        if place.count == 0:
            raise LimenError(f"{self.train_set.spec}: none of the images can be used")
        how = self.settings.batch_size, self.on_skip, self.workers, self.team
        judged = self.validation
        told = self.objective.figures() if isinstance(self.objective, Telling) else {}
        return Epoch(
            place.epoch,
            place.loss / place.count,
            accuracy(self.classifier, self.test_set, *how),
            None if judged is None else robust_accuracy(self.classifier, self.test_set, judged, *how),
            place.rate,
            place.seconds,
            told,
            self._dual() if self.team.leads else None,
        )

    def _dual(self) -> Dual | None:
        size, seed = self.settings.batch_size, self.settings.seed
        if self.dual is None:
            return None
        return self.dual(self.classifier, self.test_set, size, self.on_skip, self.workers, seed)

    def plan(self, number: int, augment: tuple[Named, ...]) -> Plan:
        """What an epoch reads."""
        settings = self.settings
        seed, size = settings.epoch_seed(number), settings.batch_size
        return Plan.of_epoch(self.train_set, seed, size, self.team.share, augment, settings.sampling)


class Stepper:
    """What takes a training's steps: the optimizer, the schedule, and the network as objectives see it.

    Args:
        classifier: What learns.
        settings: Of the steps.
        objective: What they bring down.
        team: Who takes part.

    Raises:
        UsageError: If the network has nothing to learn.
    """

    def __init__(self, classifier: Classifier, settings: Settings, objective: Objective, team: Team) -> None:
        self._classifier, self._settings = classifier, settings
        self._objective, self._team = objective, team
        parameters = classifier.module.parameters()
        self._parameters = [each for each in parameters if each.requires_grad]
        if not self._parameters:
            raise UsageError("the network has no parameter that could learn")
        self._optimizer = OPTIMIZERS.make(self._settings.optimizer)(self._parameters)
        self._peaks = [group["lr"] for group in self._optimizer.param_groups]
        self._schedule = SCHEDULES.make(self._settings.schedule)
        self.augment = tuple(augmentations(self._settings.augment))
        self._classes: int | None = None
        self.learning = Learning(classifier, team, self._optimizer)

    def states(self) -> dict[str, Any]:
        """Everything that a step changes."""
        return {
            "module": self._classifier.module,
            "optimizer": self._optimizer,
            "team": self._team,
            "objective": self._objective,
        }

    def steps(
        self, place: Place, plan: Plan, workers: int = 0, on_skip: OnSkip | None = None
    ) -> Iterator[tuple[Place, Step, Lesson]]:
        """Take the steps that an epoch has left.

        Yields:
            Where training then is, what the step came to, and what it was learned from, on the classifier's
            device.
        """
        seed, rank = self._settings.epoch_seed(place.epoch), self._team.share.rank
        for number, lesson in read(plan, place.step, workers, on_skip):
            self._check(lesson)
            rate = self._set_rate((place.epoch - 1) * len(plan) + number, self._settings.epochs * len(plan))
            (drawn,) = sample_seeds(seed, [f"step {number} of process {rank}"]).tolist()
            torch.manual_seed(drawn)
            moved = lesson.to(self._classifier.device, self._classifier.dtype)
            loss, count = self._step(moved, place.epoch)
            place = replace(
                place, step=number + 1, loss=place.loss + loss, count=place.count + count, rate=rate
            )
            yield place, Step(place.epoch, number + 1, len(plan), loss / count if count else 0.0, rate), moved

    def _check(self, lesson: Lesson) -> None:
        """Refuse labels of no class; the first lesson tells how many classes, and whether its images fit."""
        if self._classes is None:
            with torch.no_grad():
                images = lesson.to(self._classifier.device, self._classifier.dtype).images[:1]
                self._classes = self._classifier(images).shape[1]
        check_labels(lesson.labels, lesson.images, self._classes)

    def _set_rate(self, step: int, total: int) -> float:
        factor = self._schedule(step, total)
        for group, peak in zip(self._optimizer.param_groups, self._peaks, strict=True):
            group["lr"] = factor * peak
        return factor * self._peaks[0]

    def _step(self, lesson: Lesson, epoch: int) -> tuple[float, float]:
        """One step; returns the sum of the losses over all processes, and how many images they are of."""
        losses = self._objective(self.learning, lesson)
        if getattr(losses, "shape", None) != lesson.labels.shape or not losses.requires_grad:
            given = type(losses).__name__
            if isinstance(losses, Tensor):
                given = f"shape {tuple(losses.shape)}{'' if losses.requires_grad else ' without a gradient'}"
            raise LimenError(
                f"the objective returned {given} for {len(lesson.ids)} images; expected one loss per sample, "
                "with the gradient of the network's weights"
            )
        weighted = (losses * lesson.weights).sum()
        loss, count = self._team.total(torch.stack([weighted.detach(), lesson.weights.sum()])).tolist()
        if not math.isfinite(loss):
            raise LimenError(f"the loss became {loss} in epoch {epoch}; lower the learning rate")
        self.learning.optimizer.zero_grad()
        # The gradients of several processes are averaged, and their losses are shares of one mean.
        self._team.backward(weighted * (self._team.share.size / lesson.whole))
        if self._settings.clip is not None:
            self._team.clip(self._parameters, self._settings.clip)
        self.learning.optimizer.step()
        return loss, count
