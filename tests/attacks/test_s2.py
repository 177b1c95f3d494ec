from __future__ import annotations

import itertools
from dataclasses import replace

import cvxpy
import numpy as np
import pytest
import skimage.data
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from limen import Classifier
from limen.attacks import fpgap, pgap
from limen.attacks.constraint import S2Ball
from limen.attacks.direction import Maximize
from limen.errors import UsageError
from limen.images import norm, quantize

from .networks import conv_net, generator, photos, task
from .states import problem_of, state_of

quick = settings(max_examples=40, deadline=None)
seeds = st.integers(0, 10_000)
budgets = st.floats(0.005, 0.5)


def s2(images: Tensor, originals: Tensor) -> Tensor:
    """(n,), as the paper's eq. 6 has it: (2·s_xy + c2) / (s_xx + s_yy + c2), in float64."""
    x, y = (batch.double().flatten(1) for batch in (originals, images))
    x, y = x - x.mean(1, keepdim=True), y - y.mean(1, keepdim=True)
    xx, yy, xy = ((a * b).mean(1) for a, b in ((x, x), (y, y), (x, y)))
    return (2 * xy + 0.03**2) / (xx + yy + 0.03**2)


def channels_of(images: Tensor) -> Tensor:
    return images.flatten(0, 1)[:, None]


def kind_of(name: str, side: int = 6, dtype: torch.dtype = torch.float64) -> Tensor:
    """Three images of a kind."""
    random = generator(len(name))
    if name == "photograph":
        whole = [getattr(skimage.data, each)() for each in ("astronaut", "cat", "coffee")]
        cut = [np.array(each[120 : 120 + side, 200 : 200 + side, :3]) for each in whole]
        return torch.tensor(np.stack(cut)).permute(0, 3, 1, 2).to(dtype) / 255
    images = torch.rand(3, 3, side, side, generator=random, dtype=torch.float64)
    if name == "flat":
        images = 0 * images + torch.tensor([0.2, 0.5, 0.97]).reshape(3, 1, 1, 1)
    if name == "saturated":
        images = images.mul(1.6).sub(0.3).clamp(0, 1)
    if name == "black and white":
        images = images.round()
    return images.to(dtype)


def ball_around(originals: Tensor, eps: float | Tensor, lattice: int | None = None, **settings) -> S2Ball:
    return S2Ball(eps=eps, **settings).bind(problem_of(originals, lattice))


def gradient_for(images: Tensor, seed: int = 0) -> Tensor:
    return torch.randn(images.shape, generator=generator(seed), dtype=torch.float64).add(0.2).to(images.dtype)


def solved(original: Tensor, eps: float, mean: bool, per_channel: bool, objective) -> np.ndarray:
    """The member (C·H·W,) that an interior point solver finds best, from eq. 6 and 7 made convex.

    The solver is asked for the way from the ball's centre in units of its radius: so it finds more digits.
    """
    x, eta = original.numpy(), 1 / (1 - eps**2)
    axes = (1, 2) if per_channel else (0, 1, 2)
    count, middle = x[0].size if per_channel else x.size, x.mean(axes, keepdims=True)
    square = (eta**2 - 1) * ((x - middle) ** 2).sum(axes, keepdims=True) + eta * eps**2 * count * 0.03**2
    centre, radius = (
        np.broadcast_to(each, x.shape).ravel() for each in (middle + eta * (x - middle), square**0.5)
    )
    way, constraints = cvxpy.Variable(x.size), []
    for group in np.split(np.arange(x.size), len(x) if per_channel else 1):
        constraints += [cvxpy.norm(way[group]) <= 1]
        constraints += [cvxpy.sum(way[group]) == 0] if mean else []
    constraints += [way >= -centre / radius, way <= (1 - centre) / radius]
    y = centre + cvxpy.multiply(radius, way)
    cvxpy.Problem(cvxpy.Minimize(objective(y) / radius.mean()), constraints).solve(solver="CLARABEL")
    return y.value


KINDS = ["random", "flat", "saturated", "black and white", "photograph"]


@pytest.mark.parametrize("per_channel", [False, True], ids=["joint", "per_channel"])
@pytest.mark.parametrize("mean", [True, False], ids=["mean", "free"])
@pytest.mark.parametrize("eps", [0.005, 0.05, 0.5])
@pytest.mark.parametrize("kind", KINDS)
def test_the_maximiser_is_that_of_an_interior_point_solver(kind, eps, mean, per_channel):
    originals = kind_of(kind, dtype=torch.float32)
    gradient = gradient_for(originals)
    best = {
        dtype: ball_around(originals.to(dtype), eps, mean=mean, per_channel=per_channel)
        .maximise(gradient.to(dtype))
        .double()
        for dtype in (torch.float32, torch.float64)
    }
    for row, (x, g) in enumerate(zip(originals.double(), gradient.double().flatten(1).numpy(), strict=True)):
        x_values = x.numpy().ravel()
        y = solved(x, eps, mean, per_channel, lambda y, x=x_values, g=g: -(g @ (y - x)))
        for dtype, images in best.items():
            gained = g @ (images[row].numpy().ravel() - x_values)
            # What the rounding of the values of a float32 image may cost.
            rounding = np.abs(g).sum() * torch.finfo(dtype).eps / 4
            assert gained == pytest.approx(g @ (y - x_values), rel=1e-6, abs=rounding)


def test_the_maximiser_is_that_of_a_solver_on_a_photograph_of_32_by_32():
    originals = kind_of("photograph", 32, torch.float32)[:1]
    gradient = gradient_for(originals)
    best = ball_around(originals, 0.02).maximise(gradient)
    g = gradient.double().flatten().numpy()
    y = solved(originals[0].double(), 0.02, True, False, lambda y: -(g @ y))
    x = originals.double().flatten().numpy()
    assert g @ (best.double().flatten().numpy() - x) == pytest.approx(g @ (y - x), rel=1e-6)


@pytest.mark.parametrize("per_channel", [False, True], ids=["joint", "per_channel"])
@pytest.mark.parametrize("mean", [True, False], ids=["mean", "free"])
@pytest.mark.parametrize("kind", KINDS)
def test_projection_finds_the_nearest_member_as_a_solver_does(kind, mean, per_channel):
    originals = kind_of(kind)
    far = originals + 0.3 * gradient_for(originals, 1)
    ball = ball_around(originals, 0.1, mean=mean, per_channel=per_channel)
    nearest = ball.project(far.clone())
    for x, z, y in zip(originals, far, nearest, strict=True):
        target = z.numpy().ravel()
        expected = solved(x, 0.1, mean, per_channel, lambda y, z=target: cvxpy.sum_squares(y - z))
        assert np.abs(y.flatten().numpy() - expected).max() < 2e-5
        assert (y - z).norm().item() == pytest.approx(np.linalg.norm(expected - target), rel=1e-6)


@quick
@given(seeds, budgets, st.sampled_from(KINDS), st.booleans(), st.booleans(), st.booleans())
def test_members_have_the_structure_and_the_mean_that_the_ball_asks_for(
    seed, eps, kind, mean, per_channel, box
):
    for dtype, digits in ((torch.float64, 1e-10), (torch.float32, 2e-6)):
        originals = kind_of(kind, dtype=dtype)
        ball = ball_around(originals, eps, mean=mean, per_channel=per_channel, box=box)
        furthest = ball.maximise(gradient_for(originals, seed))
        for images in (furthest, ball.project(originals + gradient_for(originals, seed + 1))):
            parts = [channels_of(batch) if per_channel else batch for batch in (images, originals)]
            assert (images is furthest and not box) or ball.contains(images).all()
            assert (1 - s2(*parts) <= eps**2 * (1 + 1e-5) + digits * eps).all()
            drift = (parts[0].double() - parts[1].double()).mean((1, 2, 3)).abs()
            assert not mean or (drift < 3 * digits).all()
            assert box is False or bool(((images >= 0) & (images <= 1)).all())


def literal_step(originals: Tensor, gradient: Tensor, eps: float) -> Tensor:
    """The paper's eq. 9 with k21 as printed, (η2)²‖x − μ‖² + c2·(η2·ε2²), and the N that c2 needs."""
    mean, eta = originals.mean((1, 2, 3), keepdim=True), 1 / (1 - eps**2)
    around, direction = originals - mean, gradient - gradient.mean((1, 2, 3), keepdim=True)
    k21 = eta**2 * norm(around) ** 2 + 0.03**2 * around[0].numel() * eta * eps**2
    step = (k21.sqrt() / norm(direction)).reshape(-1, 1, 1, 1) * direction
    return mean + eta * around + step


@pytest.mark.parametrize("eps", [0.005, 0.02, 0.1])
def test_the_printed_k21_leaves_the_ball_that_the_derived_one_keeps_to(eps):
    originals = kind_of("photograph", 16)
    gradient = gradient_for(originals)
    ball = ball_around(originals, eps, box=False)
    assert torch.allclose(s2(ball.maximise(gradient), originals), torch.tensor(1 - eps**2).double())
    printed = s2(literal_step(originals, gradient, eps), originals)
    assert (printed < 0.72).all()
    assert not ball.contains(literal_step(originals, gradient, eps).clamp(0, 1)).any()


def climbed(ball: S2Ball, originals: Tensor, steps: int) -> list[Tensor]:
    """The images of a climb along random gradients, as the loop makes them."""
    problem = problem_of(originals)
    ball, path = ball.bind(problem), [originals]
    for step in range(steps):
        gradient = gradient_for(originals, step)
        state = state_of(problem, path[-1], gradient=gradient)
        state = replace(state, constraint=ball.update(state))
        move, _ = Maximize()(gradient.clone(), state)
        path.append(state.constraint.project(path[-1] + move))
    return path


@quick
@given(st.sampled_from(KINDS), st.floats(0.005, 0.3), st.booleans(), st.booleans())
def test_every_step_of_a_recentred_climb_keeps_to_its_ball_and_all_to_their_sum(kind, eps, mean, box):
    for dtype, digits in ((torch.float64, 1e-9), (torch.float32, 1e-5)):
        originals = kind_of(kind, dtype=dtype)
        path = climbed(S2Ball(eps=eps, recenter=True, mean=mean, box=box), originals, 4)
        for count, (before, after) in enumerate(itertools.pairwise(path), 1):
            assert (1 - s2(after, before) <= eps**2 * (1 + 1e-5) + digits * eps).all()
            assert ((1 - s2(after, originals)).clamp_min(0).sqrt() <= count * eps * (1 + 1e-4) + digits).all()
            drift = (after.double() - originals.double()).mean((1, 2, 3)).abs()
            assert not mean or (drift < count * digits).all()
            assert after.aminmax().min >= 0
            assert after.aminmax().max <= 1
        assert ((1 - s2(path[-1], originals)).sqrt() > eps).any()


def test_away_from_the_bounds_pgap_and_fpgap_differ_by_the_centring_of_the_gradient():
    originals = torch.rand(3, 3, 8, 8, generator=generator(0), dtype=torch.float64) * 0.4 + 0.3
    gradient = gradient_for(originals)
    centred = gradient - gradient.mean((1, 2, 3), keepdim=True)
    pgap_ball, fpgap_ball = (ball_around(originals, 0.02, mean=mean) for mean in (True, False))
    assert torch.allclose(pgap_ball.maximise(gradient), fpgap_ball.maximise(centred), atol=1e-12)
    assert not torch.allclose(pgap_ball.maximise(gradient), fpgap_ball.maximise(gradient), atol=1e-4)
    for mean in (True, False):
        boxless = ball_around(originals, 0.02, mean=mean, box=False)
        boxed = ball_around(originals, 0.02, mean=mean)
        assert torch.allclose(boxless.maximise(gradient), boxed.maximise(gradient), atol=1e-12)


@pytest.mark.parametrize("mean", [True, False])
def test_statistics_by_channel_are_those_of_every_channel_as_an_image(mean):
    originals = kind_of("saturated")
    gradient = gradient_for(originals)
    whole = ball_around(originals, 0.2, mean=mean, per_channel=True).maximise(gradient)
    alone = ball_around(channels_of(originals), 0.2, mean=mean).maximise(channels_of(gradient))
    assert torch.allclose(channels_of(whole), alone, atol=1e-12)
    joint = ball_around(originals, 0.2, mean=mean).maximise(gradient)
    assert not torch.allclose(joint, whole, atol=1e-3)


@pytest.mark.parametrize("box", [True, False])
@pytest.mark.parametrize("mean", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_without_a_gradient_the_maximiser_is_the_original(kind, mean, box):
    for dtype in (torch.float32, torch.float64):
        originals = kind_of(kind, dtype=dtype)
        ball = ball_around(originals, 0.1, mean=mean, box=box)
        assert torch.equal(ball.maximise(torch.zeros_like(originals)), originals)
        if mean:
            assert torch.equal(ball.maximise(torch.full_like(originals, 0.3)), originals)


@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e12, 1e30])
def test_the_length_of_the_gradient_does_not_matter(scale):
    originals = kind_of("saturated", dtype=torch.float32)
    ball, gradient = ball_around(originals, 0.1), gradient_for(originals)
    assert torch.allclose(ball.maximise(gradient * scale), ball.maximise(gradient), atol=1e-6)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_black_or_white_image_has_no_other_of_its_mean(value):
    originals = torch.full((2, 3, 6, 6), value)
    assert torch.equal(ball_around(originals, 0.3).maximise(gradient_for(originals)), originals)
    moved = ball_around(originals, 0.3, mean=False).maximise(gradient_for(originals))
    assert (moved != originals).flatten(1).any(1).all()


def test_each_sample_has_its_own_budget():
    originals, eps = kind_of("random"), torch.tensor([0.01, 0.1, 0.0], dtype=torch.float64)
    best = ball_around(originals, eps).maximise(gradient_for(originals))
    assert torch.allclose((1 - s2(best, originals)).clamp_min(0).sqrt(), eps, atol=1e-7)
    alone = ball_around(originals[1:2], 0.1).maximise(gradient_for(originals)[1:2])
    assert torch.equal(best[1:2], alone)


@quick
@given(seeds, st.floats(0.02, 0.5), st.sampled_from(KINDS), st.booleans(), st.booleans())
def test_what_is_stored_in_one_fixed_ball_is_on_the_lattice_and_inside(seed, eps, kind, mean, per_channel):
    originals = quantize(kind_of(kind))
    ball = ball_around(originals, eps, 255, mean=mean, per_channel=per_channel)
    stored = ball.store(ball.maximise(gradient_for(originals, seed)))
    assert torch.allclose(stored * 255, (stored * 255).round(), atol=1e-9)
    assert ball.contains(stored).all()
    parts = [channels_of(batch) if per_channel else batch for batch in (stored, originals)]
    assert (s2(*parts) >= 1 - eps**2 - 1e-12).all()


def test_a_recentred_ball_stores_by_rounding_to_the_nearest():
    originals = kind_of("random")
    ball = ball_around(originals, 0.02, 255, recenter=True)
    images = ball.maximise(gradient_for(originals))
    assert torch.equal(ball.store(images), quantize(images))
    assert ball.contains(1 - images).all()


def test_a_budget_of_one_or_more_is_refused():
    with pytest.raises(UsageError, match=r"eps is 1\.0; expected less than 1"):
        S2Ball(eps=1.0)


@pytest.mark.parametrize("attack", [pgap(recenter=False, eps=0.2), fpgap(recenter=False, eps=0.2)])
def test_one_fixed_ball_is_a_budget_of_the_whole_attack(attack):
    problem = task(conv_net(), photos(6))
    outcome = attack(problem.classifier, problem.images, problem.labels)
    assert outcome.success.all()
    assert (s2(outcome.images, problem.images) >= 1 - 0.2**2 - 1e-6).all()


def test_a_lower_lead_to_end_at_keeps_the_climb_shorter():
    problem = task(conv_net(), photos(4))
    leads = []
    for kappa in (0.1, 50.0):
        attack = pgap(eps=0.02, steps=12, kappa=kappa, early_stop=False)
        outcome = attack(problem.classifier, problem.images, problem.labels)
        with torch.no_grad():
            logits = problem.classifier(outcome.images)
        own = logits.gather(1, problem.labels[:, None])[:, 0]
        leads.append(logits.scatter(1, problem.labels[:, None], -torch.inf).amax(1) - own)
    assert (leads[0] < leads[1]).all()


@pytest.mark.parametrize("factory", [pgap, fpgap])
def test_images_of_299_by_299_are_attacked(factory):
    module = nn.Sequential(
        nn.Conv2d(3, 4, 7, stride=4), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(64, 5)
    )
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator(parameter.numel())))
    image = torch.tensor(skimage.data.astronaut()[None, :299, 100:399]).permute(0, 3, 1, 2) / 255
    classifier = Classifier(module)
    with torch.no_grad():
        label = classifier(image).argmax(1)
    outcome = factory()(classifier, image, label)
    assert outcome.success.all()
    assert 1 - s2(outcome.images, image) <= (50 * 0.002) ** 2
