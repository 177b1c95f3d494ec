"""FAB: its projection is that of a convex solver, and its steps are those of torchattacks."""

from __future__ import annotations

import math

import cvxpy
import numpy as np
import pytest
import torch
import torchattacks
from hypothesis import given, settings
from hypothesis import strategies as st

from limen.attacks import fab, fmn
from limen.attacks.adaptive_boundary import to_hyperplane
from limen.images import dot, norm

from .networks import photos, smooth_mlp, task
from .oracles import Watched, from_torchattacks, limen, watched

ORDERS = {"L1": 1.0, "L2": 2.0, "Linf": math.inf}


@given(order=st.sampled_from([1, 2, math.inf]), seed=st.integers(0, 2**20), share=st.floats(-1.3, 1.3))
@settings(max_examples=40, deadline=None)
def test_the_least_change_to_a_hyperplane_in_the_box_is_that_of_a_convex_solver(order, seed, share):
    random = np.random.default_rng(seed)
    image, normal = random.random(6).round(1), random.normal(size=6)
    normal[random.integers(6)] = 0
    room = np.where(normal * share > 0, 1 - image, image)
    most = float(np.abs(normal) @ room)
    gap = share * most
    images, normals = (torch.tensor(each).reshape(1, 1, 2, 3) for each in (image, normal))
    change = to_hyperplane(images, normals, torch.tensor([gap], dtype=torch.float64), order)
    assert (images + change).min() >= -1e-12
    assert (images + change).max() <= 1 + 1e-12
    gained = float(dot(normals, change))
    if abs(share) >= 1:  # there is not room for it: as far as there is
        assert gained == pytest.approx(math.copysign(most, share), abs=1e-9)
        return
    assert gained == pytest.approx(gap, abs=1e-9)
    moved = cvxpy.Variable(6)
    constraints = [normal @ moved == gap, image + moved >= 0, image + moved <= 1]
    least = cvxpy.Problem(
        cvxpy.Minimize(cvxpy.norm(moved, "inf" if order == math.inf else order)), constraints
    )
    least.solve(solver=cvxpy.CLARABEL)
    assert float(norm(change, order)) == pytest.approx(least.value, abs=1e-5)


@pytest.mark.parametrize("name", ORDERS)
@pytest.mark.parametrize("classes", [4, 2])
def test_fab_takes_the_steps_of_torchattacks(name, classes):
    network = Watched(smooth_mlp(classes=classes))  # torchattacks computes in float32
    problem = task(network, photos(1))
    outcome, ours = limen(problem, fab(norm=name.lower(), steps=20, classes=classes))
    _, seen = from_torchattacks(problem, Alone, norm=name, steps=14, eps=1e3, n_classes=classes)
    # It looks at each iterate once for its gradient, and at where that leads once more.
    theirs = distinct(seen)
    assert outcome.success.all()
    assert len(theirs) > 12
    for mine, other in zip(distinct(ours)[:12], theirs, strict=False):
        torch.testing.assert_close(mine, other, rtol=0, atol=2e-5)


class Alone(torchattacks.FAB):
    """One run, whose result is not compared with a budget, as it cannot be in L1."""

    def perturb(self, x, y):
        return self.attack_single_run(x, y)


def distinct(iterates: list[torch.Tensor]) -> list[torch.Tensor]:
    """Without what is looked at twice in turn."""
    kept = iterates[:1]
    for each in iterates[1:]:
        if not torch.equal(each, kept[-1]):
            kept.append(each)
    return kept


@pytest.mark.parametrize("name", ORDERS)
def test_fab_finds_nearly_the_least_that_fmn_finds(name):
    problem = watched(count=4)
    found, least = (
        norm(limen(problem, each)[0].images - problem.images, ORDERS[name])
        for each in (fab(norm=name.lower(), steps=80), fmn(norm=name.lower(), steps=100))
    )
    assert (found <= 1.05 * least).all()
