"""The training loop: deterministic, resumable after any step, for any objective and number of processes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from limen.analysis.surrogate import Dual
from limen.classifier import Classifier
from limen.data import Dataset, held
from limen.training.checkpoint import Checkpoint, make_folder
from limen.training.course import Clock, Course, Place, Stepper
from limen.training.dual import Lagrangian
from limen.training.objective import Objective, Prepared
from limen.training.objectives import CrossEntropy
from limen.training.reading import OnSkip
from limen.training.settings import Epoch, Settings, Step
from limen.training.team import Team, assemble
from limen.training.validation import Validation

Listener = Callable[[Step | Epoch, tuple[Epoch, ...]], None]
"""Called after every step, and after every epoch, with what it came to and the epochs that are finished."""


def train(
    classifier: Classifier,
    train_set: Dataset,
    test_set: Dataset,
    settings: Settings,
    *,
    objective: Objective | None = None,
    validation: Validation | None = None,
    dual: Lagrangian | None = None,
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
        dual: What estimates the dual after every epoch, in the process that leads.
        checkpoint: A file to keep the state in, after every epoch, and to go on from if it is there.
        every: Seconds after which the state is kept within an epoch, too.
        keep: Called with every epoch, and all up to it, before the state is kept: what it writes is not
            lost.
        listen: Called after every step and epoch; like `keep`, by the process that leads alone.
        on_skip: Called with the name of an image that cannot be used and the reason; if None, such an
            image ends the training.
        workers: How many processes read and decode images ahead; with 0, this one does.
        team: The processes that train together; if None, what `assemble` finds.

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
    team = assemble(classifier.device, settings.precision) if team is None else team
    objective = CrossEntropy() if objective is None else objective
    train_set, test_set = held(train_set, fixed=settings.fixed), held(test_set, fixed=True)
    if isinstance(objective, Prepared):
        objective.prepare(train_set)
    course = Course(
        classifier, train_set, test_set, settings, objective, validation, dual, on_skip, workers, team
    )
    stepper = Stepper(classifier, settings, objective, team)
    kept = None
    if checkpoint is not None:
        make_folder(checkpoint.parent)
        kept = Checkpoint(checkpoint, course.conditions(), stepper.states())
    place, history = _resumed(kept)
    if not team.leads:
        kept, listen, keep = None, None, None
    tell, note = listen or _untold, keep or _untold
    while place.epoch <= settings.epochs:
        clock = Clock(place.seconds, every)
        with stepper.learning.training():
            plan = course.plan(place.epoch, stepper.augment)
            for reached, step, _ in stepper.steps(place, plan, workers, on_skip):
                place = replace(reached, seconds=clock.seconds)
                tell(step, history)
                if step.number < step.steps and clock.is_due():
                    _save(kept, place, history)
        epoch = replace(course.measure(place), seconds=clock.seconds)
        place, history = Place(place.epoch + 1), (*history, epoch)
        note(epoch, history)
        _save(kept, place, history)
        tell(epoch, history)
    return history


def _resumed(kept: Checkpoint | None) -> tuple[Place, tuple[Epoch, ...]]:
    """Where a checkpoint left the training, if there is one."""
    if kept is None or not kept.path.exists():
        return Place(), ()
    place, epochs = kept.read()
    return Place(**place), tuple(epoch_of(each) for each in epochs)


def epoch_of(told: Mapping[str, Any]) -> Epoch:
    """An epoch, from what `dataclasses.asdict` made of one."""
    dual = told.get("dual")
    values: dict[str, Any] = {**told, "dual": None if dual is None else Dual(**dual)}
    return Epoch(**values)


def _save(kept: Checkpoint | None, place: Place, history: tuple[Epoch, ...]) -> None:
    if kept is not None:
        kept.write(asdict(place), [asdict(each) for each in history])


def _untold(event: Step | Epoch, history: tuple[Epoch, ...]) -> None:
    """What nobody listens to."""
