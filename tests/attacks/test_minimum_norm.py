"""The least perturbations of FMN, PDPGD and σ-zero are those of adv-lib, and lie in no ball too small."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from limen.attacks import Attack, exchange, fmn, pdpgd, sigma_zero
from limen.attacks.composition import Composition
from limen.attacks.direction import Sign
from limen.attacks.library.arguments import distance_of
from limen.attacks.objective import Margin
from limen.attacks.proximal import PROXIMAL
from limen.attacks.retreat import Retreat
from limen.attacks.search import InTurn, Onward
from limen.attacks.update import Scale
from limen.classifier import Classifier
from limen.errors import UsageError
from limen.images import norm

from .networks import task
from .oracles import limen, watched

ORDERS = {"l0": 0.0, "l1": 1.0, "l2": 2.0, "linf": math.inf}

# By adv-lib 0.2.8 in float64, on the same network and images: fmn in 60 steps, pdpgd in 200.
FMN = {
    "l0": [3.0, 1.0, 3.0, 1.0],
    "l1": [0.920823, 0.045235, 1.04316, 0.065124],
    "l2": [0.124618, 0.006257, 0.150695, 0.009544],
    "linf": [0.007429, 0.000378, 0.009271, 0.000588],
}
PDPGD = {
    "l1": [1.140771, 0.057291, 1.141071, 0.07179],
    "l2": [0.129591, 0.006952, 0.155703, 0.010059],
    "linf": [0.007769, 0.000444, 0.009507, 0.000632],
}
SIGMA_ZERO = [3.0, 1.0, 3.0, 1.0]


def lengths(attack, order):
    problem = watched(count=4)
    outcome, _ = limen(problem, attack)
    assert outcome.success.all()
    return norm(outcome.images - problem.images, order)


@pytest.mark.parametrize("name", ORDERS)
def test_fmn_finds_what_adv_lib_finds(name):
    found = lengths(fmn(norm=name, steps=60), ORDERS[name])
    # In L1 both end at the same boundary; here the projection heeds [0, 1] as well.
    torch.testing.assert_close(found, torch.tensor(FMN[name]).double(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", PDPGD)
def test_pdpgd_finds_what_adv_lib_finds(name):
    found = lengths(pdpgd(norm=name, steps=200, learning_rate=0.1, relative=False), ORDERS[name])
    torch.testing.assert_close(found, torch.tensor(PDPGD[name]).double(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", PDPGD)
def test_neither_the_scale_of_logits_nor_the_published_lengths_matter_to_pdpgd(name):
    plain = watched(count=4)
    found = lengths(pdpgd(norm=name, steps=100), ORDERS[name])
    assert (found <= 1.02 * torch.tensor(PDPGD[name])).all()
    for factor in (1e-2, 1e3):
        scaled = task(Scaled(plain.classifier.module.module, factor), plain.images.float())
        given = scaled.classifier, scaled.images, scaled.labels
        outcome = pdpgd(norm=name, steps=100)(*given, lattice=None)
        reached = norm(outcome.images - scaled.images, ORDERS[name])
        torch.testing.assert_close(reached, found, rtol=0.01, atol=1e-6)


class Scaled(nn.Module):
    """A network whose logits are multiplied by a factor."""

    def __init__(self, module: nn.Module, factor: float) -> None:
        super().__init__()
        self.module, self.factor = module, factor

    def forward(self, images):
        return self.factor * self.module(images)


def test_sigma_zero_finds_no_more_than_adv_lib():
    assert (lengths(sigma_zero(steps=60), 0) <= torch.tensor(SIGMA_ZERO)).all()


@pytest.mark.parametrize("lattice", [None, 255])
def test_an_exchange_needs_few_values_at_the_ends_of_the_box(lattice):
    """No more than adv-lib's best, in half the steps, in floats as on 8 bits."""
    problem = watched(count=4)
    found = exchange(steps=30)(problem.classifier, problem.images, problem.labels, lattice=lattice).images
    changed = found != problem.images
    assert problem.fooled(found).all()
    assert (changed.flatten(1).sum(1) <= torch.tensor(SIGMA_ZERO)).all()
    assert set(found[changed].tolist()) <= {0.0, 1.0}


def test_an_exchange_undoes_a_value_that_only_seemed_to_help():
    """By the slope at the original the first value does the most; past a tenth it does harm."""

    class Turning(nn.Module):
        def forward(self, images):
            first, second, third, _ = images.flatten(1).unbind(1)
            turned = 10 * first - 20 * (first - 0.1).clamp_min(0)
            return torch.stack([torch.full_like(first, 4.0), turned + 3 * second + 2 * third], 1)

    images, labels = torch.zeros(1, 1, 2, 2), torch.tensor([0])
    found = exchange(steps=12)(Classifier(Turning()), images, labels).images
    assert found.flatten().tolist() == [0.0, 1.0, 1.0, 0.0]


@pytest.mark.parametrize("name", PDPGD)
def test_a_proximal_step_is_least(name):
    """No other perturbation near it, of its scale or with a value of another size, costs less."""
    random = torch.Generator().manual_seed(3)
    delta = torch.randn(2, 3, 4, 4, generator=random, dtype=torch.float64)
    weight = torch.tensor([0.3, 1.5], dtype=torch.float64).reshape(2, 1, 1, 1)

    def cost(z):
        return weight.flatten() * norm(z, ORDERS[name]) + norm(z - delta).square() / 2

    found = PROXIMAL[ORDERS[name]](delta.clone(), weight)
    least = cost(found)
    others = [0 * delta, delta, 0.99 * found, 1.01 * found]
    others += [found + 0.01 * torch.randn(delta.shape, generator=random).double() for _ in range(200)]
    assert all((least <= cost(other) + 1e-12).all() for other in others)
    assert (least < cost(delta)).all()


def test_the_ball_of_fmn_follows_success():
    """It goes to the linearised boundary first; then it shrinks after each success, and grows without one."""
    problem = watched(count=3)
    _, seen = limen(problem, fmn(norm="l2", steps=12))
    length = [norm(images - problem.images) for images in seen]
    fooled = [problem.fooled(images) for images in seen]
    assert (length[0] == 0).all()
    for before, after, success in zip(length[1:-1], length[2:], fooled[1:-1], strict=True):
        assert (after[success] < before[success]).all()
    assert torch.stack(fooled[1:]).any()


@pytest.mark.parametrize(("name", "share"), [("l0", 0.6), ("l1", 0.6), ("l2", 0.95)])
def test_a_retreat_undoes_what_a_success_does_not_need(name, share):
    """A signed step changes every value; most of that is given back, and no success is lost."""
    problem = watched(count=4)
    given = problem.classifier, problem.images, problem.labels
    measure = distance_of(name)
    step = Composition(
        objective=Margin(), rule=(Sign(), Scale(0.04)), steps=1, early_stop=True, distance=measure
    )
    back = Composition(objective=Margin(), rule=(Retreat(ORDERS[name]),), steps=12, distance=measure)
    wasteful = InTurn((step,))
    plain, found = (Attack("one", each)(*given) for each in (wasteful, Onward(wasteful, back)))
    assert plain.success.all()
    assert found.success.all()
    assert problem.fooled(found.images).all()
    before, after = (measure(each.images, problem.images) for each in (plain, found))
    assert (after <= share * before).all()
    assert (found.steps == plain.steps + 12).all()


def test_a_retreat_in_linf_is_refused():
    with pytest.raises(UsageError, match="retreat is 3; expected 0 in L∞"):
        fmn(retreat=3)
