"""The training loop: deterministic, resumable after every epoch, for any loss."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy as mean_cross_entropy

from limen.classifier import Classifier
from limen.data import Batch, Dataset, batches
from limen.errors import LimenError, UsageError
from limen.training.checkpoint import make_folder, read_checkpoint, write_checkpoint

_FAR_APART = 1_000_003  # so that the epochs of two seeds have no draw in common

Loss = Callable[[nn.Module, Tensor, Tensor], Tensor]
"""From the network, images (N, C, H, W) and labels (N,) to a number to bring down."""


@dataclass(frozen=True)
class Settings:
    """What decides, with the data and the initial weights, what training arrives at.

    Attributes:
        epochs: Passes over the training set.
        batch_size: Images a step.
        learning_rate: At its peak, which is reached after a tenth of the steps.
        weight_decay: Of AdamW.
        seed: Of the order of the images, of the views drawn, and of dropout.

    Raises:
        UsageError: If a number is out of range.
    """

    epochs: int
    batch_size: int = 32
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "learning_rate"):
            if not 0 < getattr(self, name) < math.inf:
                raise UsageError(f"{name} must be positive, not {getattr(self, name)}")
        if not 0 <= self.seed < 2**32:
            raise UsageError(f"seed must be from 0 to 2**32 - 1, not {self.seed}")
        if not 0 <= self.weight_decay < math.inf:
            raise UsageError(f"weight_decay must not be negative, but is {self.weight_decay}")


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to.

    Attributes:
        number: From 1.
        loss: The mean over the epoch's images, each measured before the step it was part of.
        accuracy: On the test set afterwards, in [0, 1].
        seconds: Time taken.
    """

    number: int
    loss: float
    accuracy: float
    seconds: float


def cross_entropy(module: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """The ordinary loss of a classifier."""
    return mean_cross_entropy(module(images), labels)


def train(
    module: nn.Module,
    train_set: Dataset,
    test_set: Dataset,
    settings: Settings,
    *,
    loss: Loss = cross_entropy,
    checkpoint: Path | None = None,
    progress: Callable[[Epoch], None] | None = None,
    on_skip: Callable[[str, str], None] | None = None,
) -> tuple[Epoch, ...]:
    """Train a network in place, by AdamW (Loshchilov and Hutter, 2019, arXiv:1711.05101).

    The learning rate rises linearly and then falls by a cosine to zero. The same initial weights,
    data and settings give the same final weights on the same machine and number of threads,
    whatever the state of torch's global generator, which is left as it was.

    Args:
        module: The network, on the device to train on.
        train_set: Images to learn from; one that draws its samples draws them anew in every epoch.
        test_set: Images to measure accuracy on after every epoch; nothing is learned from them.
        settings: Numbers and seed.
        loss: What to bring down.
        checkpoint: A file to keep the state after every epoch in, and to go on from if it is there.
        progress: Called after every epoch.
        on_skip: Called with the name of an image that cannot be used and the reason; if None, such an
            image ends the training.

    Returns:
        What each epoch came to, those before an interruption included.

    Raises:
        UsageError: If `checkpoint` was written under other settings.
        LimenError: If `checkpoint` cannot be read or written, an image cannot be used, or the loss is
            no longer finite.

    Example:
        >>> import torch
        >>> from limen.data import demo
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 10))
        >>> digits = demo("digits", split="train", count=64)
        >>> history = train(net, digits, digits, Settings(epochs=5))
        >>> history[-1].accuracy > 0.5
        True
    """
    optimizer = torch.optim.AdamW(module.parameters(), weight_decay=settings.weight_decay)
    conditions = {**vars(settings), "train_set": train_set.spec, "test_set": test_set.spec}
    history: list[Epoch] = []
    if checkpoint is not None:
        make_folder(checkpoint.parent)
    if checkpoint is not None and checkpoint.exists():
        history = [Epoch(**epoch) for epoch in read_checkpoint(checkpoint, module, optimizer, conditions)]
    for number in range(len(history) + 1, settings.epochs + 1):
        start = time.perf_counter()
        with _training(module, _seed(settings, number)):
            mean_loss = _run_epoch(module, optimizer, train_set, settings, number, loss, on_skip)
        reached = accuracy(Classifier(module), test_set, settings.batch_size, on_skip)
        history.append(Epoch(number, mean_loss, reached, time.perf_counter() - start))
        if checkpoint is not None:
            write_checkpoint(checkpoint, module, optimizer, conditions, [vars(epoch) for epoch in history])
        if progress is not None:
            progress(history[-1])
    return tuple(history)


def accuracy(
    classifier: Classifier,
    dataset: Dataset,
    batch_size: int = 32,
    on_skip: Callable[[str, str], None] | None = None,
) -> float:
    """The share of a data set's images that are classified correctly, in [0, 1].

    Raises:
        LimenError: If no image can be used, or one cannot and `on_skip` is None.
    """
    correct = total = 0
    for batch in batches(dataset, range(len(dataset)), batch_size, on_skip or _stop):
        with torch.no_grad():
            predictions = classifier(batch.images.to(classifier.device)).argmax(1)
        correct += int((predictions.cpu() == batch.labels).sum())
        total += len(batch.ids)
    if total == 0:
        raise LimenError(f"{dataset.spec}: none of the images can be used")
    return correct / total


def _run_epoch(
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    train_set: Dataset,
    settings: Settings,
    number: int,
    loss: Loss,
    on_skip: Callable[[str, str], None] | None,
) -> float:
    device = next(module.parameters()).device
    steps = math.ceil(len(train_set) / settings.batch_size)
    total, count = 0.0, 0
    for step, batch in enumerate(_shuffled(train_set, settings, number, on_skip)):
        rate = _learning_rate((number - 1) * steps + step, settings.epochs * steps) * settings.learning_rate
        for group in optimizer.param_groups:
            group["lr"] = rate
        value = loss(module, batch.images.to(device), batch.labels.to(device))
        if not bool(torch.isfinite(value)):
            raise LimenError(f"the loss became {value.item()} in epoch {number}; lower the learning rate")
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        total, count = total + value.item() * len(batch.ids), count + len(batch.ids)
    if count == 0:
        raise LimenError(f"{train_set.spec}: none of the images can be used")
    return total / count


def _shuffled(
    train_set: Dataset, settings: Settings, number: int, on_skip: Callable[[str, str], None] | None
) -> Iterator[Batch]:
    seed = _seed(settings, number)
    drawn = train_set if train_set.redraw is None else train_set.redraw(seed)
    order = torch.randperm(len(drawn), generator=torch.Generator().manual_seed(seed)).tolist()
    return batches(drawn, order, settings.batch_size, on_skip or _stop)


def _seed(settings: Settings, number: int) -> int:
    """All that is random in an epoch comes from this, so resuming needs no state of a generator."""
    # Not shifted by 32 bits: torch's generator on the CPU takes no more than the lowest 32.
    return (settings.seed * _FAR_APART + number) % 2**32


def _learning_rate(step: int, total: int) -> float:
    """The share of the peak learning rate at a step (Smith and Topin, 2018, arXiv:1708.07120)."""
    warm_up = max(1, total // 10)
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / (total - warm_up)))


@contextmanager
def _training(module: nn.Module, seed: int) -> Iterator[None]:
    """Train mode and a seeded generator, for as long as an epoch takes."""
    devices = sorted({p.device for p in module.parameters() if p.device.type == "cuda"}, key=str)
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        module.train()
        try:
            yield
        finally:
            module.eval()


def _stop(name: str, reason: str) -> None:
    raise LimenError(reason)
