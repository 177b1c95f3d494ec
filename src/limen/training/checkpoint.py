"""Files of a training, written whole or not at all: an interruption never costs more than an epoch."""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import nn

from limen.errors import LimenError, UsageError
from limen.runs.files import sync_folder, write_whole, writing


def make_folder(folder: Path) -> None:
    """Make sure that there is a folder to write to, before hours are spent on what belongs there.

    Raises:
        LimenError: If it cannot be made.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)


def write_weights(path: Path, module: nn.Module, metadata: Mapping[str, str]) -> None:
    """Write a network's weights and what is known of them as a safetensors file.

    Raises:
        LimenError: If the file cannot be written; one that was there before is left as it was.
    """
    state = {name: value.detach().cpu().contiguous() for name, value in module.state_dict().items()}
    _write(path, safetensors.torch.save(state, dict(metadata)))


def write_checkpoint(
    path: Path,
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    conditions: Mapping[str, Any],
    history: Sequence[Mapping[str, Any]],
) -> None:
    """Write all that is needed to go on after an epoch.

    Args:
        path: The file; replaced if it is there.
        module: The network.
        optimizer: Its optimizer.
        conditions: What must be the same for the training to go on.
        history: What the epochs so far came to.

    Raises:
        LimenError: If the file cannot be written.
    """
    buffer = io.BytesIO()
    state = {"conditions": dict(conditions), "history": [dict(epoch) for epoch in history]}
    torch.save({**state, "module": module.state_dict(), "optimizer": optimizer.state_dict()}, buffer)
    _write(path, buffer.getvalue())


def read_checkpoint(
    path: Path, module: nn.Module, optimizer: torch.optim.Optimizer, conditions: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Restore the network and its optimizer from a checkpoint, and return the history.

    Raises:
        UsageError: If it was written under other conditions or for another network.
        LimenError: If it cannot be read.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        before, history = state["conditions"], state["history"]
    except (
        pickle.UnpicklingError,
        RuntimeError,
        OSError,
        EOFError,
        ValueError,
        KeyError,
        TypeError,
    ) as error:
        raise LimenError(f"{path}: no checkpoint that can be read; remove it to start again") from error
    changed = [
        f"{name} was {before.get(name)}, now {value}"
        for name, value in conditions.items()
        if before.get(name) != value
    ]
    if changed:
        raise UsageError(
            f"{path}: the training there had other settings ({'; '.join(changed)}); "
            "use those to go on, or remove the file to start again"
        )
    try:
        module.load_state_dict(state["module"])
        optimizer.load_state_dict(state["optimizer"])
    except (RuntimeError, ValueError, KeyError) as error:
        raise UsageError(
            f"{path}: the training there was of another network; remove the file to start again"
        ) from error
    return history


def _write(path: Path, content: bytes) -> None:
    write_whole(path, content)
    sync_folder(path.parent)
