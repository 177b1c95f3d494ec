"""Attacks of least distance take the steps that Foolbox's and torchattacks' take, iterate by iterate."""

from __future__ import annotations

import math

import pytest
import torch
import torchattacks

from limen.attacks import carlini_wagner_l2, ddn, deepfool
from limen.images import norm

from .oracles import assert_same, foolbox, from_foolbox, from_torchattacks, limen, watched

# Limen's w is that of a sigmoid, the others' that of a hyperbolic tangent: half as long, so half the rate.
CONSTANT_RATE = {"learning_rate": 0.02, "final_rate": 1.0, "patience": None}
ADAM = {"rtol": 0.0, "atol": 3e-4}
"""Adam adds 1e-8 to the root of a gradient that is twice as long in the other variables."""


class FallingDDN(foolbox.attacks.DDNAttack):
    """DDN whose γ falls to a tenth along a half cosine, as Limen's does, rather than stays: it is read
    twice per step."""

    reads = 0

    @property
    def gamma(self) -> float:
        progress = self.reads // 2 / self.steps
        self.reads += 1
        return self.first * (0.1 + 0.9 * (1 + math.cos(math.pi * progress)) / 2)

    @gamma.setter
    def gamma(self, first: float) -> None:
        self.first = first


def test_one_climb_of_carlini_wagner_takes_the_steps_of_foolbox(targeted):
    problem = watched(targeted=targeted)
    attack = carlini_wagner_l2(steps=39, search_steps=1, initial_constant=5.0, **CONSTANT_RATE)
    outcome, ours = limen(problem, attack)
    theirs = foolbox.attacks.L2CarliniWagnerAttack(
        binary_search_steps=1, steps=40, stepsize=0.01, initial_const=5.0, abort_early=False
    )
    images, seen = from_foolbox(problem, theirs)
    assert_same(ours, seen, **ADAM)
    assert outcome.success.all()
    torch.testing.assert_close(outcome.images, images, **ADAM)


@pytest.mark.filterwarnings("ignore::limen.errors.LimenWarning")
def test_carlini_wagners_search_tries_the_constants_of_foolbox(targeted):
    problem, slow = (
        watched(count=12, targeted=targeted).at(torch.arange(6)),
        {**CONSTANT_RATE, "learning_rate": 0.01},
    )
    once, attack = (
        carlini_wagner_l2(steps=14, search_steps=climbs, initial_constant=0.1, **slow) for climbs in (1, 4)
    )
    first, _ = limen(problem, once)
    assert 0 < first.success.sum() < 6  # so that some constants grow, and some fall
    outcome, ours = limen(problem, attack)
    theirs = foolbox.attacks.L2CarliniWagnerAttack(
        binary_search_steps=4, steps=15, stepsize=0.005, initial_const=0.1, abort_early=False
    )
    images, seen = from_foolbox(problem, theirs)
    assert_same(ours, seen, **ADAM)
    assert outcome.success.all()
    torch.testing.assert_close(outcome.images, images, **ADAM)


def test_carlini_wagner_takes_the_steps_of_torchattacks():
    problem = watched()
    attack = carlini_wagner_l2(
        steps=39, search_steps=1, learning_rate=2e-3, final_rate=1.0, initial_constant=5.0, patience=None
    )
    _, ours = limen(problem, attack)
    _, seen = from_torchattacks(problem, torchattacks.CW, c=5.0, steps=40, lr=1e-3)
    # It ends where the sum of the batch's losses has risen.
    assert len(seen) >= 20
    assert_same(ours[: len(seen)], seen, **ADAM)


def test_ddn_takes_the_steps_of_foolbox(targeted):
    problem = watched(targeted=targeted)
    outcome, ours = limen(problem, ddn(steps=40, eps=1.0, gamma=0.05, loss="cross_entropy"))
    images, seen = from_foolbox(problem, FallingDDN(steps=40, init_epsilon=1.0, gamma=0.05))
    # Foolbox keeps the radius in float32, and does not look at the last iterate.
    assert_same(ours[:-1], seen, atol=1e-6)
    assert outcome.success.all()
    distance, theirs = norm(outcome.images - problem.images), norm(images - problem.images)
    last = norm(ours[-1] - problem.images)
    assert torch.where(last < theirs, last, theirs).allclose(distance, rtol=1e-5)


@pytest.mark.parametrize("classes", [4, 8])
@pytest.mark.parametrize("overshoot", [0.02, 0.3])
def test_deepfool_ends_where_torchattacks_ends(classes, overshoot):
    problem = watched(classes=classes)
    outcome, _ = limen(problem, deepfool(steps=50, classes=classes, overshoot=overshoot))
    images, _ = from_torchattacks(problem, torchattacks.DeepFool, steps=50, overshoot=overshoot)
    assert outcome.success.all()
    torch.testing.assert_close(outcome.images, images, rtol=0, atol=1e-9)


def test_deepfool_takes_the_steps_of_torchattacks():
    problem = watched(count=6, classes=8, curvature=16.0).at(torch.tensor([0]))
    outcome, ours = limen(problem, deepfool(steps=50, classes=8))
    assert outcome.steps.item() >= 3
    _, seen = from_torchattacks(problem, torchattacks.DeepFool, steps=50, overshoot=0.02)
    assert_same(ours, seen)
