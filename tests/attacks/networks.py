"""Small networks with fixed weights, images for them, and problems that an attack can solve."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from limen import Classifier

from .geometry import features

SIZE = 12
"""Height and width: the window of SSIM needs 11."""


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator("cpu").manual_seed(seed)


def fixed_weights(module: nn.Module, seed: int = 0) -> nn.Module:
    """Weights of unit gain, drawn from a generator of their own."""
    random = generator(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            drawn = torch.randn(parameter.shape, generator=random, dtype=torch.float64, device="cpu")
            parameter.copy_(drawn / max(1, parameter[0].numel()) ** 0.5 if parameter.ndim > 1 else 0 * drawn)
    return module


def centred(layers: nn.Sequential, channels: int) -> nn.Sequential:
    """The network with its last bias set so that every class is about as likely as any other."""
    with torch.no_grad():
        layers[-1].bias.sub_(layers(photos(64, channels, seed=99)).mean(0))
    return layers


def smooth_mlp(channels: int = 3, classes: int = 3, dtype: torch.dtype = torch.float32) -> nn.Module:
    values = channels * SIZE * SIZE
    layers = nn.Sequential(nn.Flatten(), nn.Linear(values, 16), nn.Tanh(), nn.Linear(16, classes))
    return centred(fixed_weights(layers, seed=3), channels).to(dtype)


def conv_net(channels: int = 3, classes: int = 3, dtype: torch.dtype = torch.float32) -> nn.Module:
    layers = nn.Sequential(
        nn.Conv2d(channels, 6, 3, padding=1),
        nn.Softplus(),
        nn.Conv2d(6, 8, 3, stride=2, padding=1),
        nn.Softplus(),
        nn.Flatten(),
        nn.Linear(8 * (SIZE // 2) ** 2, classes),
    )
    return centred(fixed_weights(layers, seed=1), channels).to(dtype)


def photos(count: int, channels: int = 3, low: int = 60, high: int = 196, seed: int = 0) -> Tensor:
    """Lattice images (count, channels, SIZE, SIZE), float32: noisy blocks of low/255 to high/255."""
    random, noise = generator(seed), 6
    shape = (count, channels, 2, 2)
    blocks = torch.randint(low + noise, high - noise, shape, generator=random, device="cpu")
    pixels = blocks.repeat_interleave(SIZE // 2, 2).repeat_interleave(SIZE // 2, 3)
    pixels = pixels + torch.randint(-noise, noise + 1, pixels.shape, generator=random, device="cpu")
    return pixels.float().to(torch.get_default_device()) / 255


def on_small_networks(factory: Callable[..., Any]) -> dict[str, Any]:
    """Arguments under which an attack can be tried on these networks: most have no feature maps to attend to,
    and superpixels of the usual size are too few on images as small as theirs."""
    names = inspect.signature(factory).parameters
    small = {"attention": None, "superpixels": None, "delta": 45.0, "network": features, "metric": "l2"}
    # A climb of a thousand steps, or along a metric, takes its time whatever the network.
    brief = {"steps": 25, "eps": 1.0} if {"metric", "colour_step"} & set(names) else {}
    if "search_steps" in names:
        brief = {"search_steps": 2}
    return {name: value for name, value in (small | brief).items() if name in names}


@dataclass(frozen=True)
class Task:
    """A problem: what to attack, and the labels or targets to give."""

    classifier: Classifier
    images: Tensor
    labels: Tensor
    targeted: bool = False

    @property
    def ids(self) -> list[str]:
        return [f"image {row}" for row in range(len(self.images))]

    def at(self, rows: Tensor) -> Task:
        """The problem of these images alone."""
        return replace(self, images=self.images[rows], labels=self.labels[rows])

    def fooled(self, images: Tensor) -> Tensor:
        """Asked of the module itself: which images are what the attack is after."""
        with torch.no_grad():
            predictions = self.classifier(images).argmax(1)
        return predictions == self.labels if self.targeted else predictions != self.labels


def task(module: nn.Module, images: Tensor, targeted: bool = False) -> Task:
    """Each image's own class to leave, or its second class to reach."""
    classifier = Classifier(module)
    dtype = classifier.dtype
    images = images if dtype is None else images.to(torch.float64).mul(255).round().div(255).to(dtype)
    with torch.no_grad():
        ranking = classifier(images).argsort(dim=1, descending=True)
    return Task(classifier, images, ranking[:, 1 if targeted else 0].clone(), targeted)
