"""From specs to a file of weights that a model spec can name."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

import limen
from limen import catalog
from limen.classifier import Classifier
from limen.data import Dataset, numbered_as
from limen.errors import UsageError
from limen.identity import identify
from limen.models import last_layer, replace_last_layer
from limen.training.checkpoint import write_weights
from limen.training.loop import Listener, train
from limen.training.objectives import OBJECTIVES
from limen.training.reading import OnSkip
from limen.training.settings import Epoch, Settings
from limen.training.team import Team
from limen.training.validation import Validation

DEFAULTS = {"demo:photos": Settings(epochs=10), "demo:digits": Settings(epochs=15)}
"""The settings that the shipped weights were trained with, by the model's spec."""

Classes = Literal["data", "model"]
"""Whose classes the network tells apart."""


@dataclass(frozen=True)
class Files:
    """The files of a training.

    Attributes:
        out: The weights after the last epoch, as safetensors.

    Raises:
        UsageError: If the weights' file has another suffix.

    Example:
        >>> Files(Path("net.safetensors")).best.name
        'net.best.safetensors'
    """

    out: Path

    def __post_init__(self) -> None:
        if self.out.suffix != ".safetensors":
            raise UsageError(f"{self.out}: weights are written as .safetensors; give the file that suffix")

    @property
    def best(self) -> Path:
        """The weights after the epoch of greatest robust accuracy."""
        return self.out.with_suffix(".best.safetensors")

    @property
    def checkpoint(self) -> Path:
        """What a training that was interrupted goes on from."""
        return self.out.with_name(f"{self.out.name}.checkpoint")

    @property
    def page(self) -> Path:
        """The page with the curves."""
        return self.out.with_suffix(".html")


@dataclass(frozen=True)
class Task:
    """What is trained on what, for what: specs, and what they name is made when it is needed.

    Attributes:
        model: The spec of a model. One of `demo:` starts from random weights unless its spec names a file;
            others start from their own, or with `weights=random` from none.
        test_set: The spec of the data to measure on.
        train_set: The spec of the data to learn from; None for the split `train` of the other.
        objective: The spec of what is brought down.
        validate: The spec of an attack to judge each epoch by; None for no attack.
        validate_count: How many images of the test set are attacked.
        classes: Whose classes: with `data`, the last layer is exchanged where the data has another number of
            classes than the model; with `model`, labels are looked up among the model's.
        freeze: Whether only the last layer learns.
    """

    model: str
    test_set: str
    train_set: str | None = None
    objective: str = "cross_entropy"
    validate: str | None = None
    validate_count: int = 256
    classes: Classes = "data"
    freeze: bool = False


def train_network(
    task: Task,
    out: Path,
    settings: Settings | None = None,
    *,
    every: float = 600.0,
    listen: Listener | None = None,
    on_skip: OnSkip | None = None,
    workers: int = 0,
    team: Team | None = None,
) -> tuple[Epoch, ...]:
    """Train a network and write it to a file for `weights=`.

    An interrupted training goes on from `OUT.checkpoint`, which is removed at the end. With a validating
    attack, the weights of the epoch of greatest robust accuracy are written too, as `Files.best`.

    Args:
        task: What is trained on what.
        out: The safetensors file to write.
        settings: Numbers; None for the model's in `DEFAULTS`, or 20 epochs.
        every: Seconds between two checkpoints within an epoch.
        listen: As of `train`.
        on_skip: As of `train`.
        workers: As of `train`.
        team: As of `train`.

    Returns:
        What each epoch came to.

    Raises:
        UsageError: If a spec or number is wrong, `out` has another suffix, or an interrupted training had
            other settings.
        LimenError: If the network does not fit the images, or a file cannot be read or written.
    """
    files, team = Files(out), Team() if team is None else team
    settings = settings_for(task.model) if settings is None else settings
    objective = OBJECTIVES.make(task.objective)
    validation = (
        None if task.validate is None else Validation(catalog.attack(task.validate), task.validate_count)
    )
    train_set, test_set = _data(task)
    classifier = _prepared(task, train_set, settings.seed, team)
    if task.classes == "model":
        train_set, test_set = (numbered_as(each, classifier.class_names) for each in (train_set, test_set))
    told = {
        "model": task.model,
        "data": train_set.spec,
        "objective": task.objective,
        "settings": json.dumps(dataclasses.asdict(settings)),
        "limen": limen.__version__,
    }
    if classifier.class_names is not None:
        told["class_names"] = json.dumps(classifier.class_names)
    if validation is not None:
        told["validation"] = identify(validation.attack).label

    def keep(epoch: Epoch, history: tuple[Epoch, ...]) -> None:
        if validation is not None and best(history) == epoch:
            write_weights(files.best, classifier.module, {**told, **_figures(epoch)})

    history = train(
        classifier,
        train_set,
        test_set,
        settings,
        objective=objective,
        validation=validation,
        checkpoint=files.checkpoint,
        every=every,
        keep=keep,
        listen=listen,
        on_skip=on_skip,
        workers=workers,
        team=team,
    )
    if team.leads:
        write_weights(out, classifier.module, {**told, **_figures(history[-1])})
        files.checkpoint.unlink(missing_ok=True)
    return history


def settings_for(model: str) -> Settings:
    """The settings that a model is trained with if nothing else is said."""
    return DEFAULTS.get(model, Settings(epochs=20))


def best(history: tuple[Epoch, ...]) -> Epoch:
    """The first epoch of greatest robust accuracy, or of greatest accuracy where none was validated."""

    def worth(epoch: Epoch) -> float:
        return epoch.accuracy if epoch.robust_accuracy is None else epoch.robust_accuracy

    return max(history, key=worth)


def _data(task: Task) -> tuple[Dataset, Dataset]:
    test_set = catalog.data(task.test_set)
    if task.train_set is not None:
        return catalog.data(task.train_set), test_set
    try:
        return catalog.data(f"{task.test_set},split=train"), test_set
    except UsageError as error:
        raise UsageError(f"{error}. Name the data to learn from by train_set") from error


def _prepared(task: Task, train_set: Dataset, seed: int, team: Team) -> Classifier:
    """The classifier to train, with random weights where none are named, and the classes asked for."""
    request = catalog.MODELS.read(task.model)
    untrained = request.entry.name == "demo" and "weights" not in request.keywords
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        spec = f"{task.model},weights=random" if untrained else task.model
        classifier = catalog.model(spec, str(team.device))
        names = train_set.class_names
        if task.classes == "data" and names is not None:
            replace_last_layer(classifier.module, len(names))
            classifier.class_names = names
    if task.freeze:
        classifier.module.requires_grad_(False)
        last_layer(classifier.module)[1].requires_grad_(True)
    return classifier


def _figures(epoch: Epoch) -> dict[str, str]:
    told = {"epoch": str(epoch.number), "accuracy": f"{epoch.accuracy:.4f}"}
    if epoch.robust_accuracy is not None:
        told["robust_accuracy"] = f"{epoch.robust_accuracy:.4f}"
    return told
