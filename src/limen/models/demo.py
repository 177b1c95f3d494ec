"""`demo:photos` and `demo:digits`: small networks whose weights come with Limen."""

from __future__ import annotations

import importlib.resources
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from torch import Tensor, nn

from limen.classifier import Classifier
from limen.errors import UnknownNameError
from limen.models.trained import trained_classes
from limen.weights import WeightsError
from limen.weights.reading import load_weights


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions beside a shortcut (He et al., 2016, arXiv:1512.03385, Figure 2).

    Where the block changes size, the shortcut is an averaged 1×1 convolution (ResNet-D: He et al.,
    2019, arXiv:1812.01187, Figure 2c).
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut = nn.Sequential(
            nn.AvgPool2d(stride), nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs)
        )

    def forward(self, x: Tensor) -> Tensor:
        """From (N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        return (self.body(x) + self.shortcut(x)).relu()


def residual_network(classes: int) -> nn.Module:
    """The network of `demo:photos`: three residual blocks on colour images, about 0.2 million weights.

    Its first layer is a batch norm, so it learns the normalisation of its images and takes them in [0, 1].
    """
    return nn.Sequential(
        nn.BatchNorm2d(3, affine=False),
        nn.Conv2d(3, 24, 3, 2, 1, bias=False),
        nn.BatchNorm2d(24),
        nn.ReLU(),
        ResidualBlock(24, 32, 2),
        ResidualBlock(32, 64, 2),
        ResidualBlock(64, 96, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(96, classes),
    )


def digit_network(classes: int) -> nn.Module:
    """The network of `demo:digits`: two convolutions on grey images of any size."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1, bias=False),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.AdaptiveMaxPool2d(7),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(32 * 7 * 7, classes),
    )


NETWORKS: dict[str, Callable[[int], nn.Module]] = {"photos": residual_network, "digits": digit_network}
"""The untrained networks, by name; each takes the number of classes."""


def demo(
    name: str, *, weights: Path | Literal["random"] | None = None, device: str | None = None
) -> Classifier:
    """The small networks that come with Limen, trained by `limen train`: `photos` and `digits`.

    Args:
        name: Which of the two.
        weights: A file written by `limen train`; `random` for an untrained network; None for the weights that
            Limen ships.
        device: Where to run.

    Raises:
        UnknownNameError: If there is no such network.
        WeightsError: If the weights cannot be used.

    Example:
        >>> demo("photos").class_names[:3]
        ('astronaut', 'bricks', 'cat')
    """
    if name not in NETWORKS:
        raise UnknownNameError("demo network", name, NETWORKS)
    shipped = importlib.resources.files("limen.models") / "weights" / f"{name}.safetensors"
    with importlib.resources.as_file(shipped) as path:
        file = weights if isinstance(weights, Path) else path
        class_names = _class_names(file)
        module = NETWORKS[name](len(class_names))
        if weights != "random":
            load_weights(module, file)
    return Classifier(module, device=device, class_names=class_names)


def _class_names(file: Path) -> tuple[str, ...]:
    names = trained_classes(file)
    if names is None:
        raise WeightsError(f"{file}: does not say its class names; expected a file written by limen train")
    return names
