from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from limen.attacks.objective import CrossEntropy, DistanceAndHinge, Leads, Margin, TargetAndRest, lead
from limen.attacks.protocols import Point, Problem, sample_seeds

from .networks import SIZE, generator, smooth_mlp


def point_of(images: Tensor, logits: Tensor, labels: Tensor, targeted: bool, originals=None) -> Point:
    originals = images.detach() if originals is None else originals
    problem = Problem(originals, labels, targeted, None, sample_seeds(0, range(len(images))))
    predictions = logits.detach().argmax(1)
    return Point(images, images, logits, predictions, problem.adversarial(predictions), 0.0, problem)


def logits_only(logits: Tensor, labels: Tensor, targeted: bool) -> Point:
    return point_of(torch.zeros(len(logits), 1, 2, 2, dtype=logits.dtype), logits, labels, targeted)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 6), st.booleans())
def test_the_lead_is_positive_exactly_where_the_attack_succeeds(seed, classes, targeted):
    logits = torch.randn(8, classes, generator=generator(seed))
    labels = torch.randint(classes, (8,), generator=generator(seed + 1))
    point = logits_only(logits, labels, targeted)
    assert torch.equal(lead(point) > 0, point.success)


def test_leads_by_hand():
    logits = torch.tensor([[3.0, 1.0, 2.0], [0.0, 5.0, 1.0]])
    labels = torch.tensor([0, 2])
    assert lead(logits_only(logits, labels, False)).tolist() == [-1.0, 4.0]
    assert lead(logits_only(logits, labels, True)).tolist() == [1.0, -4.0]
    assert Margin(kappa=0.5)(logits_only(logits, labels, False)).tolist() == [-1.0, 0.5]
    assert Leads(5)(logits_only(logits, labels, False)).tolist() == [[-1.0, -2.0], [4.0, -1.0]]
    assert Leads(1)(logits_only(logits, labels, False)).tolist() == [[-1.0], [4.0]]
    assert Leads(5)(logits_only(logits, labels, True)).tolist() == [[1.0], [-4.0]]
    assert TargetAndRest()(logits_only(logits, labels, True)).tolist() == [[3.0, 3.0], [1.0, 5.0]]
    assert TargetAndRest()(logits_only(logits, labels, False)).tolist() == [[-3.0, -3.0], [-1.0, -5.0]]


def test_cross_entropy_by_hand():
    logits, labels = torch.tensor([[0.0, 0.0], [2.0, 0.0]]), torch.tensor([0, 1])
    expected = torch.tensor([2.0, 1 + torch.e**2]).log()
    assert torch.allclose(CrossEntropy()(logits_only(logits, labels, False)), expected)
    assert torch.allclose(CrossEntropy()(logits_only(logits, labels, True)), -expected)


def test_the_hinge_pays_for_a_missing_lead_by_the_constant_of_its_sample():
    originals = torch.zeros(2, 1, 2, 2)
    logits, labels = torch.tensor([[3.0, 1.0], [0.0, 5.0]]), torch.tensor([0, 0])
    point = point_of(originals + 0.5, logits, labels, False, originals)
    objective = DistanceAndHinge(constant=torch.tensor([10.0, 100.0]), margin=1.0).prepare(point.problem)
    assert objective(point).tolist() == pytest.approx([-(1.0 + 10 * 3.0), -1.0])


@pytest.mark.parametrize(
    "objective",
    [CrossEntropy(), Margin(), DistanceAndHinge(constant=2.0, margin=5.0), Leads(2), TargetAndRest()],
    ids=lambda objective: type(objective).__name__,
)
def test_gradients_are_those_of_finite_differences(objective, targeted):
    network = smooth_mlp(dtype=torch.float64)
    originals = torch.rand(2, 3, SIZE, SIZE, generator=generator(0), dtype=torch.float64)
    labels = torch.tensor([0, 2])
    images = (originals * 0.9).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x: objective(point_of(x, network(x), labels, targeted, originals)), images, fast_mode=True
    )
