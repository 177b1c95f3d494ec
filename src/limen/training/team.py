"""The processes that train together: one of them, or as many as `accelerate launch` started."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from limen.classifier import checked_device
from limen.errors import LimenError, UsageError
from limen.training.reading import Share
from limen.training.settings import Precision


class Team:
    """One process that trains alone, in full precision.

    Attributes:
        share: Which part of every batch this process takes.
        device: Where it computes.
    """

    share = Share()

    def __init__(self, device: str | torch.device = "cpu") -> None:
        self.device = checked_device(device)

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes files and speaks."""
        return self.share.rank == 0

    def join(self, network: nn.Module, optimizer: Any) -> tuple[Callable[[Tensor], Tensor], Any]:
        """The network and the optimizer as they take part in common steps."""
        return network, optimizer

    def backward(self, loss: Tensor) -> None:
        """The gradient of the mean of all processes' losses."""
        loss.backward()

    def clip(self, parameters: Iterable[nn.Parameter], most: float) -> None:
        """Shorten the gradient to this L2 norm, where it is longer."""
        torch.nn.utils.clip_grad_norm_(parameters, most)

    def total(self, values: Tensor) -> Tensor:
        """The sum of a tensor over all processes."""
        return values

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint must keep of it."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take what a checkpoint kept."""


class Accelerated(Team):
    """One of several processes, or one in half precision, through accelerate."""

    def __init__(self, device: str | torch.device, precision: Precision) -> None:
        try:
            import accelerate
        except ImportError:
            raise LimenError(
                "several processes, and half precision, need accelerate; run: pip install limen[training]"
            ) from None
        wanted = checked_device(device)
        if precision == "fp16" and wanted.type == "cpu":
            raise UsageError("fp16 needs a GPU; use bf16 on the CPU")
        mixed = "no" if precision == "full" else precision
        self._accelerator: Any = accelerate.Accelerator(mixed_precision=mixed, cpu=wanted.type == "cpu")
        self.device = self._accelerator.device
        self.share = Share(self._accelerator.process_index, self._accelerator.num_processes)

    def join(self, network: nn.Module, optimizer: Any) -> tuple[Callable[[Tensor], Tensor], Any]:
        """The network and the optimizer as they take part in common steps."""
        return self._accelerator.prepare(network, optimizer)

    def backward(self, loss: Tensor) -> None:
        """The gradient of the mean of all processes' losses."""
        self._accelerator.backward(loss)

    def clip(self, parameters: Iterable[nn.Parameter], most: float) -> None:
        """Shorten the gradient to this L2 norm, where it is longer."""
        self._accelerator.clip_grad_norm_(parameters, most)

    def total(self, values: Tensor) -> Tensor:
        """The sum of a tensor over all processes."""
        return self._accelerator.reduce(values, reduction="sum")

    def state_dict(self) -> dict[str, Any]:
        """The scale of half-precision gradients, where there is one."""
        scaler = self._accelerator.scaler
        return {} if scaler is None else scaler.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take the scale that a checkpoint kept."""
        if self._accelerator.scaler is not None and state:
            self._accelerator.scaler.load_state_dict(state)


def assemble(device: str | torch.device = "cpu", precision: Precision = "full") -> Team:
    """The team that this process belongs to.

    Args:
        device: Where to compute; of several GPUs, each process takes the one that accelerate gives it.
        precision: What the network computes in.

    Raises:
        UsageError: If torch cannot compute there.
        LimenError: If accelerate is needed and not installed.

    Example:
        >>> assemble().leads
        True
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 or precision != "full":
        return Accelerated(device, precision)
    return Team(device)
