"""The classifiers that metrics read: torchvision's own layers, RGB in [0, 1] with ImageNet's statistics."""

from __future__ import annotations

import pytest
import torch
from torchvision.transforms.functional import normalize

from limen.errors import UnknownNameError
from limen.metrics.feature_networks import BACKBONES, CLASSIFIER, FeatureNetwork, feature_network
from limen.weights import FILES, WeightsError

from .networks import features, save


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("networks")
    return {name: save(name, folder / f"{name}.pth") for name in ("alex", "squeeze")}


@pytest.mark.parametrize("network", ["alex", "squeeze"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_taps_are_what_torchvisions_layers_give(network, dtype, files):
    images = torch.rand(2, 3, 40, 36, dtype=dtype)
    found = feature_network(network, images, files[network])(images)
    layers = features(network)[: BACKBONES[network].taps[-1] + 1].to(dtype)
    values = normalize(images, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    expected = [values := layer(values) for layer in layers]
    assert len(found) == len(BACKBONES[network].taps)
    for place, each in zip(BACKBONES[network].taps, found, strict=True):
        # A ReLU in place has changed what the layer before it gave, and is the same tensor.
        torch.testing.assert_close(each, expected[place])
        assert (each >= 0).all()


def test_vgg_is_read_before_each_pooling():
    network = FeatureNetwork("vgg").to("meta")
    places = [place for place, layer in enumerate(network.features) if "MaxPool2d" in type(layer).__name__]
    assert [tap + 1 for tap in BACKBONES["vgg"].taps] == [*places, 30]
    maps = network(torch.empty(1, 3, 64, 48, device="meta"))
    assert [tuple(each.shape[1:]) for each in maps] == [
        (64, 64, 48),
        (128, 32, 24),
        (256, 16, 12),
        (512, 8, 6),
        (512, 4, 3),
    ]


def test_a_pooling_is_replaced_where_another_is_given():
    network = FeatureNetwork("vgg", torch.nn.AvgPool2d(2))
    assert sum(isinstance(layer, torch.nn.AvgPool2d) for layer in network.features) == 4


@pytest.mark.parametrize("network", BACKBONES)
def test_the_least_side_is_the_least_that_it_takes(network):
    kind = BACKBONES[network]
    least, made = kind.least_side, kind.make().to("meta")
    assert min(made(torch.empty(1, 3, least, least, device="meta"))[-1].shape) == 1
    with pytest.raises(RuntimeError, match="too small"):
        made(torch.empty(1, 3, least - 1, least, device="meta"))


def test_networks_are_frozen_kept_and_draw_nothing(files):
    images = torch.rand(1, 3, 32, 32)
    before = torch.get_rng_state()
    network = feature_network("squeeze", images, files["squeeze"])
    assert torch.equal(torch.get_rng_state(), before)
    assert not network.training
    assert not any(each.requires_grad for each in network.parameters())
    assert feature_network("squeeze", images, files["squeeze"]) is network
    assert feature_network("squeeze", images.double(), files["squeeze"]) is not network


def test_files_are_those_of_the_registry():
    assert {kind.file for kind in BACKBONES.values()} <= set(FILES)
    assert {key: kind.key for key, kind in BACKBONES.items()} == {key: key for key in BACKBONES}


def test_weights_of_another_network_and_other_names_are_refused(files):
    images = torch.rand(1, 3, 32, 32)
    with pytest.raises(WeightsError, match=r"weights of another network \(missing: features.3.squeeze"):
        feature_network("squeeze", images, files["alex"])
    with pytest.raises(UnknownNameError, match="unknown network 'vgg19'; did you mean 'vgg'"):
        feature_network("vgg19", images)
    assert CLASSIFIER == "classifier."
