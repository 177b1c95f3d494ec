"""Networks with another last layer, and the files that `limen train` writes of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import nn

from limen.errors import UsageError
from limen.weights.reading import load_weights, read_metadata


def last_layer(module: nn.Module) -> tuple[str, nn.Linear | nn.Conv2d]:
    """The layer that makes the logits, and its name: the last that is linear or a convolution.

    Raises:
        UsageError: If there is none.

    Example:
        >>> last_layer(nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.Softplus()))
        ('1', Linear(in_features=12, out_features=5, bias=True))
    """
    last = None
    for name, part in module.named_modules():
        if isinstance(part, nn.Linear | nn.Conv2d):
            last = name, part
    if last is None:
        raise UsageError("the network has no linear or convolutional layer to exchange as its last")
    return last


def replace_last_layer(module: nn.Module, classes: int) -> None:
    """Exchange the layer that makes the logits for a fresh one, unless it has as many classes already.

    Args:
        module: The network; its own `reset_classifier` is used, as timm's networks have one.
        classes: How many the new layer tells apart.

    Raises:
        UsageError: If there is no such layer, or it is the whole network.

    Example:
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(12, 5))
        >>> replace_last_layer(net, 3)
        >>> net[1]
        Linear(in_features=12, out_features=3, bias=True)
    """
    name, old = last_layer(module)
    if (old.out_features if isinstance(old, nn.Linear) else old.out_channels) == classes:
        return
    if not name:
        raise UsageError("the network is a single layer, which cannot be exchanged")
    reset: Any = getattr(module, "reset_classifier", None)
    if reset is not None:
        reset(classes)
        return
    bias = old.bias is not None
    if isinstance(old, nn.Linear):
        new = nn.Linear(old.in_features, classes, bias=bias)
    else:
        size: Any = old.kernel_size
        stride: Any = old.stride
        padding: Any = old.padding
        new = nn.Conv2d(old.in_channels, classes, size, stride, padding, bias=bias)
    owner, _, attribute = name.rpartition(".")
    setattr(module.get_submodule(owner), attribute, new.to(old.weight.device, old.weight.dtype))


def trained_classes(weights: Path) -> tuple[str, ...] | None:
    """The names of the classes that a file of `limen train` says; None of any other safetensors file.

    Raises:
        WeightsError: If the file is missing or broken.
    """
    try:
        names = json.loads(read_metadata(weights)["class_names"])
    except (KeyError, ValueError):
        return None
    told = isinstance(names, list) and names and all(isinstance(name, str) for name in names)
    return tuple(names) if told else None


def fill(module: nn.Module, weights: Path) -> tuple[str, ...] | None:
    """Fill a network with the weights in a file, with the last layer that they need.

    Args:
        module: The network.
        weights: A file; of one that `limen train` wrote, the number of classes is known.

    Returns:
        The names of the classes, where the file says them.

    Raises:
        WeightsError: If the file cannot be read, or its names and shapes are not the network's.
    """
    names = trained_classes(weights) if weights.suffix == ".safetensors" else None
    if names is not None:
        replace_last_layer(module, len(names))
    load_weights(module, weights)
    return names
