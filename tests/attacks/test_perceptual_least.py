"""Attacks that make a metric least or hold it to a bound, and the parts that do so."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from limen.attacks import least_noticed, perc_al, perceptual_ddn, perceptual_pgd, pgd_l2
from limen.attacks.constraint import CostBall
from limen.attacks.cost import ColourDifference, Difference
from limen.errors import UsageError
from limen.images import norm
from limen.metrics import METRICS, ciede2000_map, dissimilarity, l2, mad
from limen.metrics.visibility_tensor import VisibilityTensor

from .networks import conv_net, generator, photos, smooth_mlp, task
from .oracles import assert_same, limen, watched
from .states import problem_of

F64 = torch.float64


def colours(x0, x):
    return ciede2000_map(x0, x).flatten(1).norm(dim=1)


def alternating(network, x0, labels, steps, targeted):
    """Algorithm 2 of Zhao et al. 2020, as in their program but for rounding; every image that it asks."""
    delta, seen = torch.zeros_like(x0), []
    best, least = x0.clone(), torch.full((len(x0),), math.inf, dtype=x0.dtype)
    for step in range(steps + 1):
        delta = delta.detach().requires_grad_()
        logits = network(x0 + delta)
        seen.append((x0 + delta).detach())
        hit = (logits.argmax(1) == labels) == targeted
        distance = colours(x0, x0 + delta)
        kept = hit & (distance < least)
        best[kept], least[kept] = (x0 + delta).detach()[kept], distance.detach()[kept]
        falling = (1 + math.cos(math.pi * step / steps)) / 2
        length, back = 0.01 + 0.99 * falling, 0.05 + 0.45 * falling
        loss = cross_entropy(logits, labels, reduction="sum") * (-1 if targeted else 1)
        (up,) = torch.autograd.grad(loss, delta)
        (down,) = torch.autograd.grad(distance.sum(), delta)
        up, down = (each / norm(each).clamp_min(1e-30).reshape(-1, 1, 1, 1) for each in (up, down))
        moved = torch.where(hit.reshape(-1, 1, 1, 1), delta - back * down, delta + length * up)
        delta = (x0 + moved).clamp(0, 1) - x0
    return best, seen


def test_perc_al_takes_the_steps_of_its_paper_and_keeps_the_least_change_of_colours(targeted):
    problem = watched(targeted=targeted)
    outcome, ours = limen(problem, perc_al(steps=15))
    best, seen = alternating(problem.classifier.module.module, problem.images, problem.labels, 15, targeted)
    assert_same(ours, seen, atol=1e-6)
    assert outcome.success.all()
    torch.testing.assert_close(outcome.images, best, rtol=0, atol=1e-6)


def test_perc_al_changes_colours_less_than_steps_of_equal_length_do():
    problem = task(conv_net(), photos(6))
    found = perc_al(steps=40)(problem.classifier, problem.images, problem.labels)
    eps = l2(problem.images, found.images)
    plain = pgd_l2(eps=eps, steps=40)(problem.classifier, problem.images, problem.labels)
    assert found.success.all()
    assert (
        colours(problem.images, found.images).mean()
        < 0.9 * colours(problem.images, plain.images)[plain.success].mean()
    )


def test_the_change_of_colours_is_finite_where_nothing_has_changed():
    problem = problem_of(photos(2).double())
    images = problem.originals.clone().requires_grad_()
    costs = ColourDifference().bind(problem)(images)
    (slope,) = torch.autograd.grad(costs.sum(), images)
    assert costs.tolist() == [0, 0]
    assert torch.equal(slope, torch.zeros_like(slope))
    with pytest.raises(UsageError, match="1 or 3 channels; these have 2"):
        ColourDifference().bind(problem_of(torch.rand(1, 2, 4, 4)))


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    metric=st.sampled_from(["l2", "l1", "ssim", "ciede2000"]),
    share=st.floats(0.01, 0.9),
    lattice=st.sampled_from([None, 255]),
)
def test_a_ball_of_any_cost_holds_what_it_projects_and_stores(seed, metric, share, lattice):
    random = generator(seed)
    originals = torch.randint(0, 256, (3, 3, 12, 12), generator=random).double() / 255
    images = (originals + 0.2 * torch.randn(3, 3, 12, 12, generator=random, dtype=F64)).clamp(0, 1)
    cost = METRICS[metric].cost
    eps = share * cost(originals, images) * torch.tensor([1.0, 0.5, 3.0], dtype=F64)
    problem = problem_of(originals, lattice=lattice)
    ball = CostBall(cost=Difference(cost), eps=eps).bind(problem)
    inside = cost(originals, images) <= eps
    projected = ball.project(images.clone())
    assert torch.equal(projected[inside], images[inside])
    assert (cost(originals, projected) <= eps * (1 + 1e-9)).all()
    assert (projected != originals).flatten(1).any(1).all()
    stored = ball.store(images)
    assert (cost(originals, stored) <= eps * (1 + 1e-9)).all()
    assert ball.contains(stored).all()
    assert torch.equal(ball.contains(images), inside)


def test_projection_to_a_ball_of_l2_ends_a_little_inside_the_nearest_point():
    originals = torch.full((1, 3, 12, 12), 0.5, dtype=F64)
    delta = torch.randn(1, 3, 12, 12, generator=generator(3), dtype=F64) * 0.02
    ball = CostBall(cost=Difference(l2), eps=0.3, overshoot=0.05).bind(problem_of(originals))
    projected = ball.project(originals + delta)
    nearest = originals + delta * 0.3 / norm(delta)
    assert 0.9 * 0.3 < norm(projected - originals) <= 0.3
    assert norm(projected - nearest) < 0.03


def test_a_bound_is_kept_and_used_on_the_file():
    problem = task(conv_net(), photos(4))
    eps = torch.tensor([1e-4, 1e-3, 1e-2, 5e-2])
    attack = perceptual_pgd(eps=eps, steps=20)
    ended = attack.perturb(problem.classifier, problem.images, problem.labels, lattice=255)
    costs = dissimilarity(problem.images.double(), ended.double())
    assert (costs <= eps * (1 + 1e-5)).all()
    assert (costs >= 0.5 * eps).all()


@pytest.mark.parametrize("metric", ["ssim", "ciede2000"])
def test_what_is_made_least_is_the_metric(metric):
    problem = task(conv_net(), photos(6, low=20, high=236))
    call = (problem.classifier, problem.images, problem.labels)
    cost = METRICS[metric].cost
    other = {"ssim": "ciede2000", "ciede2000": "ssim"}[metric]
    found, rival = (perceptual_ddn(name, steps=40)(*call, lattice=None) for name in (metric, other))
    assert found.success.all()
    assert rival.success.all()
    assert cost(problem.images, found.images).mean() < 0.8 * cost(problem.images, rival.images).mean()


@pytest.mark.parametrize("confidence", [0.0, 0.3])
def test_the_least_noticed_has_the_confidence_and_a_fraction_of_the_visibility(confidence):
    problem = task(conv_net(), photos(6, low=20, high=236))
    call = (problem.classifier, problem.images, problem.labels)
    found = least_noticed(steps=30, confidence=confidence)(*call, lattice=None)
    plain = perceptual_ddn("l2", steps=30, confidence=confidence)(*call, lattice=None)
    assert found.success.all()
    assert plain.success.all()
    margin = problem_of(problem.images, labels=problem.labels).margin(problem.classifier(found.images))
    assert (margin > confidence).all()
    form = VisibilityTensor.at(problem.images)
    seen, of_plain = (form.energy(each.images - problem.images).sqrt() for each in (found, plain))
    assert (seen < 0.95 * of_plain).all()


def test_of_the_least_noticed_that_of_least_mad_is_kept():
    network = smooth_mlp()
    problem = task(network, photos(4))
    distance = least_noticed().search.compositions[0].distance
    large = torch.rand(2, 3, 32, 32, generator=generator(1))
    changed = (large + 0.1 * torch.randn(2, 3, 32, 32, generator=generator(2))).clamp(0, 1)
    assert (distance(changed, large) - mad(large, changed)).abs().max() < 1e-3
    assert torch.equal(distance(large, large), torch.zeros(2))
    small = distance(problem.images.flip(0), problem.images)  # of images too small for MAD
    assert (small > 0).all()
