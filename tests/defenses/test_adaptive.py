"""Gradients through, around and over the draws of defences, as attacks that know of them take them."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest
import scipy.fft
import torch
from torch import nn

from limen import Classifier, catalog, data
from limen.attacks import pgd_l2
from limen.defenses import (
    Adaptive,
    Defended,
    average_pool,
    bit_depth,
    differentiable_jpeg,
    dnn_jpeg,
    is_random,
    jpeg,
    total_variation,
    webp,
)
from limen.defenses.seen_rounding import rounded_as_seen
from limen.errors import UnknownNameError, UsageError
from limen.seeds import content_seeds

SHAPE = (2, 3, 16, 16)
JPEG = functools.partial(jpeg, quality=40)


@pytest.fixture
def images():
    return (torch.rand(SHAPE, generator=torch.Generator().manual_seed(1)) * 255).round() / 255


@pytest.fixture
def net():
    torch.manual_seed(0)
    return Classifier(nn.Sequential(nn.Flatten(), nn.Linear(768, 32), nn.Tanh(), nn.Linear(32, 4)))


def coarse(images):
    """A defence of a user's own, without a gradient and without anything that stands in for it."""
    return (8 * images.detach()).round() / 8


def gradient(classifier, images):
    variables = images.clone().requires_grad_()
    (found,) = torch.autograd.grad(classifier(variables)[:, 0].sum(), variables)
    return found


@pytest.mark.parametrize("chain", [(JPEG,), (bit_depth, average_pool), (average_pool, JPEG, bit_depth)])
def test_it_answers_as_the_defended_classifier_where_nothing_is_drawn(net, images, chain):
    defended = catalog.behind(net, chain)
    for backward in ("own", "identity"):
        assert torch.equal(Adaptive(defended, 5, backward)(images), defended(images))


def test_a_defence_that_has_a_gradient_keeps_it(net, images):
    defended = Defended(net, average_pool)
    assert torch.equal(gradient(Adaptive(defended), images), gradient(defended, images))
    assert torch.equal(gradient(Adaptive(defended, backward="identity"), images), gradient(defended, images))


def test_what_stands_in_for_a_defence_gives_its_gradient_at_the_defended_image(net, images):
    defended = Defended(net, JPEG)
    at_the_end = gradient(net, jpeg(images, quality=40))
    variables = images.clone().requires_grad_()
    stands_in = differentiable_jpeg(variables, quality=40)
    (expected,) = torch.autograd.grad((stands_in * at_the_end).sum(), variables)
    torch.testing.assert_close(gradient(Adaptive(defended), images), expected)
    torch.testing.assert_close(gradient(Adaptive(defended, backward="identity"), images), at_the_end)
    assert not torch.allclose(expected, at_the_end)


@pytest.mark.parametrize("quality", [20, 50, 100])
def test_what_stands_in_for_dnn_jpeg_rounds_its_frequencies_softly(net, images, quality):
    """By the chain rule through an orthonormal transform, written out with scipy."""
    shield = functools.partial(dnn_jpeg, quality=quality)
    at_the_end = gradient(net, shield(images))
    factor = max((200 - 2 * quality) / 100 if quality >= 50 else 50 / quality, 0)
    steps = np.full((8, 8), 30.0)
    steps[:4, :4] = 25
    steps = np.maximum(steps * factor, 1)
    expected = np.zeros(SHAPE)
    for place in itertools.product(*map(range, SHAPE[:2]), (0, 8), (0, 8)):
        window = (*place[:2], slice(place[2], place[2] + 8), slice(place[3], place[3] + 8))
        counts = scipy.fft.dctn(255 * images[window].double().numpy(), norm="ortho") / steps
        decoded = scipy.fft.idctn(counts.round() * steps, norm="ortho") / 255
        felt = np.where((decoded > 0) & (decoded < 1), at_the_end[window].numpy(), 0)
        slope = 3 * (counts - counts.round()) ** 2
        expected[window] = scipy.fft.idctn(slope * scipy.fft.dctn(felt, norm="ortho"), norm="ortho")
    found = gradient(Adaptive(Defended(net, shield)), images).double().numpy()
    close = np.isclose(found, expected, atol=1e-6, rtol=1e-3)
    assert close.mean() > 0.999  # values that end on 0 or 1 but for rounding may be felt or not
    assert np.abs(found).max() > 1e-4


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_what_stands_in_for_bit_depth_rounds_values_softly(net, images, bits):
    shield = functools.partial(bit_depth, bits=bits)
    counts = images * (2**bits - 1)
    slope = 3 * (counts - counts.round()).square()
    expected = slope * gradient(net, shield(images))
    torch.testing.assert_close(gradient(Adaptive(Defended(net, shield)), images), expected)
    assert expected.abs().max() > 1e-4


def test_what_stands_in_for_levels_by_powers_feels_no_value_that_ends_beyond_white(net):
    images = torch.tensor([0.3, 0.95]).repeat(1, 3, 16, 8)
    shield = functools.partial(bit_depth, bits=2, levels="power")  # 0, 64, 128, 192 and 256, cut off
    found = gradient(Adaptive(Defended(net, shield)), images)
    counts = images * 255 / 64
    slope = 3 * (counts - counts.round()).square() * (counts.round() < 4)
    torch.testing.assert_close(found, slope * gradient(net, shield(images)))
    assert found.abs().max() > 1e-6


def test_without_a_stand_in_the_gradient_goes_straight_through(net, images):
    defended = Defended(net, coarse)
    torch.testing.assert_close(gradient(Adaptive(defended), images), gradient(net, coarse(images)))
    assert not Adaptive(defended).has_stand_ins
    assert Adaptive(Defended(defended, webp)).has_stand_ins


def test_what_stands_in_for_webp_moves_what_the_file_holds_further_than_the_identity():
    images = torch.stack([data.demo("photos").load(place).image for place in range(6)])
    wanted = torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    given = images.clone().requires_grad_()
    (rounded_as_seen(given, webp(images)) * wanted).sum().backward()
    gains = []
    for way in (given.grad, wanted):
        moved = (images + 0.005 * way / way.square().mean().sqrt()).clamp(0, 1)
        gains.append(float((wanted * (webp(moved) - webp(images))).sum()))
    assert gains[0] > 1.5 * gains[1] > 0


def test_rounding_is_seen_in_the_frequencies_of_grey_blocks():
    images = torch.rand(2, 1, 8, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    made, wanted = (torch.rand_like(images) for _ in range(2))
    images.requires_grad_()
    (rounded_as_seen(images, made) * wanted).sum().backward()
    for place in range(2):
        corners = [(y, x) for y in (0, 4) for x in (0, 4, 8)]
        lost, pull = (
            {at: scipy.fft.dctn(plane[at[0] : at[0] + 4, at[1] : at[1] + 4], norm="ortho") for at in corners}
            for plane in (255 * (images - made)[place, 0].detach().numpy(), wanted[place, 0].numpy())
        )
        half = np.sort(np.abs([*lost.values()]).ravel())[round(0.95 * 96) - 1]
        for (y, x), losses in lost.items():
            slope = 3 * (losses / (2 * half)) ** 2 + 0.1
            expected = scipy.fft.idctn(slope * pull[y, x], norm="ortho")
            found = images.grad[place, 0, y : y + 4, x : x + 4].numpy()
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_random_defences_are_averaged_over_draws_that_are_not_their_own(net, images):
    defended = Defended(net, functools.partial(total_variation, drop=0.3))
    drawn = [
        net(total_variation(images, drop=0.3, seeds=content_seeds(-1 - draw, images))) for draw in range(3)
    ]
    torch.testing.assert_close(Adaptive(defended, 3)(images), torch.stack(drawn).mean(0))
    assert Adaptive(defended, 3).draws == 3
    assert not torch.allclose(Adaptive(defended)(images), defended(images))
    assert Adaptive(Defended(net, bit_depth), 3).draws == 1


def test_what_draws_is_told_by_its_signature():
    assert is_random(total_variation)
    assert is_random(catalog.chain("total_variation:drop=0.2")[0])
    assert not is_random(catalog.chain("jpeg:quality=20")[0])


def test_an_answer_does_not_depend_on_the_batch(net, images):
    adaptive = Adaptive(catalog.behind(net, catalog.chain("total_variation:drop=0.3+jpeg")), 2)
    both = adaptive(images)
    torch.testing.assert_close(adaptive(images[1:]), both[1:])
    torch.testing.assert_close(adaptive(images.flip(0)), both.flip(0))
    assert adaptive(images[:0]).shape == (0, 4)


def test_passes_of_every_draw_are_counted(net, images):
    adaptive = Adaptive(Defended(net, functools.partial(total_variation, drop=0.3)), 4)
    outcome = pgd_l2(eps=0.1, steps=3)(adaptive, images, adaptive(images).argmax(1))
    assert outcome.steps.tolist() == [3, 3]
    assert outcome.forwards.tolist() == [16, 16]
    assert outcome.backwards.tolist() == [12, 12]


@pytest.mark.filterwarnings("ignore::limen.errors.LimenWarning")
def test_an_attack_that_knows_of_a_defence_fools_more_than_one_that_does_not(net):
    images = (torch.rand((24, *SHAPE[1:]), generator=torch.Generator().manual_seed(2)) * 255).round() / 255
    defended = Defended(net, functools.partial(bit_depth, bits=1))
    how, labels = pgd_l2(eps=0.45, steps=30), defended(images).argmax(1)
    with pytest.raises(UsageError, match=r"no gradient flows through the defence .* adaptively"):
        how(defended, images, labels)
    unaware = how(net, images, net(images).argmax(1)).images
    adaptive = how(Adaptive(defended), images, labels)
    fooled = defended(adaptive.images).argmax(1) != labels
    assert torch.equal(fooled, adaptive.success)
    assert fooled.sum() >= 3 + (defended(unaware).argmax(1) != labels).sum()


@pytest.mark.parametrize("draws", [0, -1, 2.0, True])
def test_draws_are_one_at_least(net, draws):
    with pytest.raises(UsageError, match="draws is"):
        Adaptive(net, draws)


def test_an_unknown_way_back_is_refused(net):
    with pytest.raises(UnknownNameError, match="backward"):
        Adaptive(net, backward="indentity")


def test_it_is_the_classifier_behind_its_defences(net):
    defended = Defended(net, bit_depth)
    assert Adaptive(defended).fingerprint() == defended.fingerprint()
    assert Adaptive(defended).device == net.device
