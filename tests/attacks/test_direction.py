from __future__ import annotations

import functools
import math

import pytest
import torch
from torch import Tensor

from limen.attacks.constraint import LinfBall
from limen.attacks.direction import Maximize, NearestBoundary, Normalize, Precondition, Sign, TopSaliency
from limen.attacks.protocols import Constraint, State
from limen.images import dot, norm
from limen.metrics import ssim, ssim_map
from limen.operators import SsimTensor

from .networks import generator
from .states import problem_of, state_of


def state_at(images: Tensor, values: Tensor, gradient: Tensor, originals=None, constraint=None) -> State:
    problem = problem_of(images if originals is None else originals)
    bound = (constraint or Constraint()).bind(problem)
    return state_of(problem, images, values=values, gradient=gradient, constraint=bound)


def moved(direction, state: State) -> Tensor:
    return direction(state.gradient.clone(), state)[0]


def plain(gradient: Tensor) -> State:
    return state_at(torch.full_like(gradient, 0.5), torch.zeros(len(gradient)), gradient)


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
    state = state_at(images, torch.zeros(1), gradient, originals, LinfBall(eps=0.1))
    assert torch.allclose(images + moved(Maximize(), state), torch.tensor([0.4, 0.5, 0.6]))


def test_the_nearest_boundary_by_hand():
    # Distances 6/3 = 2 and 4/1 = 4: the first, along (3, 0), at 2 units.
    gradient = torch.tensor([[3.0, 0.0], [0.0, 1.0]]).reshape(1, 2, 1, 1, 2)
    state = state_at(torch.full((1, 1, 1, 2), 0.5), torch.tensor([[-6.0, -4.0]]), gradient)
    assert torch.allclose(moved(NearestBoundary(), state), torch.tensor([2.0, 0.0]))


def test_a_boundary_without_gradient_is_never_the_nearest():
    gradient = torch.tensor([[0.0, 0.0], [0.0, 2.0]]).reshape(1, 2, 1, 1, 2)
    state = state_at(torch.full((1, 1, 1, 2), 0.5), torch.tensor([[-1e-3, -4.0]]), gradient)
    assert torch.allclose(moved(NearestBoundary(), state), torch.tensor([0.0, 2.0]))


def test_boundaries_without_any_gradient_give_no_move():
    state = state_at(torch.full((1, 1, 1, 2), 0.5), torch.tensor([[-1.0, -4.0]]), torch.zeros(1, 2, 1, 1, 2))
    assert moved(NearestBoundary(), state).abs().sum() == 0


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
    move = moved(TopSaliency(), state_at(images, torch.zeros(1, 2), gradient, originals)).flatten()
    target, rest = gradient[0].flatten(1).tolist()
    where, way = saliency_by_brute_force(
        target, rest, images.flatten().tolist(), originals.flatten().tolist()
    )
    expected = torch.zeros(9)
    if where >= 0:
        expected[where] = way
    assert torch.equal(move, expected)


MEASURES = {"reflect": lambda x, y: ssim_map(x, y).mean(), "valid": lambda x, y: ssim(x, y).mean()}


def hessian(image: Tensor, border: str) -> Tensor:
    """Of 1 − SSIM at the image (1, C, H, W), by autograd, as a matrix."""
    matrix = torch.autograd.functional.hessian(lambda y: 1 - MEASURES[border](image, y), image)
    return matrix.reshape(image.numel(), image.numel())


def natural(border: str = "reflect", **settings) -> Precondition:
    return Precondition(functools.partial(SsimTensor.at, border=border), **settings)


def uneven(count: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Images (count, 1, 13, 12), flat on one side and rough on the other, where SSIM is least like L2."""
    images = torch.rand(count, 1, 13, 12, generator=generator(4), dtype=torch.float64)
    images[..., 6:] = 0.4 + 0.02 * images[..., 6:]
    return images.to(dtype)


def directed(part: Precondition, state: State) -> Tensor:
    return moved(part.bind(state.problem), state)


@pytest.mark.parametrize("border", MEASURES)
def test_the_natural_gradient_is_that_of_a_dense_solve(border):
    images = uneven(3)
    gradient = torch.randn(images.shape, generator=generator(1), dtype=torch.float64)
    state = state_at(images, torch.zeros(3), gradient)
    found = directed(natural(border, exact=True, tolerance=1e-10, iterations=2000), state)
    for image, g, u in zip(images.split(1), gradient, found, strict=True):
        matrix = hessian(image, border)
        d = torch.linalg.solve(matrix, g.flatten())
        assert torch.allclose(u.flatten(), d / (d @ matrix @ d).sqrt(), rtol=1e-5, atol=1e-6 * u.abs().max())
        assert (u.flatten() @ matrix @ u.flatten()).item() == pytest.approx(1, rel=1e-8)


@pytest.mark.parametrize("border", MEASURES)
def test_the_diagonal_stands_for_the_matrix_where_it_is_not_solved(border):
    images = uneven(3)
    gradient = torch.randn(images.shape, generator=generator(1), dtype=torch.float64)
    found = directed(natural(border), state_at(images, torch.zeros(3), gradient))
    for image, g, u in zip(images.split(1), gradient, found, strict=True):
        diagonal = hessian(image, border).diagonal()
        d = g.flatten() / diagonal
        assert torch.allclose(u.flatten(), d / (diagonal * d.square()).sum().sqrt(), rtol=1e-6)


def test_a_rough_tolerance_is_kept():
    images = uneven(2)
    gradient = torch.randn(images.shape, generator=generator(1), dtype=torch.float64)
    found = directed(natural(exact=True, tolerance=1e-2), state_at(images, torch.zeros(2), gradient))
    for image, g, u in zip(images.split(1), gradient, found, strict=True):
        target = g.flatten() / g.norm()
        product = hessian(image, "reflect") @ u.flatten()
        residual = target - product * (target @ product) / product.square().sum()
        assert 1e-6 < residual.norm() <= 1.01e-2


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("exact", [True, False])
def test_the_natural_gradient_forgets_the_length_but_not_the_zero(exact, dtype):
    scales = torch.tensor([1.0, 1e-25, 0.0, 1e25], dtype=dtype).reshape(4, 1, 1, 1)
    images = uneven(1, dtype).expand(4, -1, -1, -1)
    drawn = torch.randn(images[:1].shape, generator=generator(1), dtype=torch.float64).to(dtype)
    found = directed(natural(exact=exact), state_at(images, torch.zeros(4), drawn * scales))
    assert torch.equal(found[2], torch.zeros_like(found[2]))
    peak = found[0].abs().max()
    assert peak > 0
    for row in (1, 3):
        assert torch.allclose(found[row], found[0], rtol=1e-3, atol=1e-3 * peak)
    assert dot(found, drawn)[[0, 1, 3]].min() > 0


@pytest.mark.parametrize("exact", [True, False])
def test_a_natural_gradient_is_the_same_in_any_batch_and_writes_over_nothing(exact):
    images = uneven(5, torch.float32)
    gradient = torch.randn(images.shape, generator=generator(1))
    state = state_at(images, torch.zeros(5), gradient)
    before, part = gradient.clone(), natural(exact=exact).bind(state.problem)
    whole = moved(part, state)
    assert torch.equal(state.gradient, before)
    assert torch.equal(state.images, images)
    for rows in (torch.tensor([3]), torch.tensor([4, 0])):
        alone = state_at(images[rows], torch.zeros(len(rows)), gradient[rows])
        assert torch.equal(moved(part.select(rows), alone), whole[rows])
        assert torch.equal(directed(natural(exact=exact), alone), whole[rows])


@pytest.mark.parametrize("exact", [True, False])
def test_on_a_flat_image_the_natural_gradient_is_finite(exact):
    images = torch.full((2, 3, 16, 16), 0.5)
    gradient = torch.randn(images.shape, generator=generator(1))
    gradient[1] = 1.0
    found = directed(natural(exact=exact), state_at(images, torch.zeros(2), gradient))
    assert found.isfinite().all()
    assert (dot(found, gradient) > 0).all()
