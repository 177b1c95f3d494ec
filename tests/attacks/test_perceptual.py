"""Attacks that keep a metric low: their parts by hand, and Algorithm 3.1 written out."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy

from limen.attacks import perceptual_gradient
from limen.attacks.constraint import OnLattice
from limen.attacks.cost import Difference
from limen.attacks.direction import Penalize
from limen.errors import UsageError
from limen.images import dot, norm, quantize
from limen.metrics import METRICS, l2, ssim

from .networks import conv_net, generator, photos, smooth_mlp, task
from .oracles import assert_same, limen, watched
from .states import problem_of, state_of

F64 = torch.float64


def algorithm_3_1(network, x0, labels, weight, step_size, steps, confidence, targeted):
    """The paper's loop for one image, up the raw gradient of ℓ − λ·c0, clipped; every image that it asks."""
    x, seen = x0.clone(), []
    for step in range(steps + 1):
        x = x.detach().requires_grad_()
        logits = network(x)
        seen.append(x.detach())
        rest = logits[0].scatter(0, labels, -torch.inf).amax()
        margin = rest - logits[0, labels[0]]
        if (-margin if targeted else margin) > confidence or step == steps:
            return seen
        loss = cross_entropy(logits, labels) * (-1 if targeted else 1)
        (gradient,) = torch.autograd.grad(loss - weight * (1 - ssim(x0, x)).sum(), x)
        x = (x + step_size * gradient).clamp(0, 1)
    return seen


def test_raw_steps_are_those_of_the_papers_algorithm(targeted):
    whole = watched(count=3, targeted=targeted)
    for row in range(3):
        problem = whole.at(torch.tensor([row]))
        attack = perceptual_gradient(
            weight=3.0, relative=False, step="raw", steps=12, step_size=0.05, confidence=0.2
        )
        outcome, ours = limen(problem, attack)
        expected = algorithm_3_1(
            problem.classifier.module.module, problem.images, problem.labels, 3.0, 0.05, 12, 0.2, targeted
        )
        assert_same(ours, expected)
        assert int(outcome.steps) == len(expected) - 1


@pytest.mark.parametrize("confidence", [0.2, torch.tensor([0.0, 0.2, 0.3, 50.0])], ids=["one", "per sample"])
def test_a_success_exceeds_the_confidence_and_no_iterate_before_did(confidence, targeted):
    problem = task(conv_net(), photos(4), targeted)
    outcome = perceptual_gradient(confidence=confidence, step_size=0.02)(
        problem.classifier, problem.images, problem.labels, targeted
    )
    least = torch.as_tensor(confidence).expand(4)
    logits = problem.classifier(outcome.images)
    margin = problem_of(problem.images, labels=problem.labels, targeted=targeted).margin(logits)
    assert torch.equal(outcome.success, least < 50)
    assert (margin > least)[outcome.success].all()
    assert torch.equal(outcome.images[~outcome.success], problem.images[~outcome.success])
    fewer = perceptual_gradient(confidence=confidence, step_size=0.02, steps=int(outcome.steps[1]) - 1)
    assert not fewer(problem.classifier, problem.images, problem.labels, targeted).success[1]


def test_a_wrong_image_below_the_confidence_is_attacked_all_the_same():
    problem = task(smooth_mlp(), photos(3))
    labels = (problem.labels + 1) % 3
    margin = problem_of(problem.images, labels=labels).margin(problem.classifier(problem.images))
    outcome = perceptual_gradient(confidence=margin + 0.05)(problem.classifier, problem.images, labels)
    assert (margin > 0).all()
    assert outcome.success.all()
    assert (outcome.steps >= 1).all()


def test_a_confidence_is_strict_and_none_leaves_it_to_the_prediction():
    logits = torch.tensor([[1.0, 3.0], [1.0, 3.0], [2.0, 2.0], [2.0, 2.0]])
    labels = torch.tensor([0, 0, 1, 1])
    for confidence, expected in ((0.0, [True] * 4), (2.0, [False] * 4), (1.9, [True, True, False, False])):
        problem = problem_of(torch.zeros(4, 1, 2, 2), labels=labels)
        problem = type(problem)(**{**vars(problem), "confidence": confidence})
        assert problem.attained(logits).tolist() == expected


def penalized(cost, gradient, originals, images, **settings):
    problem = problem_of(originals)
    link = Penalize(Difference(cost), **settings).bind(problem)
    state = state_of(problem, images, variables=images)
    return link(gradient.clone(), state)[0]


def test_a_penalty_is_the_gradient_of_the_cost_times_its_weight():
    random = generator(2)
    originals, images, gradient = (torch.rand(3, 3, 12, 12, generator=random, dtype=F64) for _ in range(3))
    leaf = images.clone().requires_grad_()
    (slope,) = torch.autograd.grad((1 - ssim(originals, leaf)).sum(), leaf)
    weights = torch.tensor([0.0, 2.0, 5.0], dtype=F64)
    moved = penalized(METRICS["ssim"].cost, gradient, originals, images, weight=weights)
    torch.testing.assert_close(moved, gradient - weights.reshape(3, 1, 1, 1) * slope)
    moved = penalized(METRICS["ssim"].cost, gradient, originals, images, weight=0.25, relative=True)
    taken = gradient - moved
    assert norm(taken).tolist() == pytest.approx((0.25 * norm(gradient)).tolist())
    assert (dot(taken, slope) / norm(taken) / norm(slope)).tolist() == pytest.approx([1, 1, 1])


@pytest.mark.parametrize("relative", [False, True])
def test_a_penalty_is_nothing_where_nothing_has_changed(relative):
    gradient = torch.rand(2, 3, 12, 12, generator=generator(0), dtype=F64)
    originals = torch.full_like(gradient, 0.5)
    images = originals.clone()
    images[1] += 0.1

    def pointed(a, b):
        return (a - b).square().flatten(1).sum(1).sqrt()  # whose gradient is 0/0 where they are equal

    moved = penalized(pointed, gradient, originals, images, weight=0.5, relative=relative)
    assert torch.equal(moved[0], gradient[0])
    assert not torch.allclose(moved[1], gradient[1])


@pytest.mark.parametrize("how", ["round", "truncate"])
def test_images_on_the_lattice_stay_and_others_go_to_a_level(how):
    levels = torch.arange(256).reshape(1, 1, 16, 16) / 255
    constraint = OnLattice(how=how).bind(problem_of(levels, lattice=255))
    for dtype in (torch.float32, F64):
        images = levels.to(dtype)
        assert torch.equal(constraint.project(images.clone()), quantize(images))
        for share, level in ((0.3, 0), (0.7, how == "round"), (-0.3, 0 if how == "round" else -1)):
            moved = constraint.project(images + share / 255) - images
            inner = moved[..., 1:-1, 1:-1] * 255
            torch.testing.assert_close(inner, torch.full_like(inner, level), rtol=0, atol=1e-3)


def test_truncation_takes_a_level_from_about_half_of_the_values_at_the_first_step():
    problem = task(smooth_mlp(), photos(4))
    attack = perceptual_gradient(validate="truncate", steps=1, step_size=0.01)
    ended = attack.perturb(problem.classifier, problem.images, problem.labels, lattice=255)
    fell = ((ended - problem.images) * 255).round()
    assert fell.unique().tolist() == [-1.0, 0.0]
    assert 0.4 < float(fell.abs().mean()) < 0.6


def test_a_metric_shapes_the_perturbation_it_measures():
    problem = task(conv_net(), photos(8, low=20, high=236))
    found = {}
    for metric in ("l2", "ssim"):
        attack = perceptual_gradient(metric, weight=0.95, step_size=0.01)
        found[metric] = attack(problem.classifier, problem.images, problem.labels, lattice=None)
        assert found[metric].success.all()
    quality = {name: (1 - ssim(problem.images, each.images)).mean() for name, each in found.items()}
    length = {name: l2(problem.images, each.images).mean() for name, each in found.items()}
    assert quality["ssim"] < 0.9 * quality["l2"]
    assert length["l2"] < length["ssim"]


@pytest.mark.parametrize(
    ("metric", "reason"),
    [
        (lambda a, b: (a - b).abs().mean(), "expected one number per image"),
        (lambda a, b: (a - b).detach().flatten(1).norm(dim=1), "has no gradient"),
    ],
)
def test_a_metric_of_ones_own_that_cannot_serve_is_refused(metric, reason):
    problem = task(smooth_mlp(), photos(2))
    with pytest.raises(UsageError, match=reason):
        perceptual_gradient(metric)(problem.classifier, problem.images, problem.labels)


def test_a_metric_of_limen_is_its_cost():
    problem = task(smooth_mlp(), photos(3))
    outcomes = [
        perceptual_gradient(metric)(problem.classifier, problem.images, problem.labels).images
        for metric in ("ssim", METRICS["ssim"], METRICS["ssim"].cost, lambda a, b: 1 - ssim(a, b))
    ]
    for each in outcomes[1:]:
        torch.testing.assert_close(each, outcomes[0])
