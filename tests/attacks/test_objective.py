from __future__ import annotations

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from limen.attacks.constraint.boundary import to_linear_boundary
from limen.attacks.objective import (
    ClassMargins,
    CrossEntropy,
    DistanceAndHinge,
    Margin,
    Sum,
    TargetAndRest,
    logit_margin,
)
from limen.attacks.protocols import State
from limen.errors import UsageError
from limen.images import norm, quantize

from .networks import SIZE, generator, smooth_mlp
from .states import problem_of, state_of


def state_at(images: Tensor, logits: Tensor, labels: Tensor, targeted: bool, originals=None) -> State:
    originals = images.detach() if originals is None else originals
    return state_of(problem_of(originals, labels=labels, targeted=targeted), images, logits=logits)


def logits_only(logits: Tensor, labels: Tensor, targeted: bool) -> State:
    return state_at(torch.zeros(len(logits), 1, 2, 2, dtype=logits.dtype), logits, labels, targeted)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 6), st.booleans())
def test_the_logit_margin_is_positive_exactly_where_the_attack_succeeds(seed, classes, targeted):
    logits = torch.randn(8, classes, generator=generator(seed))
    labels = torch.randint(classes, (8,), generator=generator(seed + 1))
    state = logits_only(logits, labels, targeted)
    assert torch.equal(logit_margin(state) > 0, state.success)


def test_logit_margins_by_hand():
    logits = torch.tensor([[3.0, 1.0, 2.0], [0.0, 5.0, 1.0]])
    labels = torch.tensor([0, 2])
    assert logit_margin(logits_only(logits, labels, False)).tolist() == [-1.0, 4.0]
    assert logit_margin(logits_only(logits, labels, True)).tolist() == [1.0, -4.0]
    assert Margin(kappa=0.5)(logits_only(logits, labels, False)).tolist() == [-1.0, 0.5]
    assert ClassMargins(5)(logits_only(logits, labels, False)).tolist() == [[-1.0, -2.0], [4.0, -1.0]]
    assert ClassMargins(1)(logits_only(logits, labels, False)).tolist() == [[-1.0], [4.0]]
    assert ClassMargins(5)(logits_only(logits, labels, True)).tolist() == [[1.0], [-4.0]]
    assert TargetAndRest()(logits_only(logits, labels, True)).tolist() == [[3.0, 3.0], [1.0, 5.0]]
    assert TargetAndRest()(logits_only(logits, labels, False)).tolist() == [[-3.0, -3.0], [-1.0, -5.0]]


def test_log_odds_by_hand():
    logits, labels = torch.tensor([[0.0, 0.0, 0.0], [2.0, 0.0, 1.0]]), torch.tensor([0, 1])
    expected = torch.tensor([2.0, torch.e**2 + torch.e]).log()
    assert torch.allclose(CrossEntropy()(logits_only(logits, labels, False)), expected)
    assert torch.allclose(CrossEntropy()(logits_only(logits, labels, True)), -expected)


def test_the_hinge_pays_for_a_missing_margin_by_the_constant_of_its_sample():
    originals = torch.zeros(2, 1, 2, 2)
    logits, labels = torch.tensor([[3.0, 1.0], [0.0, 5.0]]), torch.tensor([0, 0])
    state = state_at(originals + 0.5, logits, labels, False, originals)
    objective = DistanceAndHinge(constant=torch.tensor([10.0, 100.0]), margin=1.0).bind(state.problem)
    assert objective(state).tolist() == pytest.approx([-(1.0 + 10 * 3.0), -1.0])


def test_the_hinges_distance_is_that_of_the_image_before_rounding():
    problem = problem_of(torch.zeros(1, 1, 2, 2), lattice=255)
    stored = state_of(problem, exact=problem.originals + 0.001, logits=torch.tensor([[0.0, 5.0]]))
    assert DistanceAndHinge(constant=1.0)(stored).tolist() == pytest.approx([-4 * 0.001**2])


@pytest.mark.parametrize("squared", [True, False])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 100.0])
def test_a_relative_constant_of_one_is_what_just_fools_a_linear_model(scale, squared):
    slope = scale * torch.randn(2, 1, 4, 4, generator=generator(4), dtype=torch.float64)
    steep, gap = norm(slope), scale * torch.tensor([0.5, 1.5], dtype=torch.float64)
    objective = DistanceAndHinge(constant=7.0, squared=squared, relative=True)
    state = state_of(problem_of(torch.zeros_like(slope)), gradient=7 * slope, values=-7 * gap)
    found = objective.update(dataclasses.replace(state, variables=state.exact))
    assert found.update(state) is found
    length = torch.linspace(0, 2, 2001, dtype=torch.float64)[:, None] * gap / steep
    cost = found.weight * (length.square() if squared else length)
    for constant, fools in ((0.99, False), (1.01, True)):
        best = (cost + constant * (gap - steep * length).clamp_min(0)).argmin(0)
        assert (length.gather(0, best[None])[0] > 0.999 * gap / steep).tolist() == [fools] * 2


def test_without_a_gradient_a_relative_distance_weighs_nothing():
    state = state_of(
        problem_of(torch.zeros(2, 1, 2, 2)), gradient=torch.zeros(2, 1, 2, 2), values=-torch.ones(2)
    )
    state = dataclasses.replace(state, variables=state.exact)
    updated = DistanceAndHinge(constant=3.0, relative=True).update(state)
    assert not updated.weight.any()


@pytest.mark.parametrize("lattice", [None, 255])
@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_the_linear_boundary_is_as_far_as_an_image_must_go_to_reach_it_when_stored(scale, lattice):
    gradient = torch.randn(3, 3, 8, 8, generator=generator(5), dtype=torch.float64)
    gap = torch.tensor([0.05, 0.5, 5.0], dtype=torch.float64)
    problem = problem_of(torch.full_like(gradient, 128 / 255), lattice=lattice)
    state = state_of(problem, gradient=scale * gradient, values=-scale * gap)
    distance, slope = to_linear_boundary(dataclasses.replace(state, variables=state.exact))
    torch.testing.assert_close(slope, scale * norm(gradient))
    moved = distance.reshape(-1, 1, 1, 1) * gradient / norm(gradient).reshape(-1, 1, 1, 1)
    stored = quantize(problem.originals + moved, lattice) - problem.originals
    risen = (gradient * stored).flatten(1).sum(1)
    if lattice is None:
        torch.testing.assert_close(risen, gap)
    else:
        assert (risen > 0.999 * gap).all()
        assert (distance >= 0.95 * gap / norm(gradient)).all()
        less = quantize(problem.originals + 0.99 * moved) - problem.originals
        assert ((gradient * less).flatten(1).sum(1) < gap).all()


def test_a_boundary_that_a_fading_gradient_puts_beyond_all_images_is_nearer():
    fading = torch.full((1, 3, 8, 8), 1e-9)
    state = state_of(problem_of(torch.full_like(fading, 0.5)), gradient=fading, values=-torch.ones(1))
    distance, _ = to_linear_boundary(dataclasses.replace(state, variables=state.exact))
    assert distance.item() == pytest.approx(0.15 * 192**0.5)


@pytest.mark.parametrize(
    "objective",
    [CrossEntropy(), Margin(), DistanceAndHinge(constant=2.0, margin=5.0), ClassMargins(2), TargetAndRest()],
    ids=lambda objective: type(objective).__name__,
)
def test_gradients_are_those_of_finite_differences(objective, targeted):
    network = smooth_mlp(dtype=torch.float64)
    originals = torch.rand(2, 3, SIZE, SIZE, generator=generator(0), dtype=torch.float64)
    labels = torch.tensor([0, 2])
    images = (originals * 0.9).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x: objective(state_at(x, network(x), labels, targeted, originals)), images, fast_mode=True
    )


@pytest.mark.parametrize(("terms", "told"), [((), "of none"), ((ClassMargins(),), "ClassMargins")])
def test_what_cannot_be_added_up_is_refused(terms, told):
    with pytest.raises(UsageError, match=f"a sum is of objectives of one function each, not .*{told}"):
        Sum(terms)
