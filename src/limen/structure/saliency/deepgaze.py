"""DeepGaze IIE: densities of fixations, read out of four classifiers' features (Linardos et al. 2021)."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, interpolate, layer_norm, pad, softplus

from limen.errors import LimenError, reason
from limen.safety import opened
from limen.structure.saliency.density import as_density, centre_prior
from limen.structure.saliency.efficientnet import EfficientNetB5
from limen.structure.saliency.objects import as_colour
from limen.weights.networks import network_of, normalized

_COMPONENTS = 30  # of a mixture for each backbone: 3 trainings of 10 folds
# How many pixels along a side become one: of the image for a backbone, of that for the readout, of the map.
_DOWNSAMPLED, _READOUT, _MAP = 2, 16, 2

# The names of layers are those of the published weights.


class _Norm(nn.Module):
    """Layer normalisation over channels and places, with a weight and a bias per channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return layer_norm(x, x.shape[1:], eps=1e-12) * self.weight[:, None, None] + self.bias[:, None, None]


class _Bias(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bias[:, None, None]


class _Softplus(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return softplus(x)


def _pointwise(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 1, bias=False)


def _saliency(channels: int) -> nn.Sequential:
    layers: dict[str, nn.Module] = {}
    for number, (inputs, outputs) in enumerate(((channels, 8), (8, 16), (16, 1))):
        layers[f"layernorm{number}"] = _Norm(inputs)
        layers[f"conv{number}"] = _pointwise(inputs, outputs)
        layers[f"bias{number}"] = _Bias(outputs)
        layers[f"softplus{number}"] = _Softplus()
    return _sequence(layers)


def _selection() -> nn.Sequential:
    """The network that selects fixations; a scanpath would take the other parts of its first layers."""
    first = _sequence({"layernorm_part0": _Norm(1)}), _sequence({"conv_part0": _pointwise(1, 128)})
    layers = dict(zip(("layernorm0", "conv0"), first, strict=True))
    layers |= {"bias0": _Bias(128), "softplus0": _Softplus(), "layernorm1": _Norm(128)}
    layers |= {"conv1": _pointwise(128, 16), "bias1": _Bias(16), "softplus1": _Softplus()}
    return _sequence({**layers, "conv2": _pointwise(16, 1)})


def _sequence(layers: dict[str, Any]) -> nn.Sequential:
    made = nn.Sequential()
    for name, layer in layers.items():
        made.add_module(name, layer)
    return made


class _Gauss(nn.Module):
    """A Gaussian filter of learned width, to three standard deviations, with repeated borders."""

    def __init__(self) -> None:
        super().__init__()
        self.sigma = nn.Parameter(torch.tensor(8.0))

    def forward(self, x: Tensor) -> Tensor:
        reach = math.ceil(3 * float(self.sigma.detach()))
        offsets = torch.arange(-reach, reach + 1, dtype=x.dtype, device=x.device)
        weights = torch.exp(-((offsets / self.sigma) ** 2) / 2)
        weights = weights / weights.sum()
        rows = conv2d(pad(x, (0, 0, reach, reach), mode="replicate"), weights.view(1, 1, -1, 1))
        return conv2d(pad(rows, (reach, reach, 0, 0), mode="replicate"), weights.view(1, 1, 1, -1))


class _Finalizer(nn.Module):
    """Blurs a readout, adds the centre bias, and makes a log density of it."""

    def __init__(self) -> None:
        super().__init__()
        self.gauss = _Gauss()
        self.center_bias_weight = nn.Parameter(torch.ones(1))

    def forward(self, readout: Tensor, bias: Tensor) -> Tensor:
        small = interpolate(bias, scale_factor=1 / _MAP, recompute_scale_factor=False)
        blurred = self.gauss(interpolate(readout, small.shape[2:]))
        large = interpolate(blurred + self.center_bias_weight * small, bias.shape[2:])
        return large - large.logsumexp((2, 3), keepdim=True)


class _Features(nn.Module):
    """A backbone, and the outputs of some of its layers."""

    def __init__(self, backbone: nn.Module, used: tuple[str, ...]) -> None:
        super().__init__()
        self.features = nn.ModuleDict({"1": backbone})
        self.used = used

    def forward(self, x: Tensor) -> list[Tensor]:
        noted: dict[str, Tensor] = {}

        def note(name: str) -> Callable[..., None]:
            # A copy, as what follows may work in place.
            return lambda module, given, made: noted.update({name: made.clone()})

        backbone = self.features["1"]
        with ExitStack() as hooks:
            for name in self.used:
                hooks.enter_context(backbone.get_submodule(name).register_forward_hook(note(name)))
            backbone(normalized(x))
        return [noted[name] for name in self.used]


class _Mixture(nn.Module):
    """What one backbone foretells: the mean density of its readouts."""

    def __init__(self, backbone: nn.Module, used: tuple[str, ...], channels: int) -> None:
        super().__init__()
        self.features = _Features(backbone, used)
        self.saliency_networks = nn.ModuleList(_saliency(channels) for _ in range(_COMPONENTS))
        self.fixation_selection_networks = nn.ModuleList(_selection() for _ in range(_COMPONENTS))
        self.finalizers = nn.ModuleList(_Finalizer() for _ in range(_COMPONENTS))

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        small = interpolate(x, scale_factor=1 / _DOWNSAMPLED, recompute_scale_factor=False)
        sides = [math.ceil(side / _DOWNSAMPLED / _READOUT) for side in x.shape[2:]]
        features = torch.cat([interpolate(each, sides) for each in self.features(small)], 1)
        heads = zip(self.saliency_networks, self.fixation_selection_networks, self.finalizers, strict=True)
        return _mean([final(select(salient(features)), bias) for salient, select, final in heads])


class DeepGazeIIE(nn.Module):
    """The mean density of four backbones' mixtures."""

    def __init__(self) -> None:
        super().__init__()
        from torchvision import models

        third, fourth = "layer3", "layer4"
        shape = tuple(f"module.{third}.{each}" for each in ("0.conv2", "3.conv2", "5.conv1", "5.conv2"))
        shape += tuple(f"module.{fourth}.{each}" for each in ("1.conv2", "2.conv2"))
        wide = tuple(f"{third}.{each}" for each in ("5.conv1", "5.conv2", "4.conv2"))
        dense = tuple(
            f"features.denseblock4.denselayer{each}" for each in ("32.norm1", "32.conv1", "31.conv2")
        )
        lean = ("_blocks.24._depthwise_conv", "_blocks.26._depthwise_conv", "_blocks.35._project_conv")
        self.models = nn.ModuleList(
            [
                # Trained on stylised images, and with a wrapper's name in front of its layers.
                _Mixture(_sequence({"module": models.resnet50(weights=None)}), shape, 2048),
                _Mixture(EfficientNetB5(), lean, 2416),
                _Mixture(models.densenet201(weights=None), dense, 2048),
                _Mixture(models.resnext50_32x4d(weights=None), (*wide, f"{fourth}.2.conv2"), 2560),
            ]
        )

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """Log densities (N, 1, H, W) of images in [0, 1], given the centre bias as one (1, 1, H, W)."""
        return _mean([model(x, bias) for model in self.models])


def _mean(log_densities: list[Tensor]) -> Tensor:
    return torch.cat(log_densities, 1).logsumexp(1, keepdim=True) - math.log(len(log_densities))


def deepgaze(images: Tensor, *, weights: Path, bias: Path | None = None) -> Tensor:
    """DeepGaze IIE with published weights: where people look, as a density.

    It was trained on images of about 1024 pixels that were seen at 35 pixels a degree of visual angle. Give
    images of about that size.

    Args:
        images: (N, C, H, W) in [0, 1], of 1 or 3 channels.
        weights: A file with the weights that the authors publish, `deepgaze2e.pth`.
        bias: A NumPy file with the log density (h, w) of fixations whatever is shown, such as the authors'
            `centerbias_mit1003.npy`, which is brought to the images' size; None for the centre prior.

    Returns:
        Densities (N, H, W), differentiable in the images.

    Raises:
        UsageError: If the images are none of 1 or 3 channels.
        LimenError: If the bias cannot be read.
        WeightsError: If the file cannot be read, or is of another network; the message names its keys.

    Source:
        Linardos, Kümmerer, Press & Bethge, ICCV 2021, and its program.
    """
    colour = as_colour(images)
    network = network_of(DeepGazeIIE, Path(weights), images)
    if not len(images):
        return images.new_zeros(0, *images.shape[2:])
    return as_density(network(colour, centre_bias(bias, images))[:, 0].exp())


def centre_bias(path: Path | None, images: Tensor) -> Tensor:
    """The log density (1, 1, H, W) of a NumPy file, or of the centre prior, at the images' size.

    Raises:
        LimenError: If the file cannot be read, or holds no finite map.

    Example:
        >>> centre_bias(None, torch.zeros(1, 3, 4, 6)).exp().sum()
        tensor(1.0000)
    """
    height, width = images.shape[2:]
    if path is None:
        bias = centre_prior(height, width, dtype=images.dtype, device=images.device).log()
    else:
        try:
            with opened(path) as file:
                found = np.load(file, allow_pickle=False)
        except (OSError, ValueError, EOFError, MemoryError) as error:
            raise LimenError(f"{path}: cannot be read as a centre bias ({reason(error)})") from error
        if not isinstance(found, np.ndarray) or found.ndim != 2 or not np.isfinite(found).all():
            raise LimenError(f"{path}: holds no finite log density (h, w)")
        bias = torch.from_numpy(found).to(images)
        bias = interpolate(bias[None, None], (height, width), mode="nearest-exact")[0, 0]
    return (bias - bias.logsumexp((0, 1)))[None, None]
