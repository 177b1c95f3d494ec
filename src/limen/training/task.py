"""What is trained on what, as specs, and what these name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from limen import catalog
from limen.classifier import Classifier
from limen.data import Dataset, numbered_as
from limen.errors import UsageError
from limen.models import last_layer, replace_last_layer
from limen.training.team import Team

Classes = Literal["data", "model"]
"""Whose classes the network tells apart."""


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
        classes: Whose classes: with `data`, those of the training set, and the last layer is exchanged where
            the model has another number of them; with `model`, labels are looked up among the model's.
        freeze: Whether only the last layer learns.
        dual: The spec of what estimates the dual after each epoch, `lagrangian:attack=SPEC`; None for none.
    """

    model: str
    test_set: str
    train_set: str | None = None
    objective: str = "cross_entropy"
    validate: str | None = None
    validate_count: int = 256
    classes: Classes = "data"
    freeze: bool = False
    dual: str | None = None

    def datasets(self) -> tuple[Dataset, Dataset]:
        """The training set and the test set.

        Raises:
            UsageError: If a spec cannot be followed, or names photographs without labels.
            LimenError: If what it names cannot be read.
        """
        test_set = _labelled(self.test_set)
        if self.train_set is not None:
            return _labelled(self.train_set), test_set
        try:
            return _labelled(f"{self.test_set},split=train"), test_set
        except UsageError as error:
            raise UsageError(f"{error}. Name the data to learn from by train_set (--train-data)") from error

    def classifier(self, train_set: Dataset, seed: int, team: Team) -> Classifier:
        """The network before the first step, with the classes asked for.

        Its weights are random where none are named.

        Raises:
            UsageError: If the spec cannot be followed, or the last layer cannot be exchanged.
        """
        request = catalog.MODELS.read(self.model)
        untrained = request.entry.name == "demo" and "weights" not in request.keywords
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            spec = f"{self.model},weights=random" if untrained else self.model
            classifier = catalog.model(spec, str(team.device))
            names = train_set.class_names
            if self.classes == "data" and names is not None:
                replace_last_layer(classifier.module, len(names))
                classifier.class_names = names
        if self.freeze:
            classifier.module.requires_grad_(False)
            last_layer(classifier.module)[1].requires_grad_(True)
        return classifier

    def numbered(self, datasets: tuple[Dataset, Dataset], classifier: Classifier) -> tuple[Dataset, Dataset]:
        """The training set and the test set with the numbers that the network gives their classes.

        Raises:
            DataError: If a class of theirs is none of the network's.
        """
        train_set, test_set = datasets
        names = classifier.class_names if self.classes == "model" else train_set.class_names
        return numbered_as(train_set, names), numbered_as(test_set, names)


def _labelled(spec: str) -> Dataset:
    dataset = catalog.data(spec)
    if dataset.photographs is not None:
        raise UsageError(
            f"{spec}: photographs of images: have no labels to learn; put them into one folder a class, and "
            "name these by folder:PATH"
        )
    return dataset
