"""DISTS with the real weights of its maps, on a random VGG16 or one much thinner, against piq."""

from __future__ import annotations

from itertools import pairwise

import piq
import pytest
import torch
from piq.perceptual import VGG16_LAYERS, ContentLoss
from torch import nn

from limen.metrics import METRICS, dists, structure_and_texture
from limen.weights.networks import normalized
from limen.weights.reading import read_weights

from .networks import features

CHANNELS = (3, 64, 128, 256, 512, 512)
NAMES = ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")


class PiqDISTS(piq.DISTS):
    """piq's DISTS of weights that are given, where its own are downloaded; its constants are float32."""

    def __init__(self, layers, taps, weights):
        total = sum(each.double().sum() for each in weights.values())
        parts = [part / total for each in weights.values() for part in each.double().split(CHANNELS, 1)]
        how = {"reduction": "none", "replace_pooling": True, "allow_layers_weights_mismatch": True}
        ContentLoss.__init__(self, layers, layers=taps, weights=parts, **how)


class Thin(nn.Module):
    """As many maps as VGG16 has, from five convolutions of single pixels."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential()
        for inputs, outputs in pairwise(CHANNELS):
            self.layers.extend([nn.Conv2d(inputs, outputs, 1, stride=2), nn.ReLU()])

    def forward(self, images):
        maps, values = [], normalized(images)
        for layer in self.layers:
            values = layer(values)
            maps.append(values)
        return maps[1::2]


@pytest.fixture(scope="module")
def weights(weights_folder):
    return read_weights(weights_folder / "dists_weights-f5e65c96.pt")


@pytest.fixture
def thin(weights_folder, monkeypatch, tmp_path):
    """`dists` on the thin network, whose random weights lie in a file."""
    with torch.random.fork_rng():
        network = Thin().requires_grad_(False)
    torch.save(network.state_dict(), tmp_path / "thin.pth")
    monkeypatch.setattr(structure_and_texture, "_network", Thin)
    how = {"backbone": tmp_path / "thin.pth", "heads": weights_folder / "dists_weights-f5e65c96.pt"}
    return network.double(), lambda a, b, **more: dists(a, b, **how, **more)


def pair(*sides, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    a = torch.rand(2, 3, *sides, generator=generator, dtype=torch.float64)
    return a.to(dtype), (a + 0.1 * torch.randn(a.shape, generator=generator)).clamp(0, 1).to(dtype)


def test_values_on_vgg_are_those_of_piq(weights_folder, weights):
    oracle = PiqDISTS(features("vgg").double(), [VGG16_LAYERS[name] for name in NAMES], weights)
    backbone = weights_folder / "vgg16-397923af.pth"
    a, b = pair(33, 40)
    found = dists(a, b, backbone=backbone, heads=weights_folder / "dists_weights-f5e65c96.pt")
    torch.testing.assert_close(found, oracle(a, b), rtol=1e-6, atol=0)


@pytest.mark.parametrize("sides", [(256, 300), (280, 270)])
def test_large_images_are_made_smaller_as_by_piq_unless_that_is_left_out(sides, thin, weights):
    network, measure = thin
    oracle = PiqDISTS(network.layers, ["1", "3", "5", "7", "9"], weights)
    a, b = pair(*sides)
    expected = oracle(a, b)
    torch.testing.assert_close(measure(a, b), expected, rtol=1e-6, atol=0)
    whole = measure(a, b, resize=False)
    assert torch.allclose(whole, expected, rtol=1e-6) == (min(sides) <= 256)


def test_a_faint_change_keeps_its_digits_in_float32(thin):
    _, measure = thin
    a, b = pair(32, 32)
    b = a + 1e-4 * (b - a)
    torch.testing.assert_close(measure(a.float(), b.float()).double(), measure(a, b), rtol=5e-3, atol=0)
    assert (measure(a, b) < 1e-6).all()


@pytest.mark.data
def test_the_published_weights_are_of_this_form(real_data, thin, tmp_path):
    state = read_weights(real_data / "perceptual" / "dists_weights.pt")
    assert {name: tuple(each.shape) for name, each in state.items()} == dict.fromkeys(
        ("alpha", "beta"), (1, sum(CHANNELS), 1, 1)
    )
    assert all((each >= 0).all() for each in state.values())
    heads = real_data / "perceptual" / "dists_weights.pt"
    value = dists(*pair(32, 32), backbone=tmp_path / "thin.pth", heads=heads)
    assert ((value > 0) & (value < 1)).all()


def test_the_option_is_part_of_the_metrics_key(random_weights):
    from limen import catalog

    assert catalog.metric("dists:resize=false").column.key == "dists:resize=false"
    assert catalog.metric("dists:resize=true") is METRICS["dists"]
