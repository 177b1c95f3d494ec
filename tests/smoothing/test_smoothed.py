"""The smoothed classifier as a classifier: its class, its gradient, its repeatability, its name."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import limen
from limen.defenses import Adaptive, Defended, bit_depth, total_variation
from limen.errors import UsageError
from limen.seeds import content_seeds, draw
from limen.smoothing import Smoothed
from limen.structure import gradcam

from .linear import contrasts, distances, halfspace

DRAWS = 12


def small(dtype: torch.dtype = torch.float32) -> limen.Classifier:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(24, 4)
    )
    return limen.Classifier(net.to(dtype), mean=[0.4, 0.5, 0.6], std=[0.2, 0.3, 0.25])


def colours(count: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.rand(count, 3, 8, 8, dtype=dtype, generator=torch.Generator().manual_seed(5))


def noises(images: Tensor, sigma: float, count: int = DRAWS, seed: int = 0) -> list[Tensor]:
    seeds = content_seeds(seed, images)
    shape = images.shape[1:]
    drawn = [draw(torch.randn, seeds, shape, torch.float32, salt=place) for place in range(count)]
    return [sigma * each.to(images.dtype) for each in drawn]


@pytest.mark.parametrize("batch_size", [1, 5, 1000])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_logits_and_gradient_are_those_of_the_mean_probability_over_the_same_draws(dtype, batch_size):
    classifier, images = small(dtype), colours(3, dtype)
    smoothed = Smoothed(classifier, 0.2, DRAWS, batch_size=batch_size)
    tracked, plain = (images.clone().requires_grad_() for _ in range(2))
    mean = torch.stack([classifier(plain + noise).softmax(1) for noise in noises(images, 0.2)]).mean(0)
    seen = smoothed(tracked)
    tolerance = 1e-5 if dtype == torch.float32 else 1e-12
    agreed = mean.argmax(1) == seen.argmax(1)
    assert agreed.all()
    torch.testing.assert_close(seen, mean.log(), rtol=tolerance, atol=tolerance)
    weights = torch.linspace(-1, 2, seen.numel(), dtype=dtype).reshape(seen.shape)
    expected, found = (
        torch.autograd.grad((logits * weights).sum(), x)[0]
        for logits, x in ((mean.log(), plain), (seen, tracked))
    )
    assert expected.abs().max() > 0
    torch.testing.assert_close(found, expected, rtol=100 * tolerance, atol=tolerance)


class Undecided(nn.Module):
    """Unsure of class 0 above a brightness of 0.4, and sure of class 1 below it."""

    def forward(self, images: Tensor) -> Tensor:
        value = images.mean((1, 2, 3))
        bright = value > 0.4
        first = torch.where(bright, 0.1 + 0.01 * value, -20 + value)
        return torch.stack([first, torch.zeros_like(first)], 1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_class_is_that_of_the_votes_where_mean_probabilities_are_for_another(dtype):
    images = torch.full((1, 1, 1, 1), 0.5, dtype=dtype)
    smoothed = Smoothed(limen.Classifier(Undecided()), 0.25, 200)
    votes = smoothed.votes(images, range(200))
    assert 100 < votes[0, 0] < 160
    tracked = images.clone().requires_grad_()
    logits = smoothed(tracked)
    given = [smoothed.classifier(images + noise).softmax(1) for noise in noises(images, 0.25, 200)]
    mean = torch.stack(given).mean(0)
    assert mean[0, 1] > 0.6
    assert logits.argmax(1).item() == 0
    torch.testing.assert_close(logits[:, 1], mean[:, 1].log())
    torch.testing.assert_close(logits[:, 0], mean[:, 1].log())
    # The gradient is that of the mean probability nevertheless.
    assert torch.autograd.grad(logits[0, 0], tracked)[0].item() > 0


def test_votes_are_what_the_classifier_says_under_each_draw():
    classifier, images = small(), colours(4)
    smoothed = Smoothed(classifier, 0.5, DRAWS)
    each = torch.stack([classifier(images + noise).argmax(1) for noise in noises(images, 0.5)])
    expected = torch.stack([(each == label).sum(0) for label in range(4)], 1)
    assert smoothed.votes(images, range(DRAWS)).equal(expected)
    assert (expected.amax(1) < DRAWS).any()


def test_the_answer_is_the_same_twice_in_any_batch_and_leaves_torchs_generator_alone():
    smoothed, images = Smoothed(small(), 0.5, DRAWS), colours(5)
    before = torch.get_rng_state()
    whole = smoothed(images)
    assert smoothed(images).equal(whole)
    torch.testing.assert_close(smoothed(images.flip(0)[1:3]), whole.flip(0)[1:3])
    assert torch.get_rng_state().equal(before)


def test_other_seeds_and_other_images_draw_other_noise():
    images = colours(1)
    answers = [Smoothed(small(), 0.5, DRAWS, seed)(images) for seed in (0, 1)]
    assert not torch.allclose(*answers)
    assert not torch.allclose(*(noises(each, 1.0)[0] for each in (images, 1 - images)))


def test_both_precisions_have_the_same_noise():
    images = limen.images.quantize(colours(3))
    single, double = (
        Smoothed(small(dtype), 0.5, DRAWS)(images.to(dtype)) for dtype in (torch.float32, torch.float64)
    )
    torch.testing.assert_close(single.double(), double, rtol=1e-4, atol=1e-4)


def test_no_image_has_no_logits():
    smoothed = Smoothed(small(), 0.5, DRAWS)
    assert smoothed(colours(0)).shape == (0, 4)
    assert smoothed.votes(colours(0), range(3)).shape == (0, 4)


def test_the_network_is_never_passed_more_than_the_batch_size_or_one_draw_of_a_batch():
    seen: list[int] = []

    class Watched(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            seen.append(len(images))
            return images.flatten(1)[:, :4]

    smoothed = Smoothed(limen.Classifier(Watched(), ask=False), 0.5, 10, batch_size=6)
    smoothed(colours(2).requires_grad_()).sum().backward()
    assert max(seen) == 6
    assert sum(seen) == 2 * 2 * 10  # each pass once more on the way back
    seen.clear()
    smoothed.votes(colours(8), range(3))
    assert max(seen) == 6
    assert sum(seen) == 8 * 3
    seen.clear()
    smoothed(colours(8))
    assert seen == [8] * 10


def test_an_attack_pays_for_every_draw_and_fools_beyond_the_distance_to_the_plane_alone():
    classifier, images = halfspace(), contrasts(16) * 0.2 + 0.4
    smoothed = Smoothed(classifier, 0.1, 100)
    labels, far = smoothed(images).argmax(1), distances(classifier, images)
    assert far.min() > 0
    inside, beyond = (
        limen.attacks.pgd_l2(eps=scale * far, steps=5)(smoothed, images, labels, lattice=None)
        for scale in (0.5, 2.0)
    )
    wide = far > 0.1
    assert not inside.success[wide].any()
    assert beyond.success[wide].all()
    assert wide.sum() >= 4
    bare = limen.attacks.pgd_l2(eps=0.5 * far, steps=5, early_stop=False)(classifier, images, labels)
    noisy = limen.attacks.pgd_l2(eps=0.5 * far, steps=5, early_stop=False)(smoothed, images, labels)
    assert noisy.backwards.equal(bare.backwards * 100)


def test_attention_does_not_depend_on_how_the_draws_are_cut():
    images, labels = colours(3), torch.tensor([0, 1, 2])
    whole, cut = (
        gradcam(Smoothed(small(), 0.3, DRAWS, batch_size=rows), images, labels, layer="1")
        for rows in (1000, 7)
    )
    assert whole.amax() == 1
    torch.testing.assert_close(whole, cut, rtol=1e-4, atol=1e-4)


def test_fingerprints_tell_apart_what_answers_otherwise():
    bare = small()
    made = [
        Smoothed(bare, 0.5),
        Smoothed(bare, 0.25),
        Smoothed(bare, 0.5, draws=99),
        Smoothed(bare, 0.5, seed=1),
        bare,
    ]
    assert len({each.fingerprint() for each in made}) == len(made)
    assert Smoothed(bare, 0.5, batch_size=3).fingerprint() == made[0].fingerprint()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"sigma": 0.0}, "sigma is 0.0"),
        ({"sigma": float("inf")}, "sigma is inf"),
        ({"draws": 0}, "draws is 0"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"draws": True}, "draws is True"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, said):
    with pytest.raises(UsageError, match=said):
        Smoothed(small(), **settings)


def test_what_is_smoothed_is_not_smoothed_again():
    with pytest.raises(UsageError, match="smoothed already"):
        Smoothed(Smoothed(small()))


def test_behind_a_defence_that_an_attack_knows_of_every_draw_counts_too():
    smoothed = Defended(Smoothed(small(), 0.3, DRAWS), total_variation)
    assert Adaptive(smoothed, 3).draws == 3 * DRAWS
    assert Adaptive(Defended(smoothed.classifier, bit_depth), 3).draws == DRAWS
    images = colours(2)
    assert Adaptive(smoothed, 1)(images).shape == (2, 4)


def test_images_outside_the_range_are_refused_although_noise_leaves_it():
    with pytest.raises(UsageError, match=r"\[0, 1\]"):
        Smoothed(small())(colours(1) * 2)
