"""Weights for the metrics that need some."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from types import MappingProxyType

import pytest
import torch

from limen.weights import FILES

CHANNELS = {"alex": (64, 192, 384, 256, 256), "squeeze": (64, 128, 256, 384, 384, 512, 512)}
CHANNELS["vgg"] = (64, 128, 256, 512, 512)


@pytest.fixture(scope="session")
def weights_folder(tmp_path_factory):
    """A folder of random weights under the published names: AlexNet, SqueezeNet, VGG16, LPIPS and DISTS."""
    from .networks import save  # of torchvision, which can be imported once the tests begin

    folder = tmp_path_factory.mktemp("weights")
    generator = torch.Generator().manual_seed(0)
    for network, channels in CHANNELS.items():
        (name,) = [name for name in FILES if name.startswith({"squeeze": "squeezenet"}.get(network, network))]
        save(network, folder / name)
        heads = {
            f"lin{place}.model.1.weight": torch.rand(1, each, 1, 1, generator=generator)
            for place, each in enumerate(channels)
        }
        torch.save(heads, folder / f"lpips_v0.1_{network}.pth")
    weights = {name: torch.rand(1, 1475, 1, 1, generator=generator) for name in ("alpha", "beta")}
    torch.save(weights, folder / "dists_weights-f5e65c96.pt")
    return folder


@pytest.fixture(scope="module")
def random_weights(weights_folder):
    """The registry as if these random weights were the published ones, which lie in `LIMEN_WEIGHTS`."""
    files = {
        path.name: replace(
            FILES[path.name],
            size=path.stat().st_size,
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        for path in weights_folder.iterdir()
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIMEN_WEIGHTS", str(weights_folder))
        patch.setattr("limen.weights.places.FILES", MappingProxyType({**FILES, **files}))
        yield weights_folder
