from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data
from torch import Tensor

from limen.attacks.constraint import SsimBall
from limen.errors import UsageError
from limen.images import column, from_uint8, quantize
from limen.metrics import dissimilarity, ssim

from .networks import generator
from .states import problem_of

KINDS = ("random", "flat", "photograph", "half flat", "black and white")
MOVES = ("noise", "smooth", "middle", "frame")
BORDERS = ("reflect", 0.1, "valid")

quick = settings(max_examples=60, deadline=None)
kinds, moves, borders = st.sampled_from(KINDS), st.sampled_from(MOVES), st.sampled_from(BORDERS)
seeds, lattices = st.integers(0, 10_000), st.sampled_from([None, 255, 15])
budgets = st.floats(-6, -0.53).map(lambda power: 10**power)


def images_of(kind: str, side: int = 24, lattice: int | None = None, seed: int = 0) -> Tensor:
    """Three images (3, 3, side, side), float64, on the lattice if there is one."""
    random = generator(seed)
    images = torch.rand(3, 3, side, side, generator=random, dtype=torch.float64)
    if kind == "flat":
        images = images[..., :1, :1].expand(images.shape).clone()
    elif kind == "photograph":
        places = [(30, 180), (90, 300), (300, 60)]
        views = [data.astronaut()[y : y + side, x : x + side] for y, x in places]
        images = torch.stack([from_uint8(view[None])[0] for view in views]).double()
    elif kind == "half flat":
        images[..., side // 2 :] = 0.3
    elif kind == "black and white":
        images = images.round()
    return quantize(images, lattice)


def perturbation(kind: str, images: Tensor, seed: int) -> Tensor:
    drawn = torch.randn(images.shape, generator=generator(seed + 1), dtype=images.dtype) * 0.1
    if kind == "smooth":
        return drawn[..., :1, :1].expand(images.shape).clone()
    inner = torch.zeros_like(drawn)
    inner[..., 5:-5, 5:-5] = 1
    return drawn if kind == "noise" else drawn * (inner if kind == "middle" else 1 - inner)


def ball_around(originals: Tensor, eps, lattice: int | None = None, border="reflect") -> SsimBall:
    return SsimBall(eps=eps, border=border).bind(problem_of(originals, lattice))


def cost(images: Tensor, originals: Tensor) -> Tensor:
    """1 − SSIM as the metric has it, in float64."""
    return 1 - ssim(images.double(), originals.double())


@quick
@given(kinds, moves, seeds, lattices, budgets, borders, st.floats(-1, 1).map(lambda power: 10**power))
def test_what_is_stored_keeps_to_the_budget(kind, move, seed, lattice, eps, border, share):
    originals = images_of(kind, lattice=lattice, seed=seed)
    ball, delta = ball_around(originals, eps, lattice, border), perturbation(move, originals, seed)
    delta *= column(2 * eps * share / ball.tensor.energy(delta)).sqrt()
    stored = ball.store(ball.project(originals + delta))
    assert (cost(stored, originals) <= eps * (1 + 1e-6) + 1e-12).all()
    assert ball.contains(stored).all()
    assert stored.aminmax().min >= 0
    assert stored.aminmax().max <= 1
    if lattice is not None:
        assert torch.allclose(stored * lattice, (stored * lattice).round(), atol=1e-9)


@pytest.mark.parametrize("share", [0.2, 0.49])
@pytest.mark.parametrize("side", [12, 16])
def test_of_small_images_the_tensor_is_not_taken_at_its_word(side, share):
    # All of the perturbation is under the few windows that SSIM averages over, but not the tensor.
    originals = images_of("flat", side) * 0.8 + 0.1
    ball, delta = ball_around(originals, 1e-3), perturbation("middle", originals, 0)
    delta *= column(2e-3 * share / ball.tensor.energy(delta)).sqrt()
    assert (cost(originals + delta, originals) > 1.1e-3).all() or side > 12
    stored = ball.store(originals + delta)
    assert (cost(stored, originals) <= 1e-3 * (1 + 1e-6)).all()
    assert (cost(stored, originals) >= 0.2e-3).all()


@quick
@given(kinds, seeds, st.floats(-5, -1.5).map(lambda power: 10**power), borders)
def test_dense_perturbations_use_nearly_the_whole_budget(kind, seed, eps, border):
    originals = images_of(kind, side=48, seed=seed) * 0.5 + 0.25
    ball = ball_around(originals, eps, border=border)
    stored = ball.store(ball.project(originals + 10 * perturbation("noise", originals, seed)))
    assert (cost(stored, originals) >= 0.8 * eps).all()


@quick
@given(kinds, moves, seeds, budgets, borders)
def test_away_from_the_bounds_projection_scales_to_the_ellipsoid(kind, move, seed, eps, border):
    originals = images_of(kind, seed=seed) * 0.2 + 0.4
    ball, delta = ball_around(originals, eps, border=border), perturbation(move, originals, seed)
    delta *= column(2 * eps * 1.5 / ball.tensor.energy(delta)).sqrt()
    once = ball.project(originals + delta)
    free = ((once > 0) & (once < 1)).flatten(1).all(1)
    assert torch.allclose(once[free], (originals + delta / 1.5**0.5)[free], atol=1e-9)
    assert torch.allclose(ball.select(free.nonzero()[:, 0]).project(once[free]), once[free], atol=1e-9)
    assert torch.equal(ball.project(originals + delta), once)
    assert (cost(once[free], originals[free]) > 0).all()


@quick
@given(kinds, seeds, lattices, st.sampled_from([0.0, 1e-6, 0.3]), borders)
def test_originals_are_members_that_stay_as_they_are(kind, seed, lattice, eps, border):
    originals = images_of(kind, lattice=lattice, seed=seed)
    ball = ball_around(originals, eps, lattice, border)
    assert ball.contains(originals).all()
    assert torch.equal(ball.project(originals.clone()), originals)
    assert torch.equal(ball.store(originals), originals)


@pytest.mark.parametrize("kind", KINDS)
def test_members_are_stored_as_they_are(kind):
    originals = images_of(kind)
    member = (originals + 1e-6 * perturbation("noise", originals, 0)).clamp(0, 1)
    ball = ball_around(originals, 0.01)
    assert ball.contains(member).all()
    assert torch.allclose(ball.project(member.clone()), member, atol=1e-12)
    assert torch.equal(ball.store(member), member)


def test_what_is_too_unlike_or_outside_the_box_is_no_member():
    originals = images_of("random")
    ball = ball_around(originals, 0.01)
    assert not ball.contains(1 - originals).any()
    outside = originals.clone()
    outside[:, :, 0, 0] = torch.tensor([-1e-3, 1.001, 0.5]).reshape(3, 1)
    assert cost(outside[2:], originals[2:]) < 0.01
    assert ball.contains(outside).tolist() == [False, False, True]


@pytest.mark.parametrize("lattice", [None, 255])
def test_each_sample_has_its_own_budget(lattice):
    originals, eps = images_of("photograph", 48, lattice), torch.tensor([3e-3, 0.1, 0.0])
    far = originals + perturbation("noise", originals, 0)
    ball = ball_around(originals, eps, lattice)
    stored = ball.store(ball.project(far.clone()))
    assert (cost(stored, originals) <= eps * (1 + 1e-6)).all()
    assert (cost(stored, originals) >= 0.8 * eps).all()
    second = ball_around(originals[1:2], 0.1, lattice)
    assert torch.allclose(second.store(second.project(far[1:2].clone())), stored[1:2], atol=1e-7)
    assert torch.equal(ball.select(torch.tensor([1])).store(ball.project(far.clone())[1:2]), stored[1:2])


def test_the_judge_of_the_loop_is_the_metric():
    originals = images_of("photograph").float()
    images = (originals + 0.02 * perturbation("noise", originals, 0).float()).clamp(0, 1)
    expected = 1 - ssim(images.double(), originals.double())
    torch.testing.assert_close(dissimilarity(images, originals).double(), expected, rtol=1e-3, atol=0)


def test_images_smaller_than_the_window_are_refused():
    with pytest.raises(UsageError, match="11×11 pixels, the images only 10×24"):
        ball_around(torch.rand(1, 3, 10, 24), 0.01)


def test_no_samples_are_no_trouble():
    ball = ball_around(torch.zeros(0, 3, 12, 12), 0.01, 255)
    assert ball.store(ball.project(torch.zeros(0, 3, 12, 12))).shape == (0, 3, 12, 12)
