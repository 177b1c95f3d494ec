"""Attacks keep to the device of their images, and wait for it no more than they must."""

from __future__ import annotations

import functools

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from limen import Classifier
from limen.attacks import FACTORIES, direction
from limen.attacks.constraint import l2

from ..second_device import beside
from .networks import photos, smooth_mlp, task
from .table import TABLE, budgeted

pytestmark = pytest.mark.filterwarnings("ignore::limen.errors.LimenWarning")

BRIEF = {"steps": 3, "search_steps": 2, "restarts": 1, "rounds": 2, "squares": 2}


def brief(row):
    """The row's arguments, with as few steps as show all that its attack does."""
    return {
        name: min(value, BRIEF[name]) if name in BRIEF else value for name, value in row.arguments.items()
    }


def attacked(row, targeted, module, images, labels):
    """Budgets are listed on the CPU, wherever the images are: few people would send them to a GPU."""
    arguments = brief(row)
    if budgeted(row):
        budgets = row.geometry.fractions(arguments.get(row.budget, 1.0))
        arguments |= {row.budget: torch.tensor(budgets[: len(images)])}
    outcome = FACTORIES[row.name](**arguments)(Classifier(module), images, labels, targeted)
    return outcome.images, outcome.success, outcome.steps


@pytest.mark.parametrize("place", range(len(TABLE)), ids=[row.id for row in TABLE])
def test_all_that_an_attack_computes_with_is_on_the_device_of_the_images(place):
    row, targeted = TABLE[place], place % 2 == 1
    problem = task(smooth_mlp(), photos(2), targeted)
    attack = functools.partial(attacked, row, targeted)
    here, away = beside(attack, problem.classifier.module, problem.images, problem.labels)
    assert all(map(torch.equal, away, here))


def test_rows_of_budgets_are_selected_from_any_device():
    problem = task(smooth_mlp(), photos(3))
    attack = FACTORIES["pgd_linf"](eps=torch.tensor([0.02, 0.04, 0.06]))

    def of_two(module, images, labels):
        rows = torch.tensor([2, 0], device=images.device)
        return attack.select(rows)(module, images[rows], labels[rows]).images

    assert torch.equal(*beside(of_two, problem.classifier.module, problem.images, problem.labels))


class Steadfast(nn.Module):
    """A network that is not fooled."""

    def __init__(self):
        super().__init__()
        self.module = smooth_mlp()

    def forward(self, images):
        return self.module(images) + torch.tensor([20.0, 0.0, 0.0])


class Asked(TorchDispatchMode):
    """Counts how often the values of tensors are asked for, for which a GPU would be waited for."""

    times = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        self.times += name in ("_local_scalar_dense", "nonzero", "masked_select", "unique_dim", "equal")
        return function(*args, **(kwargs or {}))


def asked(problem, lattice, name, **arguments):
    with Asked() as counted:
        FACTORIES[name](**arguments)(problem.classifier, problem.images, problem.labels, lattice=lattice)
    return counted.times


@pytest.mark.parametrize(
    ("name", "arguments", "lattice", "most"),
    [
        ("pgd_linf", {}, 255, 1),
        ("mifgsm", {}, 255, 1),
        ("pgd_l2", {}, None, 1),
        ("pgd_l2", {}, 255, 2),  # which images rounding led out of the ball
        ("ddn", {}, 255, 1),
        ("carlini_wagner_l2", {"search_steps": 1, "patience": None}, 255, 1),
        ("ifgsm", {"early_stop": True}, 255, 2),  # which samples are finished
        ("deepfool", {}, 255, 2),
    ],
)
def test_a_step_asks_a_device_for_what_it_must(name, arguments, lattice, most, monkeypatch):
    """Whether logits are finite; on a GPU parts ask nothing more that would only save work."""
    for module in (direction, l2):
        monkeypatch.setattr(module, "may_hold", lambda truths: True)
    problem = task(Steadfast(), photos(3))
    few, many = (asked(problem, lattice, name, steps=steps, **arguments) for steps in (4, 7))
    assert many - few == 3 * most
