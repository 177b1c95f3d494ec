"""Training of the networks that come with Limen, from a spec to a file of weights."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

import limen
from limen import catalog
from limen.classifier import Classifier
from limen.data import Dataset
from limen.errors import UnknownNameError, UsageError
from limen.models import NETWORKS
from limen.training.checkpoint import write_weights
from limen.training.loop import Epoch, Settings, train

DEFAULTS = {
    "photos": Settings(epochs=10),
    "digits": Settings(epochs=15),
}
"""The settings that the shipped weights were trained with, by network."""


def train_network(
    model: str,
    data: str,
    out: Path,
    *,
    epochs: int | None = None,
    seed: int = 0,
    device: str | None = None,
    progress: Callable[[Epoch], None] | None = None,
    on_skip: Callable[[str, str], None] | None = None,
) -> tuple[Epoch, ...]:
    """Train one of Limen's networks from random weights and write it to a file for `weights=`.

    An interrupted training goes on from `OUT.checkpoint`, which is removed at the end.

    Args:
        model: "demo:photos" (colour images) or "demo:digits" (grey images).
        data: The spec of a data set that has a parameter `split`; it is trained on `split=train`, and
            tested on the spec as it is.
        out: The safetensors file to write.
        epochs: Passes over the training set; None for the network's default.
        seed: Of the initial weights and of the training.
        device: Where to train; None for the CPU.
        progress: Called after every epoch.
        on_skip: As of `train`.

    Returns:
        What each epoch came to.

    Raises:
        UsageError: If a spec or number is wrong, `out` has another suffix, or an interrupted training had
            other settings.
        LimenError: If the network does not fit the images, or a file cannot be read or written.
    """
    name = model.removeprefix("demo:")
    if name not in NETWORKS:
        raise UnknownNameError("network to train", model, [f"demo:{known}" for known in NETWORKS])
    if out.suffix != ".safetensors":
        raise UsageError(f"{out}: weights are written as .safetensors; give the file that suffix")
    settings = dataclasses.replace(
        DEFAULTS[name], epochs=DEFAULTS[name].epochs if epochs is None else epochs, seed=seed
    )
    test_set, train_set = catalog.data(data), catalog.data(f"{data},split=train")
    module = _fresh(name, train_set, settings.seed)
    classifier = Classifier(module, device=device, class_names=train_set.class_names)
    # A network for other images should fail here, with one clear error, and not inside the loop.
    classifier(train_set.load(0).image[None].to(classifier.device))
    checkpoint = out.with_name(f"{out.name}.checkpoint")
    history = train(
        module, train_set, test_set, settings, checkpoint=checkpoint, progress=progress, on_skip=on_skip
    )
    write_weights(
        out,
        module,
        {
            "model": f"demo:{name}",
            "class_names": json.dumps(train_set.class_names),
            "data": train_set.spec,
            "settings": json.dumps(dataclasses.asdict(settings)),
            "accuracy": f"{history[-1].accuracy:.4f}",
            "limen": limen.__version__,
        },
    )
    checkpoint.unlink(missing_ok=True)
    return history


def _fresh(name: str, train_set: Dataset, seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return NETWORKS[name](len(train_set.class_names or ()))
