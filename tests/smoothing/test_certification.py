"""Certificates against the closed form of a plane, and how often they are wrong."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import binom, norm

from limen.analysis import certified_radii
from limen.defenses import Defended, bit_depth
from limen.errors import UsageError
from limen.smoothing import ABSTAINED, Smoothed, certify, predict

from .linear import contrasts, distances, halfspace


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("sigma", [0.25, 0.5, 1.0])
def test_the_radius_of_a_plane_is_the_distance_to_it_less_what_the_draws_leave_open(sigma, dtype):
    classifier, images, n = halfspace(dtype), contrasts(8, dtype), 4000
    exact = distances(classifier, images).double().numpy()
    made = certify(Smoothed(classifier, sigma, batch_size=4000), images, n=n, alpha=0.001)
    chances = norm.cdf(exact / sigma)
    least, most = (certified_radii(binom.ppf(q, n, chances), n, sigma, 0.001) for q in (1e-5, 1 - 1e-5))
    seen = made.radii.numpy()
    proved = ~made.abstained.numpy()
    assert proved.sum() >= 6
    assert made.predictions[proved].equal(classifier(images).argmax(1)[proved])
    assert (seen[proved] <= most[proved] + 1e-6).all()
    assert (seen >= np.nan_to_num(least) - 1e-6).all()
    assert (seen <= exact).all()


def test_more_draws_bring_the_radius_nearer_to_the_distance():
    classifier, images = halfspace(), contrasts(6)
    smoothed = Smoothed(classifier, 1.0, batch_size=10_000)
    exact = distances(classifier, images).double()
    left = [(exact - certify(smoothed, images, n=n).radii).mean().item() for n in (100, 1000, 20_000)]
    assert left[0] > left[1] > left[2] > 0
    assert left[2] < 0.05


def near(count: int, distance: float) -> torch.Tensor:
    """Unlike images, all at one distance from the plane."""
    normal = halfspace(torch.float64).module.plane.normal.detach().reshape(1, 1, 4, 4)
    images = torch.rand(count, 1, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    images = 0.5 + 0.4 * (images - 0.5)
    centred = images - 0.5
    return 0.5 + centred - (centred * normal).sum((1, 2, 3), keepdim=True) * normal + distance * normal


def test_a_certificate_is_too_large_with_a_chance_of_at_most_alpha():
    images, alpha, n = near(600, 0.3), 0.1, 60
    made = certify(Smoothed(halfspace(torch.float64), 0.5, batch_size=6000), images, n0=30, n=n, alpha=alpha)
    wrong = (made.radii > 0.3) & ~made.abstained | (made.predictions == 0)
    counts = np.arange(n + 1)
    radii = certified_radii(counts, n, 0.5, alpha)
    chance = binom.pmf(counts, n, norm.cdf(0.6))[np.nan_to_num(radii) > 0.3].sum()
    assert chance <= alpha
    assert abs(wrong.double().mean().item() - chance) < 4 * (alpha * (1 - alpha) / 600) ** 0.5
    assert wrong.any()


def test_on_the_plane_itself_nearly_all_is_abstained():
    images, smoothed = near(600, 0.0), Smoothed(halfspace(torch.float64), 0.5, batch_size=6000)
    alpha, slack = 0.1, 4 * (0.1 * 0.9 / 600) ** 0.5
    answered = 1 - certify(smoothed, images, n0=20, n=60, alpha=alpha).abstained.double().mean().item()
    assert 0 < answered < alpha + slack
    decided = (predict(smoothed, images, n=60, alpha=alpha) != ABSTAINED).double().mean().item()
    assert 0 < decided < alpha + slack


def test_away_from_the_plane_the_prediction_is_that_of_the_plane():
    classifier, images = halfspace(), contrasts(8)
    far = distances(classifier, images) > 0.3
    assert far.sum() >= 5
    found = predict(Smoothed(classifier, 0.5, batch_size=1000), images, n=1000)
    assert found[far].equal(classifier(images).argmax(1)[far])


def test_what_is_abstained_has_no_radius():
    made = certify(Smoothed(halfspace(), 1.0, batch_size=1000), contrasts(40), n0=10, n=10)
    assert 0 < made.abstained.sum() < 40
    assert ((made.radii == 0) | ~made.abstained).all()
    assert (made.predictions[made.abstained] == ABSTAINED).all()


@pytest.mark.parametrize("batch_size", [1, 3, 7, 1000])
def test_a_certificate_does_not_depend_on_the_batch_or_on_how_the_draws_are_cut(batch_size):
    images = contrasts(5)
    whole = certify(Smoothed(halfspace(), 0.5), images, n0=9, n=50)
    cut = Smoothed(halfspace(), 0.5, batch_size=batch_size)
    turned = certify(cut, images.flip(0)[:3], n0=9, n=50)
    assert turned.counts.equal(whole.counts.flip(0)[:3])
    assert turned.radii.equal(whole.radii.flip(0)[:3])
    assert predict(cut, images, n=50).equal(predict(Smoothed(halfspace(), 0.5), images, n=50))


def test_the_draws_that_choose_are_not_those_that_bound():
    smoothed, images = Smoothed(halfspace(), 0.5), contrasts(6)
    choosing, bounding = smoothed.votes(images, range(-50, 0)), smoothed.votes(images, range(50))
    assert not choosing.equal(bounding)
    for n0 in (21, 50):
        made = certify(smoothed, images, n0=n0, n=50)
        assert made.counts.equal(bounding.gather(1, choosing.argmax(1, keepdim=True))[:, 0])


def test_no_image_has_no_certificate_and_one_has_one():
    smoothed = Smoothed(halfspace(), 0.5)
    made = certify(smoothed, contrasts(0), n=20)
    assert made.radii.shape == made.predictions.shape == made.counts.shape == (0,)
    assert predict(smoothed, contrasts(0), n=20).shape == (0,)
    assert certify(smoothed, contrasts(1), n=20).radii.shape == (1,)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"n": 0}, "n is 0"),
        ({"n": 2.5}, "n is 2.5"),
        ({"n0": 0}, "n0 is 0"),
        ({"alpha": 0.0}, "alpha is 0.0"),
        ({"alpha": 1.0}, "alpha is 1.0"),
        ({"n": 9}, "at least 10 draws"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, said):
    with pytest.raises(UsageError, match=said):
        certify(Smoothed(halfspace()), contrasts(1), **settings)


def test_ten_draws_are_enough_to_prove_something():
    made = certify(Smoothed(halfspace(), 0.1), near(1, 0.5).float(), n=10)
    assert made.radii.item() > 0


def test_images_that_cannot_take_the_noise_are_refused():
    with pytest.raises(UsageError, match=r"\[0, 1\]"):
        certify(Smoothed(halfspace()), contrasts(1) * 255, n=20)
    with pytest.raises(UsageError, match=r"\[0, 1\]"):
        certify(Smoothed(Defended(halfspace(), bit_depth)), contrasts(1), n=20)
