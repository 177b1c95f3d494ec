"""A bound on any cost, kept by its multiplier: against closed forms of linear models and quadratic costs."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from limen.attacks import perceptual_pgd
from limen.attacks.cost import Difference
from limen.attacks.direction import PenalizeToBound
from limen.errors import UsageError
from limen.images import norm
from limen.metrics import dissimilarity

from .networks import SIZE, Task, conv_net, generator, photos, task
from .states import problem_of, state_of

F64 = torch.float64
WEIGHTS = torch.linspace(0.2, 5, 3 * SIZE * SIZE, dtype=F64)
EPS = torch.tensor([0.01, 0.02, 0.05, 0.1, 0.2, 0.5], dtype=F64)


def quadratic(originals: Tensor, images: Tensor) -> Tensor:
    return (WEIGHTS * (images - originals).flatten(1).square()).sum(1)


def linear() -> tuple[Task, Tensor, Tensor]:
    """A linear model of two classes, the originals' margin, and the greatest within the bounds."""
    layer = nn.Linear(len(WEIGHTS), 2, dtype=F64)
    with torch.no_grad():
        layer.weight.copy_(0.3 * torch.randn(layer.weight.shape, generator=generator(1), dtype=F64))
        layer.bias.zero_()
    normal = (layer.weight[1] - layer.weight[0]).detach()
    images = photos(len(EPS), low=80, high=170).double()
    # The maximum of ⟨g, δ⟩ within ⟨δ, Wδ⟩ ≤ ε is √(ε·⟨g, W⁻¹g⟩).
    gain = (EPS * (normal.square() / WEIGHTS).sum()).sqrt()
    # Class 0 is ahead by a tenth of that.
    excess = images.flatten(1) @ normal + 0.1 * gain
    images -= (excess[:, None] * normal / normal.square().sum()).reshape(images.shape)
    problem = task(nn.Sequential(nn.Flatten(), layer), images)
    start = margin(problem, images)
    return problem, start, start + gain


def margin(problem: Task, images: Tensor) -> Tensor:
    with torch.no_grad():
        return problem_of(images, labels=problem.labels).margin(problem.classifier(images))


def test_the_multiplier_goes_to_that_of_the_maximum_on_the_bound():
    originals = torch.full((len(EPS), 3, SIZE, SIZE), 0.5, dtype=F64)
    problem = problem_of(originals)
    gradient = torch.randn(originals.shape, generator=generator(2), dtype=F64)
    steepest = gradient / WEIGHTS.reshape(gradient[0].shape)
    rise = (gradient * steepest).flatten(1).sum(1)

    def quartic(originals: Tensor, images: Tensor) -> Tensor:
        return quadratic(originals, images).square()

    # The maximum of ⟨g, δ⟩ − λ·⟨δ, Wδ⟩² is at t·W⁻¹g with 4λt³·⟨g, W⁻¹g⟩ = 1, where the cost is t⁴⟨g, W⁻¹g⟩².
    link = PenalizeToBound(Difference(quartic), EPS, steps=1).bind(problem)
    length = torch.ones_like(EPS)
    for _ in range(25):
        images = originals + length.reshape(-1, 1, 1, 1) * steepest
        _, link = link(gradient.clone(), state_of(problem, images, variables=images))
        length = (4 * link.weight * rise) ** (-1 / 3)
    wanted = (EPS / rise.square()) ** (1 / 4)
    torch.testing.assert_close(length, wanted, rtol=1e-4, atol=0)
    torch.testing.assert_close(link.weight, 1 / (4 * rise * wanted**3), rtol=1e-4, atol=0)
    assert (link.low < link.high).all()


def test_nothing_is_penalised_before_the_bound_is_reached():
    problem = problem_of(torch.full((2, 3, SIZE, SIZE), 0.5, dtype=F64))
    link = PenalizeToBound(Difference(quadratic), 0.5, steps=1, step_size=0.2).bind(problem)
    gradient = torch.ones_like(problem.originals)
    inside = problem.originals + 1e-3
    for _ in range(3):
        move, link = link(gradient.clone(), state_of(problem, inside, variables=inside))
        torch.testing.assert_close(norm(move), torch.full((2,), 0.2, dtype=F64))
        torch.testing.assert_close(move / move.amax(), gradient)
    assert link.weight.tolist() == [0, 0]


def test_the_greatest_margin_within_the_bound_is_reached():
    problem, start, greatest = linear()
    attack = perceptual_pgd(eps=EPS, metric=quadratic, steps=10, step_size=0.3, method="multiplier", rounds=8)
    images = attack.perturb(problem.classifier, problem.images, problem.labels)
    assert (quadratic(problem.images, images) <= EPS * (1 + 1e-9)).all()
    gain = (margin(problem, images) - start) / (greatest - start)
    assert (gain > 0.95).all()
    assert (gain <= 1 + 1e-9).all()


@pytest.mark.parametrize("method", ["projection", "multiplier"])
def test_a_success_is_where_the_bound_leaves_room_for_the_confidence(method):
    problem, start, greatest = linear()
    share = torch.tensor([0.9, 1.01, 0.9, 1.01, 0.9, 1.01], dtype=F64)
    confidence = start + share * (greatest - start)
    attack = perceptual_pgd(
        eps=EPS, metric=quadratic, steps=10, step_size=0.3, confidence=confidence, method=method, rounds=8
    )
    outcome = attack(problem.classifier, problem.images, problem.labels, lattice=None)
    assert torch.equal(outcome.success, greatest > confidence)
    assert outcome.success.any()
    assert not outcome.success.all()
    assert (quadratic(problem.images, outcome.images) <= EPS * (1 + 1e-6)).all()


def test_every_stored_image_keeps_the_bound_of_a_metric():
    problem = task(conv_net(), photos(4, low=20, high=236))
    eps = torch.tensor([3e-3, 1e-2, 3e-2, 1e-1])
    attack = perceptual_pgd(eps=eps, steps=5, method="multiplier", rounds=6)
    ended = attack.perturb(problem.classifier, problem.images, problem.labels, lattice=255)
    costs = dissimilarity(problem.images.double(), ended.double())
    assert (costs <= eps * (1 + 1e-5)).all()
    assert (costs >= 0.3 * eps).all()
    assert (margin(problem, ended) > margin(problem, problem.images)).all()


def test_a_method_of_another_name_is_refused():
    with pytest.raises(UsageError, match="unknown method 'newton'"):
        perceptual_pgd(method="newton")
