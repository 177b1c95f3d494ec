from __future__ import annotations

from dataclasses import dataclass, fields

import pytest
import torch
from torch import Tensor

from limen.attacks.constraint import LinfBall
from limen.attacks.mask import Attended
from limen.attacks.part import Part, Problem, rows, setting
from limen.attacks.protocols import State
from limen.attacks.update import Momentum
from limen.errors import UsageError
from limen.structure import gradcam

from .networks import photos
from .states import problem_of, state_of


@dataclass(frozen=True)
class Inner(Part):
    amount: float | Tensor = setting(1.0)


@dataclass(frozen=True)
class Outer(Part):
    eps: float | Tensor = setting(0.5)
    name: str = "outer"
    inner: Inner = Inner()
    links: tuple[Inner, ...] = ()


def numbered(count: int, ids=None, seed: int = 0) -> Problem:
    return problem_of(photos(count), 255, torch.arange(count), seed=seed, ids=ids)


def test_random_numbers_are_a_samples_own():
    whole, part = numbered(3, "abc"), numbered(1, "b")
    assert torch.equal(whole.draw(torch.rand)[1:2], part.draw(torch.rand))
    assert not torch.equal(whole.draw(torch.rand)[0], whole.draw(torch.rand)[1])
    assert not torch.equal(whole.draw(torch.rand, 0), whole.draw(torch.rand, 1))
    drawn = numbered(40).draw(torch.randn)
    assert abs(drawn.mean().item()) < 0.05
    assert abs(drawn.std().item() - 1) < 0.05


def test_binding_makes_settings_of_one_number_a_sample_broadcast():
    outer = Outer(eps=torch.tensor([1.0, 2.0]), links=(Inner(torch.tensor([3.0, 4.0])), Inner()))
    ready = outer.bind(numbered(2))
    assert ready.eps.shape == (2, 1, 1, 1)
    assert ready.links[0].amount.flatten().tolist() == [3.0, 4.0]
    assert ready.links[1].amount == 1.0
    assert outer.eps.shape == (2,)


def test_binding_refuses_a_setting_of_another_shape_by_name():
    with pytest.raises(UsageError, match=r"eps has shape \(3,\); expected a number or shape \(2,\)"):
        Outer(eps=torch.ones(3)).bind(numbered(2))


def test_selecting_rows_reaches_every_tensor():
    outer = Outer(torch.arange(4.0), inner=Inner(torch.arange(4.0) + 10), links=(Inner(torch.arange(4.0)),))
    kept = outer.bind(numbered(4)).select(torch.tensor([3, 1]))
    assert kept.eps.flatten().tolist() == [3.0, 1.0]
    assert kept.inner.amount.flatten().tolist() == [13.0, 11.0]
    assert kept.links[0].amount.flatten().tolist() == [3.0, 1.0]
    assert kept.name == "outer"


def test_a_part_without_tensors_stays_itself():
    outer = Outer(links=(Inner(), Inner()))
    assert outer.bind(numbered(2)) == outer
    assert Inner().select(torch.tensor([0])) == Inner()


def test_a_problem_keeps_its_samples_and_says_what_is_adversarial():
    problem = numbered(4).select(torch.tensor([2, 0]))
    assert problem.labels.tolist() == [2, 0]
    assert torch.equal(problem.originals, photos(4)[[2, 0]])
    assert problem.adversarial(torch.tensor([2, 1])).tolist() == [False, True]


@dataclass(frozen=True)
class Weighing(Part):
    """A part with a tensor that all samples share, one with a row per sample, and what narrows itself."""

    kernel: Tensor
    seen: Tensor = rows()
    inner: Inner = rows()


def test_a_tensor_that_is_not_per_sample_is_left_alone():
    kernel = torch.rand(3, 3)
    part = Weighing(kernel, seen=torch.arange(3.0), inner=Inner(torch.arange(3.0)))
    kept = part.bind(numbered(3)).select(torch.tensor([2]))
    assert kept.kernel is kernel
    assert kept.seen.tolist() == [2.0]
    assert kept.inner.amount.flatten().tolist() == [2.0]


def test_checking_refuses_what_binding_would_and_binds_nothing():
    outer = Outer(links=(Inner(torch.ones(3)),))
    outer.check(numbered(3))
    with pytest.raises(UsageError, match=r"amount has shape \(3,\); expected a number or shape \(2,\)"):
        outer.check(numbered(2))


def test_a_state_is_narrowed_at_once():
    problem = numbered(4)
    gradient = torch.arange(4.0).reshape(4, 1, 1, 1).expand(problem.originals.shape)
    momentum = Momentum(decay=torch.arange(4.0)).bind(problem)
    _, momentum = momentum(gradient.clone(), state_of(problem))
    state = state_of(problem, gradient=gradient, rule=(momentum,), constraint=LinfBall(eps=0.1).bind(problem))
    kept = state.select(torch.tensor([3, 1]))
    for tensor in (kept.gradient, kept.rule[0].sum, kept.rule[0].decay):
        assert tensor[:, 0, 0, 0].tolist() == [3.0, 1.0]
    assert kept.problem.labels.tolist() == [3, 1]
    assert torch.equal(kept.constraint.high, state.constraint.high[[3, 1]])
    per_sample = [each.name for each in fields(State) if "per_sample" in each.metadata]
    assert {len(value) for name in per_sample if (value := getattr(kept, name)) is not None} == {2}


@pytest.mark.parametrize(
    ("ask", "told"),
    [
        (Problem.answers, "the model's answer is not known; bind the parts to a problem that has a model"),
        (Attended(gradcam).share, "attention needs a classifier; bind the parts to a problem that has one"),
    ],
    ids=["answers", "attention"],
)
def test_a_problem_without_a_model_says_that_it_has_none(ask, told):
    with pytest.raises(UsageError, match=told):
        ask(numbered(1))
