"""Networks of random weights in the place of the published ones, as files with torchvision's names."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn
from torchvision import models

MAKERS = {"alex": models.alexnet, "vgg": models.vgg16, "squeeze": models.squeezenet1_1}


def features(network: str, seed: int = 0) -> nn.Sequential:
    """The convolutions of torchvision's classifier, with weights of about the published ones' scale."""
    generator = torch.Generator().manual_seed(seed)
    with torch.device("meta"):
        layers = MAKERS[network](weights=None).features
    layers = layers.to_empty(device="cpu").eval().requires_grad_(False)
    for layer in layers.modules():
        if isinstance(layer, nn.Conv2d):
            spread = (2 / layer.weight[0].numel()) ** 0.5
            layer.weight.normal_(0, spread, generator=generator)
            layer.bias.normal_(0, 0.05, generator=generator)
    return layers


def save(network: str, path: Path) -> Path:
    """A file of `features`, as of a whole classifier."""
    state = {f"features.{name}": value for name, value in features(network).state_dict().items()}
    torch.save({**state, "classifier.1.weight": torch.zeros(2)}, path)
    return path
