"""LPIPS with the real heads of v0.1, on random backbones, against the authors' program and piq."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import lpips as original
import numpy as np
import piq
import pytest
import torch
from lpips import pretrained_networks
from piq.perceptual import VGG16_LAYERS, ContentLoss

from limen.errors import UnknownNameError, UsageError
from limen.metrics import lpips
from limen.metrics.feature_networks import BACKBONES
from limen.metrics.learned_similarity import unit
from limen.weights import WeightsError
from limen.weights.reading import read_weights

from .networks import MAKERS, features

HEADS = Path(original.__file__).parent / "weights" / "v0.1"


@pytest.fixture(scope="module")
def backbones(weights_folder):
    return {key: weights_folder / kind.file for key, kind in BACKBONES.items()}


def pair(side, channels=3, dtype=torch.float32, count=2):
    generator = torch.Generator().manual_seed(0)
    a = torch.rand(count, channels, side, side + 3, generator=generator, dtype=torch.float64)
    b = (a + 0.1 * torch.randn(a.shape, generator=generator, dtype=torch.float64)).clamp(0, 1)
    return a.to(dtype), b.to(dtype)


@pytest.mark.parametrize(
    ("network", "dtype"),
    [("alex", torch.float32), ("alex", torch.float64), ("squeeze", torch.float64), ("vgg", torch.float32)],
)
def test_values_are_those_of_the_authors_program(network, dtype, backbones, monkeypatch):
    maker = MAKERS[network].__name__
    monkeypatch.setattr(
        pretrained_networks,
        "tv",
        SimpleNamespace(**{maker: lambda **_: SimpleNamespace(features=features(network))}),
    )
    program = original.LPIPS(net=network, pnet_rand=True, verbose=False).to(dtype)
    a, b = pair(40, dtype=dtype)
    expected = program(a, b, normalize=True).flatten()  # brings [0, 1] to the program's [−1, 1]
    found = lpips(a, b, network=network, backbone=backbones[network], heads=HEADS / f"{network}.pth")
    tolerance = {torch.float32: 1e-5, torch.float64: 1e-7}[dtype]  # the program's constants have 3 digits
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=0)
    assert found.dtype == dtype
    assert (found > 0).all()


class PiqLPIPS(piq.LPIPS):
    """piq's LPIPS of weights that are given, where its own are downloaded."""

    def __init__(self, layers, heads):
        taps = [VGG16_LAYERS[name] for name in ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")]
        how = {"reduction": "none", "normalize_features": True}
        ContentLoss.__init__(self, layers, layers=taps, weights=heads, **how)


def test_vgg_is_piqs_on_equal_weights(backbones):
    heads = list(read_weights(HEADS / "vgg.pth").values())
    a, b = pair(32, dtype=torch.float64)
    expected = PiqLPIPS(features("vgg").double(), heads)(a, b)
    found = lpips(a, b, network="vgg", backbone=backbones["vgg"], heads=HEADS / "vgg.pth")
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=0)  # piq's constants are float32


def test_colours_are_red_green_blue_and_grey_is_all_three(backbones):
    how = {"network": "squeeze", "backbone": backbones["squeeze"], "heads": HEADS / "squeeze.pth"}
    a, b = pair(32)
    assert not torch.allclose(lpips(a.flip(1), b.flip(1), **how), lpips(a, b, **how), rtol=1e-3)
    grey = [each[:, :1] for each in (a, b)]
    torch.testing.assert_close(
        lpips(*grey, **how), lpips(*(each.expand(-1, 3, -1, -1) for each in grey), **how)
    )


def test_places_without_features_have_no_gradient_and_not_an_undefined_one():
    values = torch.zeros(1, 4, 1, 2)
    values[..., 1] = 2.0
    values.requires_grad_()
    scaled = unit(values)
    assert scaled[..., 0].eq(0).all()
    assert scaled[..., 1].eq(0.5).all()
    (gradient,) = torch.autograd.grad((scaled - 1).square().sum(), values)
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize(("network", "least"), [("alex", 31), ("vgg", 16), ("squeeze", 17)])
def test_images_too_small_for_the_network_are_refused(network, least):
    with pytest.raises(UsageError, match=f"LPIPS takes sides of {least} pixels or more, the images only"):
        lpips(*torch.rand(2, 1, 3, least, least - 1), network=network)


def test_other_networks_and_heads_are_refused(backbones):
    a, b = pair(32)
    with pytest.raises(UnknownNameError, match="unknown network 'vgg19'"):
        lpips(a, b, network="vgg19")
    with pytest.raises(WeightsError, match="weights of another network"):
        lpips(a, b, network="alex", backbone=backbones["alex"], heads=HEADS / "squeeze.pth")


@pytest.mark.data
def test_a_real_backbone_with_real_heads_ranks_noise_as_people_would(real_data):
    """SqueezeNet trained on ImageNet (not torchvision's weights): stronger noise is further away."""
    from PIL import Image

    path = min((real_data / "nips2017" / "images").glob("*.png"))
    pixels = np.asarray(Image.open(path).convert("RGB").resize((160, 160)))
    image = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
    how = {
        "network": "squeeze",
        "backbone": real_data / "imagenet" / "squeezenet1_1.safetensors",
        "heads": real_data / "perceptual" / "lpips" / "v0.1_squeeze.pth",
    }
    values = torch.cat([lpips(image, (image + s * noise).clamp(0, 1), **how) for s in (0.01, 0.05, 0.2)])
    assert (values.diff() > 0).all()
