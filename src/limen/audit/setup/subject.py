"""What set-up checks look at: a model, some labelled images, and what the model says of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from limen.classifier import Classifier
from limen.data import Dataset, batches
from limen.defenses import Adaptive, defenses_of
from limen.errors import UsageError
from limen.evaluation.cleans import as_stored, logits_of, right_labels
from limen.images import to_uint8


@dataclass(frozen=True, eq=False)
class Subject:
    """A model and N images as their files hold them, before any attack.

    Attributes:
        classifier: The model under test.
        dataset: The data that the images are of.
        ids: The names of the images.
        images: The images, (N, C, H, W), where the model is.
        labels: What they are, (N,), on the CPU; of several right classes, the one that the model names.
        logits: What the model says of them, (N, K), float64, on the CPU.
    """

    classifier: Classifier
    dataset: Dataset
    ids: tuple[str, ...]
    images: Tensor
    labels: Tensor
    logits: Tensor

    @property
    def labelled(self) -> bool:
        """Whether the data has labels of its own; if not, they are what the model says."""
        return self.dataset.photographs is None

    @cached_property
    def predictions(self) -> np.ndarray:
        """The class that the model names, (N,)."""
        return self.logits.argmax(1).numpy()

    @cached_property
    def right(self) -> np.ndarray:
        """Which images it has right, (N,) bool."""
        return self.predictions == self.labels.numpy()

    @property
    def classes(self) -> int:
        """How many classes the model knows."""
        return self.logits.shape[1]

    @cached_property
    def attacked(self) -> Classifier:
        """The model as attacks are given it: with a gradient through its defences, or around them."""
        return Adaptive(self.classifier) if defenses_of(self.classifier) else self.classifier

    def first_right(self, count: int) -> tuple[Tensor, Tensor]:
        """The first images that the model has right, at most so many, with their labels."""
        places = np.flatnonzero(self.right)[:count].tolist()
        return self.images[places], self.labels[places].to(self.images.device)

    def called(self, number: int) -> str:
        """A class for people: its number, and its name where it is known."""
        names = self.classifier.class_names
        return f"{number} ({names[number]})" if names and 0 <= number < len(names) else str(number)


def subject_of(classifier: Classifier, dataset: Dataset, places: Sequence[int], batch_size: int) -> Subject:
    """Read images and ask the model about them.

    Args:
        classifier: The model.
        dataset: The data, whose labels are the model's numbers.
        places: Which images; those that cannot be read are left out.
        batch_size: How many to ask about side by side.

    Raises:
        UsageError: If no image can be read.
        LimenError: If the model cannot answer.
    """
    skipped: list[str] = []
    ids: list[str] = []
    images, labels, logits = [], [], []
    for batch in batches(dataset, places, batch_size, lambda _, reason: skipped.append(reason)):
        ids += batch.ids
        images.append(as_stored(to_uint8(batch.images), classifier))
        logits.append(logits_of(classifier, images[-1]).cpu())
        labels += right_labels(batch, logits[-1].argmax(1).tolist())
    if not images:
        raise UsageError(f"{dataset.spec}: no image can be read ({skipped[0] if skipped else 'it is empty'})")
    return Subject(
        classifier, dataset, tuple(ids), torch.cat(images), torch.tensor(labels), torch.cat(logits)
    )
