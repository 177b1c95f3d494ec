"""From specs to a file of weights that a model spec can name."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

import limen
from limen import catalog
from limen.data import Dataset
from limen.errors import UsageError
from limen.identity import identify
from limen.training.checkpoint import write_weights
from limen.training.dual import DUALS
from limen.training.loop import Listener, train
from limen.training.objectives import OBJECTIVES
from limen.training.reading import OnSkip
from limen.training.settings import Epoch, Settings
from limen.training.task import Task
from limen.training.team import Team, assemble
from limen.training.validation import Validation

EPOCHS = {"demo:photos": 10, "demo:digits": 15}
"""How many epochs the shipped weights were trained for, by the model's spec."""


@dataclass(frozen=True)
class Files:
    """The files of a training.

    Attributes:
        out: The weights after the last epoch.

    Raises:
        UsageError: If `out` has another suffix than `.safetensors`.

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
    datasets: tuple[Dataset, Dataset] | None = None,
) -> tuple[Epoch, ...]:
    """Train a network and write it to a file for `weights=`.

    An interrupted training goes on from `OUT.checkpoint`, which is removed at the end. With a validating
    attack, the weights of the epoch of greatest robust accuracy are written too, as `Files.best`.

    Args:
        task: What is trained on what.
        out: The safetensors file to write.
        settings: Numbers; None for `settings_for` the model.
        every: Seconds between two checkpoints within an epoch.
        listen: As of `train`.
        on_skip: As of `train`.
        workers: As of `train`.
        team: As of `train`.
        datasets: The training set and the test set of the task, where they are at hand.

    Returns:
        What each epoch came to.

    Raises:
        UsageError: If a spec or number is wrong, `out` has another suffix, or an interrupted training had
            other settings.
        LimenError: If the network does not fit the images, or a file cannot be read or written.
    """
    files = Files(out)
    settings = settings_for(task.model) if settings is None else settings
    team = assemble(precision=settings.precision) if team is None else team
    objective = OBJECTIVES.make(task.objective)
    validation = None
    if task.validate is not None:
        validation = Validation(catalog.attack(task.validate), task.validate_count)
    dual = None if task.dual is None else DUALS.make(task.dual)
    train_set, test_set = task.datasets() if datasets is None else datasets
    classifier = task.classifier(train_set, settings.seed, team)
    told = {**metadata_of(task, settings, train_set), "limen": limen.__version__}
    train_set, test_set = task.numbered((train_set, test_set), classifier)
    if classifier.class_names is not None:
        told["class_names"] = json.dumps(classifier.class_names)

    def keep(epoch: Epoch, history: tuple[Epoch, ...]) -> None:
        if validation is not None and best(history) == epoch:
            write_weights(files.best, classifier.module, {**told, **_figures(history, epoch)})

    history = train(
        classifier,
        train_set,
        test_set,
        settings,
        objective=objective,
        validation=validation,
        dual=dual,
        checkpoint=files.checkpoint,
        every=every,
        keep=keep,
        listen=listen,
        on_skip=on_skip,
        workers=workers,
        team=team,
    )
    if team.leads:
        write_weights(out, classifier.module, {**told, **_figures(history, history[-1])})
        files.checkpoint.unlink(missing_ok=True)
    return history


def metadata_of(task: Task, settings: Settings, train_set: Dataset) -> dict[str, str]:
    """What a file of weights says of how they came to be, so that others can be told from them."""
    told = {
        "model": task.model,
        "data": train_set.spec,
        "fingerprint": train_set.fingerprint(),
        "test_data": task.test_set,
        "objective": task.objective,
        "settings": json.dumps(dataclasses.asdict(settings)),
        "classes": task.classes,
        "freeze": str(task.freeze),
    }
    if task.dual is not None:
        told["dual"] = task.dual
    if task.validate is not None:
        told["validation"] = identify(catalog.attack(task.validate)).label
    return told


def settings_for(model: str) -> Settings:
    """The settings that a model is trained with if nothing else is said."""
    return Settings(epochs=EPOCHS.get(model, 20))


def best(history: tuple[Epoch, ...]) -> Epoch:
    """The first epoch of greatest robust accuracy, or of greatest accuracy where none was validated."""

    def worth(epoch: Epoch) -> float:
        return epoch.accuracy if epoch.robust_accuracy is None else epoch.robust_accuracy

    return max(history, key=worth)


def _figures(history: tuple[Epoch, ...], epoch: Epoch) -> dict[str, str]:
    told = {"epoch": str(epoch.number), "accuracy": f"{epoch.accuracy:.4f}"}
    if epoch.robust_accuracy is not None:
        told["robust_accuracy"] = f"{epoch.robust_accuracy:.4f}"
    return {**told, "history": json.dumps([dataclasses.asdict(each) for each in history])}
