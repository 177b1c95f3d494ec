"""What a network is trained for: the protocol of objectives, and the network as they see it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from torch import Tensor

from limen.classifier import Classifier
from limen.data import Dataset
from limen.training.reading import Lesson


class Learner(Protocol):
    """A network in training, as an objective sees it."""

    def __call__(self, images: Tensor) -> Tensor:
        """Logits (N, K) of images (N, C, H, W), differentiable in the weights, in the mode of training.

        Images need not lie in [0, 1]; the network's own normalisation follows.
        """
        ...

    def under_attack(self, mode: str = "eval") -> Classifier:
        """The network as a classifier, for attacks, in this mode and without a gradient of its weights."""
        ...

    def total(self, values: Tensor) -> Tensor:
        """The sum of a tensor over all processes; itself where there is one."""
        ...


class Objective(Protocol):
    """What training brings down.

    An objective that learns something itself, such as weights of groups, changes it in `__call__` and is
    `Stateful` as well. All that it draws comes from the lesson's seed and ids, so that a training that is
    resumed, or shared by several processes, goes on as if it were not.
    """

    def __call__(self, learner: Learner, lesson: Lesson) -> Tensor:
        """One loss per sample (N,), whose mean over the whole batch is brought down.

        Args:
            learner: The network.
            lesson: Images with labels, ids, groups, masks and weights.
        """
        ...


@runtime_checkable
class Stateful(Protocol):
    """An objective with a state of its own, which checkpoints keep."""

    def state_dict(self) -> Mapping[str, Tensor]:
        """The state as tensors."""
        ...

    def load_state_dict(self, state: Mapping[str, Tensor]) -> object:
        """Take the state of a checkpoint."""
        ...


@runtime_checkable
class Prepared(Protocol):
    """An objective that must know what is learned from, such as how large its groups are."""

    def prepare(self, train_set: Dataset) -> object:
        """Look at the training set, before the first step; called again where a training is resumed."""
        ...


@runtime_checkable
class Telling(Protocol):
    """An objective that says of its own state what people should see."""

    def figures(self) -> Mapping[str, float]:
        """Numbers by name, which every epoch keeps and the page shows as curves."""
        ...
