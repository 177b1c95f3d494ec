"""The training loop: deterministic, resumable after any step, for any objective and number of processes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from limen.classifier import Classifier, check_labels
from limen.data import Dataset
from limen.errors import LimenError, UsageError
from limen.identity import identify
from limen.seeds import sample_seeds
from limen.training.augmentation import augmentations
from limen.training.checkpoint import Checkpoint, make_folder
from limen.training.learner import Learning
from limen.training.objective import Objective
from limen.training.objectives import CrossEntropy
from limen.training.optimization import OPTIMIZERS, SCHEDULES
from limen.training.reading import Lesson, OnSkip, Plan, read
from limen.training.settings import Epoch, Settings, Step
from limen.training.team import Team
from limen.training.validation import Validation, accuracy, robust_accuracy

Listener = Callable[[Step | Epoch, tuple[Epoch, ...]], None]
"""Called after every step, and after every epoch, with what it came to and the epochs that are finished."""


@dataclass(frozen=True)
class Place:
    """Where a training is.

    Attributes:
        epoch: The epoch under way, from 1.
        step: How many of its steps are done.
        loss: The sum of its images' losses so far.
        count: How many images these are.
        seconds: What it has taken so far.
    """

    epoch: int = 1
    step: int = 0
    loss: float = 0.0
    count: float = 0.0
    seconds: float = 0.0


def train(
    classifier: Classifier,
    train_set: Dataset,
    test_set: Dataset,
    settings: Settings,
    *,
    objective: Objective | None = None,
    validation: Validation | None = None,
    checkpoint: Path | None = None,
    every: float = math.inf,
    keep: Callable[[Epoch, tuple[Epoch, ...]], None] | None = None,
    listen: Listener | None = None,
    on_skip: OnSkip | None = None,
    workers: int = 0,
    team: Team | None = None,
) -> tuple[Epoch, ...]:
    """Train a classifier's network in place.

    The same initial weights, data, objective and settings give the same final weights on the same machine and
    number of threads, whatever the number of workers, the state of torch's global generator, which is left as
    it was, and how often the training was interrupted.

    Args:
        classifier: What learns, on the device to train on; parameters that need no gradient stay as they are.
        train_set: Images to learn from; one that draws its samples draws them anew in every epoch.
        test_set: Images to measure accuracy on after every epoch; nothing is learned from them.
        settings: Numbers, optimizer, schedule, augmentation and seed.
        objective: What to bring down; the cross-entropy if None.
        validation: An attack to measure robust accuracy by after every epoch.
        checkpoint: A file to keep the state in, after every epoch, and to go on from if it is there.
        every: Seconds after which the state is kept within an epoch, too.
        keep: Called with every epoch, and all up to it, before the state is kept: what it writes is not
            lost.
        listen: Called after every step and epoch; like `keep`, by the process that leads alone.
        on_skip: Called with the name of an image that cannot be used and the reason; if None, such an
            image ends the training.
        workers: How many processes read and decode images ahead; with 0, this one does.
        team: The processes that train together; this one alone if None.

    Returns:
        What each epoch came to, those before an interruption included.

    Raises:
        UsageError: If `checkpoint` was written under other settings, or a label is none of the classes.
        LimenError: If `checkpoint` cannot be read or written, an image cannot be used, or the loss is
            no longer finite.

    Example:
        >>> from torch import nn
        >>> from limen.data import demo
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 10))
        >>> digits = demo("digits", split="train", count=64)
        >>> history = train(Classifier(net), digits, digits, Settings(epochs=5))
        >>> history[-1].accuracy > 0.5
        True
    """
    team = Team(classifier.device) if team is None else team
    objective = CrossEntropy() if objective is None else objective
    course = _Course(classifier, train_set, settings, objective, team)
    kept = None
    if checkpoint is not None:
        make_folder(checkpoint.parent)
        conditions = _conditions(train_set, test_set, settings, objective, validation)
        kept = Checkpoint(checkpoint, conditions, course.states())
    place, history = Place(), ()
    if kept is not None and kept.path.exists():
        before, epochs = kept.read()
        place, history = Place(**before), tuple(Epoch(**each) for each in epochs)

    def save(place: Place, history: tuple[Epoch, ...]) -> None:
        if kept is not None and team.leads:
            kept.write(asdict(place), [asdict(each) for each in history])

    while place.epoch <= settings.epochs:
        start = saved = time.perf_counter()
        with course.learning.training():
            for reached, step in course.steps(place, workers, on_skip):
                place = reached
                if listen is not None and team.leads:
                    listen(step, history)
                if time.perf_counter() - saved >= every and step.number < step.steps:
                    saved = time.perf_counter()
                    save(replace(place, seconds=place.seconds + saved - start), history)
        if place.count == 0:
            raise LimenError(f"{train_set.spec}: none of the images can be used")
        measured = settings.batch_size, on_skip, workers, team
        epoch = Epoch(
            place.epoch,
            place.loss / place.count,
            accuracy(classifier, test_set, *measured),
            None if validation is None else robust_accuracy(classifier, test_set, validation, *measured),
            course.rate,
            place.seconds + time.perf_counter() - start,
        )
        history = (*history, epoch)
        place = Place(place.epoch + 1)
        if keep is not None and team.leads:
            keep(epoch, history)
        save(place, history)
        if listen is not None and team.leads:
            listen(epoch, history)
    return history


class _Course:
    """What a training's steps are taken with."""

    def __init__(
        self,
        classifier: Classifier,
        train_set: Dataset,
        settings: Settings,
        objective: Objective,
        team: Team,
    ) -> None:
        self.train_set, self.settings, self.objective, self.team = train_set, settings, objective, team
        self.parameters = [each for each in classifier.module.parameters() if each.requires_grad]
        if not self.parameters:
            raise UsageError("the network has no parameter that could learn")
        self.optimizer = OPTIMIZERS.make(settings.optimizer)(self.parameters)
        self.peaks = [group["lr"] for group in self.optimizer.param_groups]
        self.schedule = SCHEDULES.make(settings.schedule)
        self.augment = tuple(augmentations(settings.augment))
        self.classes = _classes(classifier, train_set)
        self.classifier, self.rate = classifier, 0.0
        self.learning = Learning(classifier, team, self.optimizer)

    def states(self) -> dict[str, Any]:
        """Everything that a step changes."""
        return {
            "module": self.classifier.module,
            "optimizer": self.optimizer,
            "team": self.team,
            "objective": self.objective,
        }

    def steps(self, place: Place, workers: int, on_skip: OnSkip | None) -> Iterator[tuple[Place, Step]]:
        """Take the steps that an epoch has left; yield where training then is, and what each came to."""
        seed = self.settings.epoch_seed(place.epoch)
        plan = Plan.of_epoch(self.train_set, seed, self.settings.batch_size, self.team.share, self.augment)
        for number, lesson in read(plan, place.step, workers, on_skip):
            check_labels(lesson.labels, lesson.images, self.classes)
            self._set_rate((place.epoch - 1) * len(plan) + number, self.settings.epochs * len(plan))
            (drawn,) = sample_seeds(seed, [f"step {number} of process {self.team.share.rank}"]).tolist()
            torch.manual_seed(drawn)
            loss, count = self._step(lesson.to(self.classifier.device), place.epoch)
            place = replace(place, step=number + 1, loss=place.loss + loss, count=place.count + count)
            yield place, Step(place.epoch, number + 1, len(plan), loss / max(count, 1), self.rate)

    def _set_rate(self, step: int, total: int) -> None:
        factor = self.schedule(step, total)
        for group, peak in zip(self.optimizer.param_groups, self.peaks, strict=True):
            group["lr"] = factor * peak
        self.rate = factor * self.peaks[0]

    def _step(self, lesson: Lesson, epoch: int) -> tuple[float, float]:
        """One step; returns the sum of the losses over all processes, and how many images they are of."""
        losses = self.objective(self.learning, lesson)
        if losses.shape != lesson.labels.shape:
            raise LimenError(
                f"the objective returned shape {tuple(losses.shape)} for {len(lesson.ids)} images; "
                "expected one loss per sample"
            )
        weighted = (losses * lesson.weights).sum()
        sums = torch.stack([weighted.detach(), lesson.weights.sum()])
        loss, count = self.team.total(sums).tolist()
        if not math.isfinite(loss):
            raise LimenError(f"the loss became {loss} in epoch {epoch}; lower the learning rate")
        self.learning.optimizer.zero_grad()
        # The gradients of several processes are averaged, and their losses are shares of one mean.
        self.team.backward(weighted * (self.team.share.size / lesson.whole))
        if self.settings.clip is not None:
            self.team.clip(self.parameters, self.settings.clip)
        self.learning.optimizer.step()
        return loss, count


def _classes(classifier: Classifier, train_set: Dataset) -> int:
    """How many classes the network has; one for other images fails here, with a clear error."""
    image: Tensor = train_set.load(0).image
    with torch.no_grad():
        return classifier(image[None].to(classifier.device)).shape[1]


def _conditions(
    train_set: Dataset,
    test_set: Dataset,
    settings: Settings,
    objective: Objective,
    validation: Validation | None,
) -> dict[str, Any]:
    """What must be the same for a training to go on."""
    return {
        **asdict(settings),
        "objective": identify(objective).label,
        "train_set": train_set.spec,
        "data": train_set.fingerprint(),
        "test_set": test_set.spec,
        "validation": None if validation is None else identify(validation).label,
    }
