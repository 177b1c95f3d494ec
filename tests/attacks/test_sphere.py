from __future__ import annotations

import functools
import math

import pytest
import torch
from torch import Tensor

from limen.attacks.constraint import AdaptiveSphere
from limen.attacks.part import Problem
from limen.attacks.protocols import State
from limen.images import norm
from limen.metrics import ssim_map
from limen.operators import SsimTensor

from .networks import generator
from .states import problem_of, state_of

SIDE = 12
OPERATOR = functools.partial(SsimTensor.at, border="reflect")


def grey(count: int, side: int = SIDE) -> Tensor:
    """Images far from 0 and 1."""
    drawn = torch.rand(count, 1, side, side, generator=generator(3), dtype=torch.float64)
    return drawn * 0.4 + 0.3


def moves(originals: Tensor, seed: int = 0) -> Tensor:
    drawn = torch.randn(originals.shape, generator=generator(seed), dtype=originals.dtype)
    return drawn * 0.01 * torch.arange(1, len(originals) + 1).reshape(-1, 1, 1, 1)


def seen(images: Tensor, problem: Problem, success: list[bool], progress: float) -> State:
    return state_of(problem, images, success=torch.tensor(success), progress=progress)


def dense(originals: Tensor) -> list[Tensor]:
    """The Hessian of each image's 1 − SSIM by autograd, as a matrix."""
    size = originals[0].numel()
    return [
        torch.autograd.functional.hessian(lambda y, x=x: 1 - ssim_map(x, y).mean(), x).reshape(size, size)
        for x in originals.split(1)
    ]


def length_of(kind: str, originals: Tensor):
    """The length of perturbations, by a way of its own: ‖δ‖₂, or √(δᵀHδ) with H written out."""
    if kind == "l2":
        return lambda delta: delta.flatten(1).norm(dim=1)
    matrices = dense(originals)

    def length(delta: Tensor) -> Tensor:
        pairs = zip(delta.flatten(1), matrices, strict=True)
        return torch.stack([(row @ matrix @ row).sqrt() for row, matrix in pairs])

    return length


KINDS = {"l2": None, "operator": OPERATOR}


@pytest.fixture(params=KINDS)
def kind(request) -> str:
    return request.param


def test_without_a_budget_the_first_move_sets_the_radius(kind):
    originals = grey(3)
    length, problem = length_of(kind, originals), problem_of(originals)
    sphere = AdaptiveSphere(gamma=0.2, final=0.05, operator=KINDS[kind]).bind(problem)
    sphere = sphere.update(seen(originals, problem, [False] * 3, 0.0))
    assert sphere.radius.isinf().all()
    first = moves(originals)
    images = sphere.project(originals + first)
    torch.testing.assert_close(images, originals + first)
    after = sphere.update(seen(images, problem, [True, False, True], 0.5))
    gamma = 0.05 + 0.15 * (1 + math.cos(math.pi / 2)) / 2
    expected = length(first) * torch.tensor([1 - gamma, 1 + gamma, 1 - gamma], dtype=torch.float64)
    torch.testing.assert_close(after.radius.flatten(), expected, rtol=1e-9, atol=0)


def test_every_direction_is_brought_to_the_radius(kind):
    originals = grey(3)
    length, problem = length_of(kind, originals), problem_of(originals)
    sphere = AdaptiveSphere(operator=KINDS[kind]).bind(problem)
    first = moves(originals)
    sphere = sphere.update(seen(originals + first, problem, [True, False, True], 0.0))
    for scale in (1e-3, 1.0, 30.0):
        other = moves(originals, seed=1) * scale
        delta = sphere.project(originals + other) - originals
        torch.testing.assert_close(length(delta), sphere.radius.flatten(), rtol=1e-9, atol=0)
        cosines = (delta * other).flatten(1).sum(1) / (norm(delta) * norm(other))
        torch.testing.assert_close(cosines, torch.ones(3, dtype=torch.float64))


def test_the_radius_falls_and_grows_by_a_share_that_falls_along_a_half_cosine(kind):
    originals = grey(2)
    problem = problem_of(originals)
    sphere = AdaptiveSphere(eps=0.8, gamma=0.2, final=0.02, operator=KINDS[kind]).bind(problem)
    expected = [0.8, 0.8]
    for progress in (0.0, 0.25, 0.5, 1.0):
        sphere = sphere.update(seen(originals + 0.01, problem, [True, False], progress))
        gamma = 0.02 + 0.18 * (1 + math.cos(math.pi * progress)) / 2
        expected = [expected[0] * (1 - gamma), expected[1] * (1 + gamma)]
        assert sphere.radius.flatten().tolist() == pytest.approx(expected)


def test_a_first_radius_is_one_number_a_sample(kind):
    originals = grey(2)
    length, problem = length_of(kind, originals), problem_of(originals)
    eps = torch.tensor([1e-2, 3e-2])
    sphere = AdaptiveSphere(eps=eps, operator=KINDS[kind]).bind(problem)
    images = sphere.project(originals + moves(originals))
    assert length(images - originals).tolist() == pytest.approx([1e-2, 3e-2], rel=1e-6)
    second = sphere.select(torch.tensor([1]))
    assert torch.equal(second.project((originals + moves(originals))[1:]), images[1:])


def test_a_sample_without_a_first_move_waits_for_one(kind):
    originals = grey(3)
    problem = problem_of(originals)
    first = moves(originals)
    first[1] = 0
    sphere = AdaptiveSphere(operator=KINDS[kind]).bind(problem)
    images = sphere.project(originals + first)
    assert torch.equal(images[1], originals[1])
    sphere = sphere.update(seen(images, problem, [False] * 3, 0.1))
    assert sphere.radius.isinf().flatten().tolist() == [False, True, False]
    later = moves(originals)
    images = sphere.project(originals + later)
    torch.testing.assert_close(images[1], originals[1] + later[1])
    sphere = sphere.update(seen(images, problem, [True] * 3, 1.0))
    delta = images[1:2] - originals[1:2]
    expected = length_of(kind, originals[1:2])(delta) * (1 - sphere.final)
    torch.testing.assert_close(sphere.radius[1].flatten(), expected, rtol=1e-9, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("eps", [1e-3, 50.0])
def test_without_a_move_the_image_stays_whatever_the_radius(kind, eps, dtype):
    originals = grey(2).to(dtype)
    sphere = AdaptiveSphere(eps=eps, operator=KINDS[kind]).bind(problem_of(originals))
    assert torch.equal(sphere.project(originals.clone()), originals)


def test_what_leaves_the_box_is_cut(kind):
    originals = grey(2)
    sphere = AdaptiveSphere(eps=20.0, operator=KINDS[kind]).bind(problem_of(originals))
    images = sphere.project(originals + moves(originals))
    assert images.aminmax() == (0, 1)
    assert sphere.contains(images).all()
