"""Weights from files: plain tensors only, never a pickle that could run code."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from limen.errors import changed_filters, reason, shown
from limen.safety import opened
from limen.weights.errors import WeightsError

_WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network", "weights")
"""The keys under which training scripts keep the weights."""

_PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "network.")
"""What wrappers put before the names of weights: data parallelism, compilation, training frameworks."""

_SHOWN = 3


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read named tensors from a safetensors file, or from one that `torch.save` wrote.

    Args:
        path: A file; `.safetensors` in its name settles the format.

    Raises:
        WeightsError: If the file is missing or broken, or holds anything but named tensors. A pickle
            that needs more than `torch.load(weights_only=True)` allows is refused.
    """
    _check_file(path)
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with changed_filters():
            # About pickles that it then refuses.
            warnings.simplefilter("ignore", UserWarning)
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever an unpickler meets in arbitrary bytes
        said = reason(error).partition(". ")[0]
        raise WeightsError(
            f"{path}: cannot be read as weights ({said}); expected a safetensors file, or a state dict "
            "of torch.save"
        ) from error
    state = _unwrapped(state)
    if not isinstance(state, dict):
        kind = type(state).__name__
        raise WeightsError(f"{path}: holds no state dict, but {kind}; save module.state_dict()")
    for name, value in state.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise WeightsError(
                f"{path}: {shown(name)} is {type(value).__name__}, and a state dict has named tensors alone; "
                "save module.state_dict()"
            )
    return state


def read_metadata(path: Path) -> dict[str, str]:
    """The text that a safetensors file holds beside its tensors.

    Raises:
        WeightsError: If the file is missing or broken.
    """
    _check_file(path)
    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(f"{path}: no safetensors file ({reason(error)})") from error


def load_weights(module: nn.Module, path: Path, *, beyond: str | None = None) -> None:
    """Fill a network with the weights in a file, all of them and no others.

    Args:
        module: The network.
        path: The file.
        beyond: Of a network that is only the first part of what the file is of, the first name of what comes
            after it; names that begin like this are left out.

    Raises:
        WeightsError: If the file cannot be read, or its names and shapes are not the network's.
    """
    own = module.state_dict()
    state = _without_prefix(read_weights(path), own)
    wrong = [
        f"{name} has shape {tuple(state[name].shape)} and not {tuple(own[name].shape)}"
        for name in own.keys() & state.keys()
        if state[name].shape != own[name].shape
    ]
    # Files older than the batch norms' step counter lack it, and evaluation does not need it.
    missing = [name for name in own if name not in state and not name.endswith("num_batches_tracked")]
    unknown = [name for name in state if name not in own and (beyond is None or not name.startswith(beyond))]
    faults = [
        _listed(title, names)
        for title, names in (("missing", missing), ("unknown", unknown), ("of another shape", sorted(wrong)))
        if names
    ]
    if faults:
        raise WeightsError(f"{path}: weights of another network ({'; '.join(faults)})")
    module.load_state_dict({name: state[name] for name in own if name in state}, strict=False)


def _unwrapped(state: object) -> object:
    """The state dict in what a training script saved beside it, such as the epoch."""
    while isinstance(state, dict):
        inner = next((state[key] for key in _WRAPPERS if isinstance(state.get(key), dict)), None)
        if inner is None:
            break
        state = inner
    return state


def _without_prefix(state: dict[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights without the prefixes that all their names have and the network's do not."""
    while state and not own.keys() & state.keys():
        prefix = next((each for each in _PREFIXES if all(name.startswith(each) for name in state)), None)
        if prefix is None:
            break
        state = {name.removeprefix(prefix): value for name, value in state.items()}
    return state


def _check_file(path: Path) -> None:
    try:
        with opened(path):
            pass
    except FileNotFoundError:
        raise WeightsError(f"{path}: no such file of weights") from None
    except OSError as error:
        raise WeightsError(f"{path}: cannot be opened ({reason(error)})") from error


def _listed(title: str, names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{title}: {', '.join(names[:_SHOWN])}{more}"
