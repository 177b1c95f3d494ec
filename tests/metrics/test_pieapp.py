"""PieAPP on random weights of piq's network, and on a network that shows what it is given."""

from __future__ import annotations

import piq
import pytest
import torch
from piq.pieapp import PieAPPModel
from torch import nn

from limen import catalog
from limen.errors import UsageError
from limen.metrics import METRICS, pairwise_preference, pieapp


@pytest.fixture(scope="module")
def network():
    """piq's network with random weights, made as the metric makes it."""
    made = pairwise_preference._network().eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(0)
    for name, each in made.named_parameters():
        # Repeated, as drawing 62 million numbers takes long.
        block = torch.randn(len(each), 118 if each.numel() > 1e7 else each[0].numel(), generator=generator)
        scale = (2 / each[0].numel()) ** 0.5 if each.ndim > 1 else 0.1
        each.copy_(scale * block.repeat(1, each[0].numel() // block.shape[1]).view_as(each))
        if name.startswith("ref_score"):
            each.fill_(1.0)
    return made


class Shown:
    """A network that keeps the patches it is given; an error is their difference in red."""

    def __init__(self, red: int):
        self.red, self.given = red, []

    def __call__(self, patches):
        self.given.append(patches)
        return patches[:, self.red].mean((1, 2))[:, None], torch.ones(len(patches), 1, dtype=patches.dtype)

    def compute_difference(self, features, weights):
        return features, weights + 1


@pytest.fixture
def use(monkeypatch):
    """Put a network in the place of the published one."""

    def used(made):
        monkeypatch.setattr(pairwise_preference, "network_of", lambda *_: made)
        monkeypatch.setattr(pairwise_preference, "find", lambda *_: None)
        return made

    return used


def pair(*sides, count=2, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    a = torch.rand(count, 3, *sides, generator=generator)
    return a.to(dtype), (a + 0.1 * torch.randn(a.shape, generator=generator)).clamp(0, 1).to(dtype)


class PiqPieAPP(piq.PieAPP):
    """piq's PieAPP of a network that is given, where its weights are downloaded."""

    def __init__(self, network, stride):
        nn.Module.__init__(self)
        self.model, self.stride = network, stride
        self.data_range, self.reduction, self.enable_grad = 1.0, "none", True


def test_values_and_gradients_are_those_of_piq_in_either_order_of_colours(network, use):
    use(network)
    oracle = PiqPieAPP(network, 27)
    a, b = pair(64, 91)
    turned = b.flip(1).requires_grad_()
    expected = oracle(turned, a.flip(1))  # the distorted first, and blue before green and red
    (slope,) = torch.autograd.grad(expected.sum(), turned)
    image = b.clone().requires_grad_()
    found = pieapp(a, image)
    (gradient,) = torch.autograd.grad(found.sum(), image)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(gradient, slope.flip(1), rtol=1e-3, atol=1e-6)
    other = pieapp(a.flip(1), b.flip(1), channels="rgb")
    torch.testing.assert_close(other, expected.detach(), rtol=1e-4, atol=1e-5)
    for another in (pieapp(a, b, channels="rgb"), pieapp(b, a)):
        assert not torch.allclose(another, other, rtol=1e-3)


@pytest.mark.parametrize("channels", ["bgr", "rgb"])
def test_the_network_sees_0_to_255_in_the_order_that_is_asked_for(channels, use):
    network = use(Shown(red=2 if channels == "bgr" else 0))
    original, image = torch.zeros(1, 3, 64, 64), torch.zeros(1, 3, 64, 64)
    image[:, 0] = 1  # red
    assert pieapp(original, image, channels=channels).item() == -255
    assert network.given[1].amax() == 255
    assert network.given[0].amax() == 0


@pytest.mark.parametrize(("stride", "patches"), [(27, 81), (6, 1600), (300, 1)])
def test_patches_are_as_many_as_the_stride_gives(stride, patches, use):
    network = use(Shown(0))
    a, b = pair(299, 299, count=1)
    pieapp(a, b, channels="rgb", stride=stride)
    assert sum(map(len, network.given)) == 2 * patches
    assert max(map(len, network.given)) <= 128


def test_a_sample_does_not_depend_on_its_batch(use):
    use(Shown(1))
    a, b = pair(70, 91, count=5, dtype=torch.float64)
    alone = torch.cat([pieapp(a[i : i + 1], b[i : i + 1], stride=3) for i in range(5)])
    torch.testing.assert_close(pieapp(a, b, stride=3), alone, rtol=1e-12, atol=0)
    assert alone.unique().numel() == 5


def test_grey_images_are_all_three_colours_and_none_give_none(use):
    use(Shown(0))
    a, b = (each[:, :1] for each in pair(64, 64))
    torch.testing.assert_close(pieapp(a, b), pieapp(*(each.expand(-1, 3, -1, -1) for each in (a, b))))
    assert pieapp(a[:0], b[:0]).shape == (0,)


def test_weights_have_the_names_and_shapes_of_the_published_file():
    with torch.device("meta"):
        expected = {name: tuple(each.shape) for name, each in PieAPPModel().state_dict().items()}
    expected["ref_score_subtract.weight"] = (1,)  # which piq mends after it has read the file
    made = pairwise_preference._network().state_dict()
    assert {name: tuple(each.shape) for name, each in made.items()} == expected


def test_options_out_of_range_and_small_images_are_refused(use):
    use(Shown(0))
    with pytest.raises(UsageError, match="stride must be 1 or more and channels bgr or rgb, not 0"):
        pieapp(*pair(64, 64), stride=0)
    with pytest.raises(UsageError, match="not 27 and 'gbr'"):
        pieapp(*pair(64, 64), channels="gbr")
    with pytest.raises(UsageError, match="PieAPP takes sides of 64 pixels or more, the images only"):
        pieapp(*pair(63, 64))
    with pytest.raises(UsageError, match="metric spec 'pieapp:stride=0': stride must be 1"):
        catalog.metric("pieapp:stride=0")
    made = catalog.metric("pieapp:channels=rgb,stride=6")
    assert (made.column.key, made.least_side) == (
        "pieapp:channels=rgb,stride=6",
        METRICS["pieapp"].least_side,
    )
