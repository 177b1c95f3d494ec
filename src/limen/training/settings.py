"""What decides what a training arrives at, and what it says of itself on the way."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from limen.analysis.surrogate import Dual
from limen.errors import UnknownNameError, UsageError
from limen.training.augmentation import augmentations
from limen.training.optimization import OPTIMIZERS, SCHEDULES
from limen.training.sampling import SAMPLINGS

_FAR_APART = 1_000_003  # so that the epochs of two seeds have no draw in common

Precision = Literal["full", "bf16", "fp16"]
"""In what the network computes: single precision, or half of it where torch's autocast finds that safe."""


@dataclass(frozen=True)
class Settings:
    """What decides, with the data, the objective and the initial weights, what training arrives at.

    Attributes:
        epochs: Passes over the training set.
        batch_size: Images a step, over all processes together.
        optimizer: The spec of one of `OPTIMIZERS`, with its peak learning rate.
        schedule: The spec of one of `SCHEDULES`: the share of the peak at each step.
        augment: The specs of `AUGMENTATIONS`, or chains of them, in their order.
        clip: The greatest L2 norm of a step's gradient; None for no bound.
        precision: What the network computes in; for less than full, accelerate is needed.
        seed: Of the order of the images, of augmentation, of dropout, and of what an objective draws.
        sampling: The spec of one of `SAMPLINGS`: which samples an epoch has; None for each once, or for as
            many draws by the data's weights, where it has some.
        fixed: Whether a set that draws its samples at random stays as it is, instead of drawing new ones
            for each epoch.

    Raises:
        UsageError: If a number is out of range, or a spec cannot be followed.
    """

    epochs: int
    batch_size: int = 32
    optimizer: str = "adamw"
    schedule: str = "one_cycle"
    augment: tuple[str, ...] = ()
    clip: float | None = None
    precision: Precision = "full"
    seed: int = 0
    sampling: str | None = None
    fixed: bool = False

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "clip"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise UsageError(f"{name} must be positive, not {value}")
        if not 0 <= self.seed < 2**32:
            raise UsageError(f"seed must be from 0 to 2**32 - 1, not {self.seed}")
        if self.precision not in get_args(Precision):
            raise UnknownNameError("precision", str(self.precision), get_args(Precision))
        OPTIMIZERS.make(self.optimizer)
        SCHEDULES.make(self.schedule)
        augmentations(self.augment)
        if self.sampling is not None:
            SAMPLINGS.make(self.sampling)

    def epoch_seed(self, number: int) -> int:
        """What all random numbers of an epoch are made from, so that resuming needs no generator's state.

        Example:
            >>> Settings(epochs=2).epoch_seed(1) != Settings(epochs=2).epoch_seed(2)
            True
        """
        # Not shifted by 32 bits: torch's generator on the CPU takes no more than the lowest 32.
        return (self.seed * _FAR_APART + number) % 2**32


@dataclass(frozen=True)
class Step:
    """What one step came to.

    Attributes:
        epoch: Which epoch it is of, from 1.
        number: From 1.
        steps: How many the epoch has.
        loss: The mean over its images, before the step.
        learning_rate: Of the step.
    """

    epoch: int
    number: int
    steps: int
    loss: float
    learning_rate: float


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to.

    Attributes:
        number: From 1.
        loss: The mean over the epoch's images, each measured before the step it was part of.
        accuracy: On the test set afterwards, in [0, 1].
        robust_accuracy: The share of the validated images that are classified correctly and withstand the
            validating attack; None without one.
        learning_rate: Of the last step.
        seconds: Time taken.
        figures: What the objective says of its own state, such as the weights of groups.
        dual: The dual of the network afterwards; None where none was asked for.
    """

    number: int
    loss: float
    accuracy: float
    robust_accuracy: float | None
    learning_rate: float
    seconds: float
    figures: Mapping[str, float] = field(default_factory=dict)
    dual: Dual | None = None
