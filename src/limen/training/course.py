"""One training: what its steps are taken with, and how its epochs are measured."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from limen.classifier import Classifier, check_labels
from limen.data import Dataset
from limen.errors import LimenError, UsageError
from limen.identity import identify
from limen.seeds import sample_seeds
from limen.training.augmentation import augmentations
from limen.training.learner import Learning
from limen.training.objective import Objective
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


@dataclass(frozen=True)
class Course:
    """What is trained on what, for what, and by whom; its attributes are arguments of `train`."""

    classifier: Classifier
    train_set: Dataset
    test_set: Dataset
    settings: Settings
    objective: Objective
    validation: Validation | None
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
        return Epoch(
            place.epoch,
            place.loss / place.count,
            accuracy(self.classifier, self.test_set, *how),
            None if judged is None else robust_accuracy(self.classifier, self.test_set, judged, *how),
            place.rate,
            place.seconds,
        )


class Stepper:
    """What takes a course's steps: the optimizer, the schedule, and the network as objectives see it.

    Raises:
        UsageError: If the network has nothing to learn.
    """

    def __init__(self, course: Course) -> None:
        self._course, self._settings, self._team = course, course.settings, course.team
        parameters = course.classifier.module.parameters()
        self._parameters = [each for each in parameters if each.requires_grad]
        if not self._parameters:
            raise UsageError("the network has no parameter that could learn")
        self._optimizer = OPTIMIZERS.make(self._settings.optimizer)(self._parameters)
        self._peaks = [group["lr"] for group in self._optimizer.param_groups]
        self._schedule = SCHEDULES.make(self._settings.schedule)
        self._augment = tuple(augmentations(self._settings.augment))
        self._classes: int | None = None
        self.learning = Learning(course.classifier, course.team, self._optimizer)

    def states(self) -> dict[str, Any]:
        """Everything that a step changes."""
        return {
            "module": self._course.classifier.module,
            "optimizer": self._optimizer,
            "team": self._team,
            "objective": self._course.objective,
        }

    def steps(self, place: Place) -> Iterator[tuple[Place, Step]]:
        """Take the steps that an epoch has left; yield where training then is, and what each came to."""
        course, size, share = self._course, self._settings.batch_size, self._team.share
        seed = self._settings.epoch_seed(place.epoch)
        plan = Plan.of_epoch(course.train_set, seed, size, share, self._augment)
        for number, lesson in read(plan, place.step, course.workers, course.on_skip):
            self._check(lesson)
            rate = self._set_rate((place.epoch - 1) * len(plan) + number, self._settings.epochs * len(plan))
            (drawn,) = sample_seeds(seed, [f"step {number} of process {share.rank}"]).tolist()
            torch.manual_seed(drawn)
            loss, count = self._step(
                lesson.to(course.classifier.device, course.classifier.dtype), place.epoch
            )
            place = replace(
                place, step=number + 1, loss=place.loss + loss, count=place.count + count, rate=rate
            )
            yield place, Step(place.epoch, number + 1, len(plan), loss / max(count, 1), rate)

    def _check(self, lesson: Lesson) -> None:
        """Refuse labels of no class; the first lesson tells how many classes, and whether its images fit."""
        if self._classes is None:
            classifier = self._course.classifier
            with torch.no_grad():
                images = lesson.to(classifier.device, classifier.dtype).images[:1]
                self._classes = classifier(images).shape[1]
        check_labels(lesson.labels, lesson.images, self._classes)

    def _set_rate(self, step: int, total: int) -> float:
        factor = self._schedule(step, total)
        for group, peak in zip(self._optimizer.param_groups, self._peaks, strict=True):
            group["lr"] = factor * peak
        return factor * self._peaks[0]

    def _step(self, lesson: Lesson, epoch: int) -> tuple[float, float]:
        """One step; returns the sum of the losses over all processes, and how many images they are of."""
        losses = self._course.objective(self.learning, lesson)
        if losses.shape != lesson.labels.shape:
            raise LimenError(
                f"the objective returned shape {tuple(losses.shape)} for {len(lesson.ids)} images; "
                "expected one loss per sample"
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
