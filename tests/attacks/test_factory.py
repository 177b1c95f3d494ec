"""Factories: what an attack is follows from how it was made."""

from __future__ import annotations

import pytest
import torch

from limen.attacks import FACTORIES, Attack, attack, pgd_l2
from limen.attacks.search import InTurn
from limen.errors import UsageError

from .networks import photos, smooth_mlp, task
from .table import same

WITHOUT_A_BUDGET = {
    "ddn",
    "ssim_ddn",
    "deepfool",
    "carlini_wagner_l2",
    "smooth_carlini_wagner_l2",
    "superpixel_ddn",
    "superpixel_carlini_wagner_l2",
    "perceptual_gradient",
    "perceptual_ddn",
    "perc_al",
    "least_noticed",
    "fmn",
    "pdpgd",
    "sigma_zero",
    "exchange",
    "minimal_apgd",
    "fab",
}


def test_an_identity_holds_every_parameter_whichever_way_it_was_given():
    made = pgd_l2(2.0, step_size=0.5).identity
    assert made == pgd_l2(steps=40, step_size=0.5, eps=2.0).identity
    assert made != pgd_l2(2.0, step_size=0.4).identity
    assert made.parameters["restarts"] == 1
    assert made.label == "pgd_l2:eps=2,step_size=0.5"


def test_attacks_with_a_bound_say_which_parameter_it_is():
    assert {name for name, make in FACTORIES.items() if make.budget is None} == WITHOUT_A_BUDGET
    assert {make.budget for make in FACTORIES.values()} == {
        *(None, "eps", "delta"),
        *("eps_background", "eps_foreground"),
    }
    assert all(make().identity.budget == make.budget for make in FACTORIES.values())


class Untouchable(torch.Tensor):
    """A tensor that refuses to come to the host."""

    def tolist(self):
        raise RuntimeError("a device was waited for")


def test_a_budget_per_sample_is_read_only_once_its_identity_is_asked_for():
    eps = torch.tensor([0.5, 1.0, 2.0]).as_subclass(Untouchable)
    problem = task(smooth_mlp(), photos(3))
    made = pgd_l2(eps)
    made(problem.classifier, problem.images, problem.labels)
    with pytest.raises(RuntimeError, match="waited for"):
        _ = made.identity
    assert pgd_l2(torch.tensor([0.5, 1.0])).identity.parameters["eps"] == (0.5, 1.0)


def test_a_search_of_ones_own_is_made_public_by_the_decorator():
    @attack(budget="eps")
    def twice(eps: float = 0.7, steps: int = 6) -> InTurn:
        """Try twice."""
        return InTurn((pgd_l2(eps, steps).search.compositions[0],) * 2)

    problem = task(smooth_mlp(), photos(3))
    call = (problem.classifier, problem.images, problem.labels)
    assert same(twice()(*call), pgd_l2(0.7, 6)(*call))
    assert (twice.__name__, twice.__doc__, twice.budget) == ("twice", "Try twice.", "eps")
    assert twice(steps=3).identity.label == "twice:eps=0.7,steps=3"


def test_a_budget_that_is_no_parameter_is_refused():
    with pytest.raises(UsageError, match="pgd has no parameter 'epsilon' to be its budget"):

        @attack(budget="epsilon")
        def pgd(eps: float = 1.0) -> InTurn:
            raise NotImplementedError


def test_an_attack_may_have_a_name_alone():
    assert Attack("a climb", pgd_l2().search).identity.label == "a climb"
