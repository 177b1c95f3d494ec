"""Masks of what a classifier looks at, on networks whose attention is known."""

from __future__ import annotations

import functools

import pytest
import torch
from torch import nn

from limen import Classifier
from limen.errors import UnknownNameError, UsageError
from limen.structure import ATTENTION, attention_mask, empty_or_full, foreground, gradcam, passes_of


def red_or_green() -> Classifier:
    """A network that sums the red of an image for class 0, and its green for class 1."""
    net = nn.Sequential(
        nn.Conv2d(3, 2, 1, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2, bias=False)
    )
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([[1.0, 0, 0], [0, 1.0, 0]])[:, :, None, None])
        net[3].weight.copy_(torch.eye(2))
    return Classifier(net)


def patches() -> torch.Tensor:
    images = torch.zeros(2, 3, 12, 12)
    images[:, 0, 2:5, 3:9] = torch.tensor([0.9, 0.2])[:, None, None]
    images[:, 1, 8:, 8:] = 0.3
    images[:, 0, 8:, :4] = torch.tensor([0.2, 0.1])[:, None, None]
    return images


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_pixel_at_the_threshold_is_foreground(dtype):
    maps = torch.tensor([[[0.0, 0.249], [0.25, 1.0]]], dtype=dtype)
    assert foreground(maps, 0.25).tolist() == [[[[False, False], [True, True]]]]
    assert foreground(maps, 0).all()


@pytest.mark.parametrize("method", [*ATTENTION, gradcam, functools.partial(gradcam, layer="0")])
def test_the_mask_is_where_the_evidence_for_the_class_lies(method):
    images = patches()
    masks = attention_mask(red_or_green(), images, torch.tensor([0, 1]), method)
    assert torch.equal(masks[0, 0], images[0, 0] >= 0.9 / 3)
    assert torch.equal(masks[1, 0], images[1, 1] > 0)


def test_the_class_is_the_prediction_unless_given():
    images = patches()
    images[1, 1] *= 3
    predicted = red_or_green()(images).argmax(1)
    assert predicted.tolist() == [0, 1]
    assert torch.equal(
        attention_mask(red_or_green(), images), attention_mask(red_or_green(), images, predicted)
    )


def test_a_method_of_ones_own_is_called_with_its_options():
    def channel(classifier, images, classes, which):
        return images[:, which] * (classes == 0)[:, None, None]

    masks = attention_mask(red_or_green(), patches(), torch.tensor([0, 1]), channel, 0.15, which=0)
    assert torch.equal(masks[0, 0], patches()[0, 0] > 0)
    assert not masks[1].any()


def test_a_flat_map_gives_an_empty_mask_and_is_told():
    images = torch.full((1, 3, 12, 12), 0.4)
    assert [each.tolist() for each in empty_or_full(attention_mask(red_or_green(), images))] == [
        [True],
        [False],
    ]
    masks = foreground(torch.tensor([[[0.0, 0.0]], [[0.0, 1.0]], [[0.5, 1.0]]]))
    assert [each.tolist() for each in empty_or_full(masks)] == [[True, False, False], [False, False, True]]
    assert [each.shape for each in empty_or_full(masks[:0])] == [(0,), (0,)]


def test_no_images_have_no_masks():
    assert attention_mask(red_or_green(), torch.zeros(0, 3, 12, 12)).shape == (0, 1, 12, 12)


def test_what_is_no_mask_is_refused():
    images = patches()
    with pytest.raises(UnknownNameError, match="attention method 'kam'; did you mean 'cam'"):
        attention_mask(red_or_green(), images, method="kam")
    with pytest.raises(UsageError, match=r"threshold must be in \[0, 1\], not 1.5"):
        foreground(images[:, 0], 1.5)
    with pytest.raises(UsageError, match=r"expected \(N, H, W\)"):
        foreground(images)
    with pytest.raises(UsageError, match=r"shape \(2, 3, 12, 12\); expected one \(H, W\)"):
        attention_mask(red_or_green(), images, method=lambda classifier, images, classes: images)


@pytest.mark.parametrize("name", ATTENTION)
def test_passes_are_those_that_a_method_takes(name):
    classifier, images, passes = red_or_green(), patches(), [0, 0]

    def count(module, given, made):
        if len(made) == len(images):  # and no pass of a single image, which finds a layer
            passes[0] += 1
            if made.requires_grad:
                made.register_hook(lambda gradient: passes.__setitem__(1, passes[1] + 1))

    classifier.module[2].register_forward_hook(count)
    ATTENTION[name](classifier, images)
    assert tuple(passes) == passes_of(ATTENTION[name])


def test_a_method_of_ones_own_may_say_its_passes():
    def mine(classifier, images, classes):
        return images[:, 0]

    assert passes_of(mine) == (1, 1)
    mine.passes = (0, 0)
    assert passes_of(mine) == (0, 0)
    assert passes_of(functools.partial(ATTENTION["cam"], relu=False)) == (1, 0)
