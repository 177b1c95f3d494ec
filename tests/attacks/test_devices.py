"""Attacks keep to the device of their images, and wait for it no more than they must."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from limen.attacks import FACTORIES, direction
from limen.attacks.constraint import l2

from .networks import photos, smooth_mlp, task
from .table import TABLE

pytestmark = pytest.mark.filterwarnings("ignore::limen.errors.LimenWarning")

BRIEF = {"steps": 3, "search_steps": 2, "restarts": 1, "rounds": 2, "squares": 2}


def brief(row):
    """The row's attack, in as few steps as show all that it does."""
    return FACTORIES[row.name](
        **{name: min(value, BRIEF[name]) if name in BRIEF else value for name, value in row.arguments.items()}
    )


@pytest.mark.parametrize("name", FACTORIES)
def test_no_tensor_is_made_without_a_device(name):
    """What is would lie on the meta device here, on which nothing that meets the images can be computed."""
    place = [row.name for row in TABLE].index(name)
    problem, attack = task(smooth_mlp(), photos(2), targeted=place % 2 == 1), brief(TABLE[place])
    expected = attack(problem.classifier, problem.images, problem.labels, problem.targeted)
    with torch.device("meta"):
        found = attack(problem.classifier, problem.images, problem.labels, problem.targeted)
    assert torch.equal(found.images, expected.images)


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
