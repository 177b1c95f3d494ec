from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from limen.attacks.protocols import Part, Problem, sample_seeds
from limen.errors import UsageError

from .networks import photos


@dataclass(frozen=True)
class Inner(Part):
    amount: float | Tensor = 1.0


@dataclass(frozen=True)
class Outer(Part):
    eps: float | Tensor = 0.5
    name: str = "outer"
    inner: Inner = Inner()
    links: tuple[Inner, ...] = ()


def problem_of(count: int, ids=None, seed: int = 0) -> Problem:
    labels = torch.arange(count)
    ids = range(count) if ids is None else ids
    return Problem(photos(count), labels, False, 255, sample_seeds(seed, ids))


def test_seeds_are_of_the_id_and_the_calls_seed():
    seeds = sample_seeds(0, ["a", "b", "c"])
    assert len(seeds.unique()) == 3
    assert (seeds >= 0).all()
    assert torch.equal(sample_seeds(0, ["c", "a"]), seeds[[2, 0]])
    assert not torch.isin(sample_seeds(1, ["a", "b", "c"]), seeds).any()
    assert sample_seeds(0, []).shape == (0,)


def test_seeds_are_the_same_on_every_machine():
    assert sample_seeds(0, ["a"]).tolist() == [6841154156042874738]


def test_random_numbers_are_a_samples_own():
    whole, part = problem_of(3, "abc"), problem_of(1, "b")
    assert torch.equal(whole.draw(torch.rand)[1:2], part.draw(torch.rand))
    assert not torch.equal(whole.draw(torch.rand)[0], whole.draw(torch.rand)[1])
    assert not torch.equal(whole.draw(torch.rand, 0), whole.draw(torch.rand, 1))
    drawn = problem_of(40).draw(torch.randn)
    assert abs(drawn.mean().item()) < 0.05
    assert abs(drawn.std().item() - 1) < 0.05


def test_preparing_makes_settings_of_one_number_a_sample_broadcast():
    outer = Outer(eps=torch.tensor([1.0, 2.0]), links=(Inner(torch.tensor([3.0, 4.0])), Inner()))
    ready = outer.prepare(problem_of(2))
    assert ready.eps.shape == (2, 1, 1, 1)
    assert ready.links[0].amount.flatten().tolist() == [3.0, 4.0]
    assert ready.links[1].amount == 1.0
    assert outer.eps.shape == (2,)


def test_preparing_refuses_a_setting_of_another_shape_by_name():
    with pytest.raises(UsageError, match=r"eps has shape \(3,\); expected a number or shape \(2,\)"):
        Outer(eps=torch.ones(3)).prepare(problem_of(2))


def test_keeping_rows_reaches_every_tensor():
    outer = Outer(torch.arange(4.0), inner=Inner(torch.arange(4.0) + 10), links=(Inner(torch.arange(4.0)),))
    kept = outer.prepare(problem_of(4)).keep(torch.tensor([3, 1]))
    assert kept.eps.flatten().tolist() == [3.0, 1.0]
    assert kept.inner.amount.flatten().tolist() == [13.0, 11.0]
    assert kept.links[0].amount.flatten().tolist() == [3.0, 1.0]
    assert kept.name == "outer"


def test_a_part_without_tensors_stays_itself():
    outer = Outer(links=(Inner(), Inner()))
    assert outer.prepare(problem_of(2)) == outer
    assert Inner().keep(torch.tensor([0])) == Inner()


def test_a_problem_keeps_its_samples_and_says_what_is_adversarial():
    problem = problem_of(4).keep(torch.tensor([2, 0]))
    assert problem.labels.tolist() == [2, 0]
    assert torch.equal(problem.originals, photos(4)[[2, 0]])
    assert problem.adversarial(torch.tensor([2, 1])).tolist() == [False, True]
