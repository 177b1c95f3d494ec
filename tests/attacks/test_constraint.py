from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from torch import Tensor

from limen.attacks.constraint import L0Ball, L2Ball, LinfBall
from limen.attacks.constraint.projection import onto_ball
from limen.attacks.part import Problem
from limen.attacks.protocols import Constraint
from limen.images import dot, norm

from .networks import generator
from .states import problem_of

SHAPE = (3, 1, 4, 4)
BALLS = {"linf": (LinfBall, 0.3), "l2": (L2Ball, 1.0), "l0": (L0Ball, 6)}

quick = settings(max_examples=40, deadline=None)
seeds = st.integers(0, 10_000)
shares = st.floats(0.01, 1.0)
balls = st.sampled_from(sorted(BALLS))
lattices = st.sampled_from([None, 255, 15])


def originals_of(seed: int, lattice: int | None) -> Tensor:
    """Images with many values at 0 and 1, on the lattice if there is one."""
    drawn = torch.rand(SHAPE, generator=generator(seed), dtype=torch.float64).mul(1.6).sub(0.3).clamp(0, 1)
    return drawn if lattice is None else drawn.mul(lattice).round().div(lattice)


def far_images(seed: int) -> Tensor:
    return torch.randn(SHAPE, generator=generator(seed + 1), dtype=torch.float64).add(0.5)


def ball_of(name: str, share: float, problem: Problem):
    """The ball with a budget for each sample: all of the share, half and a third of it."""
    kind, most = BALLS[name]
    eps = most * share * torch.tensor([1, 1 / 2, 1 / 3], dtype=torch.float64)
    return kind(eps=eps.ceil() if name == "l0" else eps).bind(problem), eps


@quick
@given(balls, seeds, shares, lattices)
def test_projection_lands_inside_and_stays_there(name, seed, share, lattice):
    problem = problem_of(originals_of(seed, lattice), lattice)
    ball, _ = ball_of(name, share, problem)
    once = ball.project(far_images(seed))
    assert ball.contains(once).all()
    assert torch.allclose(ball.project(once.clone()), once, atol=1e-12)
    assert (once != problem.originals).any() or name == "linf"


@quick
@given(balls, seeds, shares, lattices)
def test_originals_are_members_that_projection_leaves_alone(name, seed, share, lattice):
    problem = problem_of(originals_of(seed, lattice), lattice)
    ball, _ = ball_of(name, share, problem)
    assert ball.contains(problem.originals).all()
    assert torch.allclose(ball.project(problem.originals.clone()), problem.originals, atol=1e-12)


@quick
@given(balls, seeds, shares, st.sampled_from([255, 15]))
def test_what_is_stored_is_on_the_lattice_and_inside(name, seed, share, lattice):
    problem = problem_of(originals_of(seed, lattice), lattice)
    ball, eps = ball_of(name, share, problem)
    stored = ball.store(ball.project(far_images(seed)))
    levels = stored * lattice
    assert torch.allclose(levels, levels.round(), atol=1e-9)
    assert ball.contains(stored).all()
    order = {"linf": math.inf, "l2": 2, "l0": 0}[name]
    exact = (levels.round() - problem.originals.mul(lattice).round()) / lattice
    assert (norm(exact, order) <= (eps.ceil() if name == "l0" else eps) + 2e-6).all()


@quick
@given(st.sampled_from(["linf", "l2"]), seeds, st.floats(0.2, 1.0))
def test_originals_off_the_lattice_are_stored_inside_where_the_budget_spans_a_step(name, seed, share):
    problem = problem_of(originals_of(seed, None), 255)
    ball, _ = ball_of(name, share, problem)
    stored = ball.store(ball.project(far_images(seed)))
    assert torch.allclose(stored * 255, (stored * 255).round(), atol=1e-9)
    assert ball.contains(stored).all()


@quick
@given(st.sampled_from(["linf", "l2"]), seeds, shares)
def test_members_are_drawn_inside_by_seed(name, seed, share):
    problem = problem_of(originals_of(seed, None), seed=seed)
    ball, _ = ball_of(name, share, problem)
    drawn = ball.sample(problem, 0)
    assert ball.contains(drawn).all()
    assert torch.equal(drawn, ball.sample(problem, 0))
    assert not torch.equal(drawn, ball.sample(problem, 2))
    again = ball_of(name, share, problem_of(problem.originals, seed=seed + 1))[0]
    assert not torch.equal(drawn, again.sample(problem_of(problem.originals, seed=seed + 1), 0))


@quick
@given(st.sampled_from(["linf", "l2"]), seeds, shares)
def test_no_member_drawn_has_a_greater_inner_product_than_the_maximiser(name, seed, share):
    problem = problem_of(originals_of(seed, None), seed=seed)
    ball, _ = ball_of(name, share, problem)
    gradient = far_images(seed + 1)
    best = ball.maximise(gradient)
    assert ball.contains(best).all()
    for salt in range(20):
        member = ball.project(problem.originals + 9 * (ball.sample(problem, 2 * salt) - problem.originals))
        assert (dot(gradient, best) >= dot(gradient, member) - 1e-6).all()


@quick
@given(st.sampled_from(["linf", "l2"]), seeds)
def test_away_from_the_bounds_the_maximiser_is_the_closed_form(name, seed):
    originals = torch.full(SHAPE, 0.5, dtype=torch.float64)
    ball, gradient = BALLS[name][0](eps=0.2).bind(problem_of(originals)), far_images(seed)
    step = gradient.sign() if name == "linf" else gradient / norm(gradient).reshape(-1, 1, 1, 1)
    assert torch.allclose(ball.maximise(gradient), originals + 0.2 * step, atol=1e-6)


@pytest.mark.parametrize("eps", [0.1, 0.7, 1.2, 3.0])
@pytest.mark.parametrize("seed", range(4))
def test_the_l2_maximiser_inside_the_box_is_that_of_a_solver(eps, seed):
    originals = originals_of(seed, None)[:1, :, :2, :3]
    gradient = far_images(seed)[:1, :, :2, :3]
    x, g = originals.flatten().numpy(), gradient.flatten().numpy()
    solved = minimize(
        lambda y: -(g @ y),
        x,
        jac=lambda y: -g,
        method="SLSQP",
        bounds=[(0, 1)] * len(x),
        constraints={"type": "ineq", "fun": lambda y: eps**2 - ((y - x) ** 2).sum()},
        options={"ftol": 1e-9, "maxiter": 500},
    )
    best = L2Ball(eps=eps).bind(problem_of(originals)).maximise(gradient)
    assert solved.success
    assert norm(best - originals).item() <= eps + 1e-9
    assert dot(gradient, best).item() == pytest.approx(-solved.fun, abs=1e-5)


@pytest.mark.parametrize("kind", [LinfBall, L2Ball])
def test_without_a_gradient_the_maximiser_is_the_original(kind):
    originals = originals_of(0, 255)
    ball = kind(eps=0.2).bind(problem_of(originals))
    assert torch.equal(ball.maximise(torch.zeros_like(originals)), originals)


@quick
@given(seeds, st.sampled_from([None, 255]))
def test_an_exact_ball_pushes_outward_to_the_sphere(seed, lattice):
    originals = torch.full((2, 3, 8, 8), 128 / 255, dtype=torch.float64)
    ball = L2Ball(eps=0.5, exact=True).bind(problem_of(originals, lattice))
    near = originals + 1e-3 * torch.randn(originals.shape, generator=generator(seed), dtype=torch.float64)
    stored = ball.store(ball.project(near))
    assert ball.contains(stored).all()
    assert (norm(stored - originals) >= 0.5 * (1 - 1e-9 if lattice is None else 0.98)).all()


def test_l0_projection_keeps_the_greatest_changes():
    originals = torch.full((1, 1, 1, 5), 0.5)
    changed = originals + torch.tensor([0.1, -0.4, 0.0, 0.3, -0.2])
    kept = L0Ball(eps=2).bind(problem_of(originals)).project(changed.clone())
    assert torch.allclose(kept - originals, torch.tensor([0.0, -0.4, 0.0, 0.3, 0.0]))


def test_an_image_without_the_lattice_is_stored_as_it_is():
    for name, (kind, eps) in BALLS.items():
        originals = originals_of(1, None)
        ball = kind(eps=eps).bind(problem_of(originals))
        member = ball.project(far_images(1))
        assert torch.equal(ball.store(member), member), name


def test_the_plain_constraint_holds_what_is_between_zero_and_one():
    box = Constraint().bind(problem_of(originals_of(0, None)))
    assert box.contains(torch.tensor([0.0, 1.0, -1e-3]).reshape(3, 1, 1, 1)).tolist() == [True, True, False]
    assert box.project(far_images(0)).aminmax() == (0.0, 1.0)


def test_a_ball_that_nothing_projects_onto_is_refused():
    zeros = torch.zeros(SHAPE)
    with pytest.raises(ValueError, match="no projection in L3"):
        onto_ball(zeros, zeros, torch.ones(len(zeros), 1, 1, 1), 3)
