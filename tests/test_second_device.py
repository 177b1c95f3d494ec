"""What computes with tensors keeps to their device, as far as a second device that is played can tell."""

from __future__ import annotations

import functools

import pytest
import torch

from limen.defenses import DEFENSES
from limen.metrics import METRICS
from limen.structure import SALIENCY, hill, superpixels

from .second_device import beside, second_device

LEARNED = {"lpips", "dists", "pieapp"}  # need weights; their networks are moved to the images' device
NEED = {"bit_depth": {"bits": 3}}


def photographs(count=2, side=176):
    random = torch.Generator().manual_seed(0)
    return (255 * torch.rand(count, 3, side, side, generator=random)).round() / 255


def assert_same(pair):
    here, away = pair
    torch.testing.assert_close(away, here, rtol=0, atol=0)


@pytest.mark.parametrize("name", sorted({*METRICS} - LEARNED))
def test_metrics_compute_on_the_device_of_the_images(name):
    images = photographs()
    assert_same(beside(METRICS[name].function, images, (images + 0.03).clamp(max=1)))


@pytest.mark.parametrize("name", DEFENSES)
def test_defences_return_to_the_device_of_the_images(name):
    assert_same(beside(functools.partial(DEFENSES[name], **NEED.get(name, {})), photographs(side=32)))


@pytest.mark.parametrize("name", ["spectral_residual", "center_surround"])
def test_saliency_is_on_the_device_of_the_images(name):
    assert_same(beside(SALIENCY[name], photographs(side=32)))


def test_structure_is_on_the_device_of_the_images():
    assert_same(beside(hill, photographs(side=32)))
    assert_same(beside(lambda images: superpixels(images).labels, photographs(side=32)))


def test_what_is_left_behind_is_refused():
    images = photographs(side=4)
    with second_device():
        away = images.to("meta")
        for mixed in (
            lambda: away + images,
            lambda: torch.cat([away, images]),
            lambda: torch.where(images > 0.5, away, 0),
            lambda: images[torch.tensor([0], device="meta")],
            lambda: away.index_add(0, torch.tensor([0]), away[:1]),
        ):
            with pytest.raises(RuntimeError, match="same device"):
                mixed()
        assert torch.equal((2 * away[torch.tensor([1])]).cpu(), 2 * images[1:])
        with pytest.raises((TypeError, RuntimeError), match="numpy"):
            away.numpy()
