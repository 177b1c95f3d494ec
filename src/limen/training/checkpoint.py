"""Files of a training, written whole or not at all."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import nn

from limen.errors import LimenError, UsageError
from limen.runs.files import sync_folder, write_whole, writing
from limen.training.objective import Stateful


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
    # Copies, as safetensors refuses weights that share memory, such as those of two tied layers.
    state = {
        name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, value in module.state_dict().items()
    }
    _write(path, safetensors.torch.save(state, dict(metadata)))


@dataclass(frozen=True)
class Checkpoint:
    """A file with all that is needed to go on.

    Attributes:
        path: The file; replaced if it is there.
        conditions: What must be the same for the training to go on.
        parts: The network, its optimizer and the like, by name; one without a state is passed over.
    """

    path: Path
    conditions: Mapping[str, Any]
    parts: Mapping[str, Any]

    def write(self, place: Mapping[str, Any], history: Sequence[Mapping[str, Any]]) -> None:
        """Write where the training is, what its epochs so far came to, and the state of its parts.

        Raises:
            LimenError: If the file cannot be written; the one that was there is left as it was.
        """
        buffer = io.BytesIO()
        states = {name: dict(part.state_dict()) for name, part in self._stateful().items()}
        told = {"conditions": dict(self.conditions), "place": dict(place), "history": list(history)}
        torch.save({**told, "states": states}, buffer)
        _write(self.path, buffer.getvalue())

    def read(self) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Restore the state of all parts, and return the place and the history.

        Raises:
            UsageError: If it was written under other conditions or for another network.
            LimenError: If it cannot be read.
        """
        try:
            kept = torch.load(self.path, map_location="cpu", weights_only=True)
            before, place, history, states = (
                kept[name] for name in ("conditions", "place", "history", "states")
            )
        except Exception as error:  # of a dozen kinds, as an unpickler meets arbitrary bytes
            raise LimenError(
                f"{self.path}: no checkpoint that can be read; remove it to start again"
            ) from error
        changed = [
            f"{name} was {before.get(name)}, now {value}"
            for name, value in self.conditions.items()
            if before.get(name) != value
        ]
        if changed:
            raise UsageError(
                f"{self.path}: the training there had other settings ({'; '.join(changed)}); "
                "use those to go on, or remove the file to start again"
            )
        try:
            for name, part in self._stateful().items():
                part.load_state_dict(states[name])
        except (RuntimeError, ValueError, KeyError) as error:
            raise UsageError(
                f"{self.path}: the training there was of another network; remove the file to start again"
            ) from error
        return place, history

    def _stateful(self) -> dict[str, Stateful]:
        return {name: part for name, part in self.parts.items() if isinstance(part, Stateful)}


def _write(path: Path, content: bytes) -> None:
    write_whole(path, content)
    sync_folder(path.parent)
