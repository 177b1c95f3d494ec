from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from limen.attacks.direction import Maximize, NearestBoundary, Normalize, Sign, TopSaliency
from limen.attacks.feasible import Box, LinfBall
from limen.attacks.protocols import Point, Problem, Slope, sample_seeds
from limen.images import norm

from .networks import generator


def slope_of(images: Tensor, values: Tensor, gradient: Tensor, originals=None, feasible=None) -> Slope:
    originals = images if originals is None else originals
    labels = torch.zeros(len(images), dtype=torch.int64)
    problem = Problem(originals, labels, False, None, sample_seeds(0, range(len(images))))
    point = Point(images, images, torch.zeros(len(images), 2), labels, labels > 0, 0.0, problem)
    return Slope(values, gradient, point, (feasible or Box()).prepare(problem))


def moved(direction, slope: Slope) -> Tensor:
    return direction(slope.gradient.clone(), slope)[0]


def plain(gradient: Tensor) -> Slope:
    return slope_of(torch.full_like(gradient, 0.5), torch.zeros(len(gradient)), gradient)


@pytest.mark.parametrize("order", [1, 2, math.inf])
def test_normalised_moves_have_unit_length_and_zero_stays_zero(order):
    gradient = torch.randn(3, 2, 4, 4, generator=generator(0)) * torch.tensor([1e-9, 0.0, 1e9]).reshape(
        3, 1, 1, 1
    )
    move = moved(Normalize(order), plain(gradient))
    assert norm(move, order).tolist() == pytest.approx([1.0, 0.0, 1.0], rel=1e-4)
    assert torch.equal(move.sign(), gradient.sign())


def test_signs_are_signs():
    gradient = torch.tensor([-3.0, 0.0, 1e-30]).reshape(1, 1, 1, 3)
    assert moved(Sign(), plain(gradient)).flatten().tolist() == [-1.0, 0.0, 1.0]


def test_maximise_moves_to_the_corner_of_the_set():
    gradient = torch.tensor([-3.0, 0.0, 2.0]).reshape(1, 1, 1, 3)
    images, originals = torch.full_like(gradient, 0.55), torch.full_like(gradient, 0.5)
    slope = slope_of(images, torch.zeros(1), gradient, originals, LinfBall(eps=0.1))
    assert torch.allclose(images + moved(Maximize(), slope), torch.tensor([0.4, 0.5, 0.6]))


def test_the_nearest_boundary_by_hand():
    # Distances 6/3 = 2 and 4/1 = 4: the first, along (3, 0), at 2 units.
    gradient = torch.tensor([[3.0, 0.0], [0.0, 1.0]]).reshape(1, 2, 1, 1, 2)
    slope = slope_of(torch.full((1, 1, 1, 2), 0.5), torch.tensor([[-6.0, -4.0]]), gradient)
    assert torch.allclose(moved(NearestBoundary(), slope), torch.tensor([2.0, 0.0]))


def test_a_boundary_without_gradient_is_never_the_nearest():
    gradient = torch.tensor([[0.0, 0.0], [0.0, 2.0]]).reshape(1, 2, 1, 1, 2)
    slope = slope_of(torch.full((1, 1, 1, 2), 0.5), torch.tensor([[-1e-3, -4.0]]), gradient)
    assert torch.allclose(moved(NearestBoundary(), slope), torch.tensor([0.0, 2.0]))


def test_boundaries_without_any_gradient_give_no_move():
    slope = slope_of(torch.full((1, 1, 1, 2), 0.5), torch.tensor([[-1.0, -4.0]]), torch.zeros(1, 2, 1, 1, 2))
    assert moved(NearestBoundary(), slope).abs().sum() == 0


def saliency_by_brute_force(target, rest, image, original) -> tuple[int, float]:
    """Papernot et al. 2016, eq. 8, and its mirror for lowering a value, one value at a time."""
    best, where, way = 0.0, -1, 0.0
    for index, (up, down, value, start) in enumerate(zip(target, rest, image, original, strict=True)):
        opposed = (up > 0 > down) or (up < 0 < down)
        room = value < 1 if up > 0 else value > 0
        if opposed and room and value == start and abs(up * down) > best:
            best, where, way = abs(up * down), index, math.copysign(1, up)
    return where, way


@pytest.mark.parametrize("seed", range(30))
def test_the_top_saliency_is_that_of_brute_force(seed):
    random = generator(seed)
    gradient = torch.randn(1, 2, 1, 3, 3, generator=random)
    originals = torch.randint(0, 3, (1, 1, 3, 3), generator=random) / 2
    images = torch.where(torch.rand(1, 1, 3, 3, generator=random) < 0.3, 1 - originals, originals)
    move = moved(TopSaliency(), slope_of(images, torch.zeros(1, 2), gradient, originals)).flatten()
    target, rest = gradient[0].flatten(1).tolist()
    where, way = saliency_by_brute_force(
        target, rest, images.flatten().tolist(), originals.flatten().tolist()
    )
    expected = torch.zeros(9)
    if where >= 0:
        expected[where] = way
    assert torch.equal(move, expected)
