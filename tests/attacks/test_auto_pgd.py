"""Auto-PGD takes the steps of torchattacks' port of the published program, and projects to L1 as it must."""

from __future__ import annotations

import math

import cvxpy
import numpy as np
import pytest
import torch
import torchattacks
from hypothesis import given, settings
from hypothesis import strategies as st

from limen.attacks import apgd_l1, apgd_l2, apgd_linf
from limen.attacks.auto_step import AutoStep
from limen.attacks.constraint import L2Ball, LinfBall, projection
from limen.attacks.constraint.projection import onto_ball
from limen.images import norm

from .oracles import assert_same, from_torchattacks, limen, watched

NORMS = pytest.mark.parametrize(
    ("factory", "ball", "budget"),
    [(apgd_linf, LinfBall, 0.004), (apgd_l2, L2Ball, 0.06)],
    ids=["linf", "l2"],
)


@NORMS
def test_it_takes_the_steps_of_torchattacks(factory, ball, budget, monkeypatch):
    problem = watched(count=6, curvature=20)
    settings = {"norm": "Linf" if ball is LinfBall else "L2", "eps": budget, "steps": 60}
    _, (_, *theirs) = from_torchattacks(problem, torchattacks.APGD, **settings)
    # Its first step counts as a rise where the loss is more than 0, and Limen's where it rises: it does here.
    monkeypatch.setattr(ball, "sample", lambda *_: theirs[0].clone())
    lengths, checked = [], AutoStep._checked

    def noted(step, state):
        found = checked(step, state)
        lengths.append(found[0].length.flatten().tolist())
        return found

    monkeypatch.setattr(AutoStep, "_checked", noted)
    _, (_, *ours) = limen(problem, factory(eps=budget, steps=60))
    # Its numbers are of single precision; in the end the signs of gradients near 0 differ.
    assert_same(ours[:45], theirs[:45], atol=2e-6)
    halvings = torch.tensor(lengths)[-1] / (2 * budget)
    assert len(halvings.unique()) > 1  # so that samples differ in when they shorten their steps
    assert (halvings < 0.5).any()


@NORMS
def test_the_ratio_of_logits_is_climbed_as_in_torchattacks(factory, ball, budget, monkeypatch):
    # Up to the first checkpoint, and where no sample is fooled: with its label third, the ratio is constant.
    problem, eps = watched(count=6, curvature=20), budget / 40
    settings = {"norm": "Linf" if ball is LinfBall else "L2", "eps": eps, "steps": 60, "loss": "dlr"}
    _, (_, *theirs) = from_torchattacks(problem, torchattacks.APGD, **settings)
    monkeypatch.setattr(ball, "sample", lambda *_: theirs[0].clone())
    outcome, (_, *ours) = limen(problem, factory(eps=eps, steps=60, loss="dlr"))
    assert not outcome.success.any()
    torch.testing.assert_close(torch.stack(ours[:13]), torch.stack(theirs[:13]), atol=1e-8, rtol=0)
    assert not torch.equal(ours[0], ours[1])


def test_checkpoints_are_those_of_the_paper():
    step, due = AutoStep(1.0, steps=100), []
    values = torch.zeros(1)
    state = type("At", (), {"values": values, "success": values > 1})
    step = step._started(state)
    while step.due < 100:
        due.append(step.due)
        moved = type(step)(**{**step.__dict__, "step": step.due, "length": values, "value": values})
        step = moved._checked(state)[0]
    assert due == [22, 41, 57, 70, 80, 87, 93, 99]


@given(seed=st.integers(0, 2**20), radius=st.floats(0.01, 6), spread=st.floats(0.05, 2))
@settings(max_examples=25, deadline=None)
def test_the_projection_to_ball_and_box_in_l1_is_that_of_a_convex_solver(seed, radius, spread):
    random = np.random.default_rng(seed)
    original, point = random.random(6), random.random(6) + random.normal(0, spread, 6)
    nearest = cvxpy.Variable(6)
    problem = cvxpy.Problem(
        cvxpy.Minimize(cvxpy.sum_squares(nearest - point)),
        [cvxpy.norm1(nearest - original) <= radius, nearest >= 0, nearest <= 1],
    )
    problem.solve(solver=cvxpy.CLARABEL, tol_gap_abs=1e-12, tol_gap_rel=1e-12, tol_feas=1e-12)
    images, originals = (torch.tensor(each).reshape(1, 1, 2, 3) for each in (point, original))
    found = onto_ball(images, originals, torch.full((1, 1, 1, 1), radius, dtype=torch.float64), 1)
    torch.testing.assert_close(found.flatten(), torch.tensor(nearest.value), atol=1e-5, rtol=0)
    assert float(norm(found - originals, 1)) <= radius * (1 + 1e-9)


def test_newton_settles_float32_in_l1_within_a_few_steps(monkeypatch):
    random = torch.Generator().manual_seed(0)
    delta = torch.randn(8, 3, 12, 12, generator=random).clamp(-1, 1).abs()
    radius = delta.flatten(1).sum(1)[:, None, None, None] * torch.logspace(-3, -0.3, 8)[:, None, None, None]
    sums = []
    monkeypatch.setattr(projection, "norm", lambda *given: sums.append(given[1]) or norm(*given))
    found = onto_ball(delta, torch.zeros_like(delta), radius, 1)
    torch.testing.assert_close(norm(found, 1), radius.flatten(), rtol=1e-5, atol=0)
    assert sums.count(1) <= 10


@given(order=st.sampled_from([0, 1, 2, math.inf]), seed=st.integers(0, 2**20), radius=st.floats(0, 8))
@settings(max_examples=60, deadline=None)
def test_a_projection_holds_ball_and_box_and_leaves_members_alone(order, seed, radius):
    random = torch.Generator().manual_seed(seed)
    originals = torch.rand(3, 2, 3, 3, generator=random, dtype=torch.float64)
    images = originals + torch.randn(3, 2, 3, 3, generator=random, dtype=torch.float64)
    bound = torch.full((3, 1, 1, 1), float(radius), dtype=torch.float64)
    found = onto_ball(images.clone(), originals, bound, order)
    assert (norm(found - originals, order) <= radius * (1 + 1e-9) + 1e-12).all()
    assert found.min() >= 0 <= 1 - found.max()
    torch.testing.assert_close(onto_ball(found.clone(), originals, bound, order), found, atol=1e-9, rtol=0)
    free = torch.full_like(bound, math.inf)
    torch.testing.assert_close(onto_ball(images.clone(), originals, free, order), images.clamp(0, 1))


def test_what_lies_in_the_larger_balls_of_l1_is_no_success():
    problem = watched(count=6)
    least = apgd_l1(eps=0.01, steps=20)(problem.classifier, problem.images, problem.labels, lattice=None)
    outcome, seen = limen(problem, apgd_l1(eps=1.0, steps=20))
    lengths = torch.stack([norm(images - problem.images, 1) for images in seen[1:]])
    assert (lengths[:6] > 2.5).all()  # three times the budget for 30 % of the steps
    assert (lengths[-8:] <= 1 + 1e-6).all()
    assert outcome.success.any()
    assert not least.success.all()
    found = norm(outcome.images - problem.images, 1)[outcome.success]
    assert (found <= 1 + 1e-6).all()


def test_each_step_in_l1_changes_fewer_values_than_the_gradient_has():
    problem = watched(count=4)
    _, seen = limen(problem, apgd_l1(eps=0.3, steps=20, larger_first=False, random_start=False))
    changed = norm(seen[1] - problem.images, 0)
    assert (changed <= 0.2 * problem.images[0].numel() + 1).all()
    assert (changed > 0).all()


def test_climbing_toward_each_class_finds_what_the_margin_alone_does_not():
    """With the ratio toward a class, other classes are climbed to than the nearest at the original."""
    problem = watched(count=12, curvature=30)
    outcome, _ = limen(problem, apgd_linf(eps=0.002, steps=10, targets=3, early_stop=True))
    assert outcome.success.any()
    reached = outcome.predictions[outcome.success]
    assert (reached != problem.labels[outcome.success]).all()
    one, _ = limen(problem, apgd_linf(eps=0.002, steps=10, targets=1, early_stop=True))
    assert outcome.success.sum() >= one.success.sum()
    assert (outcome.forwards >= one.forwards).all()
