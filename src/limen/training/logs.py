"""Logs that TensorBoard shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from limen.errors import LimenError
from limen.runs.files import writing
from limen.training.settings import Epoch, Step


class Logs:
    """A listener that writes losses, accuracies and learning rates, against steps and epochs.

    A training that is resumed goes on in the same folder.

    Args:
        folder: Where TensorBoard looks.

    Raises:
        LimenError: If tensorboard is not installed, or the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise LimenError("logs need tensorboard; run: pip install limen[training]") from None
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._writer: Any = SummaryWriter(str(folder))

    def __call__(self, event: Step | Epoch, history: tuple[Epoch, ...] = ()) -> None:
        """Write what a step or an epoch came to."""
        if isinstance(event, Step):
            place = (event.epoch - 1) * event.steps + event.number
            self._writer.add_scalar("step/loss", event.loss, place)
            self._writer.add_scalar("step/learning_rate", event.learning_rate, place)
            return
        self._writer.add_scalar("epoch/loss", event.loss, event.number)
        self._writer.add_scalar("epoch/accuracy", event.accuracy, event.number)
        if event.robust_accuracy is not None:
            self._writer.add_scalar("epoch/robust_accuracy", event.robust_accuracy, event.number)
        self._writer.flush()

    def close(self) -> None:
        """Write what is left, and close the file."""
        self._writer.close()
