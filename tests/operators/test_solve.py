from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data
from torch import Tensor

from limen.errors import UsageError
from limen.images import from_uint8, norm
from limen.operators import Jacobi, SsimTensor, conjugate_gradient
from limen.operators.multilevel import Hats


def drawn(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def photographs(size: int) -> Tensor:
    views = [data.astronaut()[:size, 150 : 150 + size], data.coffee()[:size, :size]]
    return torch.stack([from_uint8(view[None])[0] for view in views])


def residual(operator: SsimTensor, values: Tensor, target: Tensor) -> Tensor:
    return norm(operator.matvec(values) - target) / norm(target)


@pytest.mark.parametrize("border", ["reflect", "valid"])
def test_the_solution_is_that_of_a_dense_solver(border):
    x, target = drawn(1, 1, 14, 13), drawn(1, 1, 14, 13, seed=1) - 0.5
    tensor = SsimTensor.at(x, border)
    basis = torch.eye(182, dtype=torch.float64).reshape(-1, 1, 14, 13)
    matrix = tensor.select(torch.zeros(182, dtype=torch.int64)).matvec(basis).flatten(1)
    solution = conjugate_gradient(tensor, target, tolerance=1e-12, iterations=3000)
    dense = torch.linalg.solve(matrix, target.flatten())
    assert (solution.values.flatten() - dense).abs().max() <= 1e-6 * dense.abs().max()


@pytest.mark.parametrize(
    ("dtype", "tolerance", "reached"), [(torch.float64, 1e-10, 1e-10), (torch.float32, 1e-6, 2e-6)]
)
def test_the_residual_of_photographs_falls_below_the_tolerance(dtype, tolerance, reached):
    tensor = SsimTensor.at(photographs(96).to(dtype))
    target = drawn(2, 3, 96, 96, seed=1, dtype=dtype) - 0.5
    solution = conjugate_gradient(tensor, target, tolerance=tolerance)
    assert (residual(tensor, solution.values, target) <= reached).all()
    assert (solution.residuals <= tolerance).all()


def test_coarse_levels_save_most_iterations():
    tensor, target = SsimTensor.at(photographs(160)), drawn(2, 3, 160, 160, dtype=torch.float32) - 0.5
    plain = conjugate_gradient(tensor, target, Jacobi(tensor.diagonal()))
    levels = conjugate_gradient(tensor, target)
    assert (3 * levels.iterations < plain.iterations).all()
    assert (levels.iterations < 100).all()


def test_each_sample_agrees_with_itself_alone_and_leaves_when_it_has_converged():
    x = torch.cat(
        [photographs(48), torch.full((1, 3, 48, 48), 0.5), drawn(1, 3, 48, 48, dtype=torch.float32)]
    )
    target = drawn(4, 3, 48, 48, seed=2, dtype=torch.float32) - 0.5
    tensor = SsimTensor.at(x)
    together = conjugate_gradient(tensor, target, tolerance=1e-4)
    assert len(set(together.iterations.tolist())) > 1
    for row in range(4):
        alone = conjugate_gradient(SsimTensor.at(x[row : row + 1]), target[row : row + 1], tolerance=1e-4)
        # Rounding may take the residual past the tolerance an iteration sooner or later.
        assert (together.iterations[row] - alone.iterations[0]).abs() <= 1
        assert (together.values[row] - alone.values[0]).norm() <= 1e-3 * alone.values.norm()
        mine = tensor.select(torch.tensor([row]))
        assert (residual(mine, together.values[row, None], target[row, None]) <= 2e-4).all()


def test_zero_targets_cost_nothing_and_tiny_ones_are_solved_like_great_ones():
    tensor, target = SsimTensor.at(photographs(48)), drawn(2, 3, 48, 48, dtype=torch.float32) - 0.5
    solution = conjugate_gradient(tensor, target * torch.tensor([0.0, 1e-30]).reshape(2, 1, 1, 1))
    great = conjugate_gradient(tensor, target)
    assert solution.iterations[0] == 0
    assert not solution.values[0].any()
    torch.testing.assert_close(
        solution.values[1] * 1e30, great.values[1], rtol=1e-2, atol=1e-4 * float(great.values.abs().max())
    )


def test_a_tolerance_of_zero_is_a_fixed_number_of_iterations():
    tensor, target = SsimTensor.at(photographs(48)), drawn(2, 3, 48, 48, dtype=torch.float32)
    assert conjugate_gradient(tensor, target, tolerance=0, iterations=7).iterations.tolist() == [7, 7]


@pytest.mark.parametrize("wrong", [{"tolerance": -1.0}, {"tolerance": float("nan")}, {"iterations": 0}])
def test_settings_without_sense_are_refused(wrong):
    with pytest.raises(UsageError, match="tolerance is"):
        conjugate_gradient(SsimTensor.at(torch.zeros(1, 1, 12, 12)), torch.zeros(1, 1, 12, 12), **wrong)


def test_no_samples_are_no_trouble():
    nothing = torch.zeros(0, 3, 12, 12)
    assert conjugate_gradient(SsimTensor.at(nothing), nothing).values.shape == nothing.shape


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 9), st.integers(2, 30), st.integers(2, 30), st.integers(1, 3))
def test_hats_spread_as_the_transpose_of_how_they_collect_and_add_up_to_one(spacing, height, width, channels):
    hats = Hats(spacing, (height, width))
    images, amounts = drawn(2, channels, height, width), drawn(2, channels, *hats.shape, seed=1)
    forth, back = (hats.spread(amounts) * images).sum(), (amounts * hats.collect(images)).sum()
    assert forth.item() == pytest.approx(back.item(), rel=1e-12)
    assert torch.allclose(hats.spread(torch.ones_like(amounts)), torch.ones_like(images))
    rows, columns = hats.axis(0, images), hats.axis(1, images)
    torch.testing.assert_close(hats.spread(amounts), rows @ amounts @ columns.mT)


def test_the_levels_energies_are_those_of_their_functions():
    x = drawn(1, 2, 26, 31)
    for border in ("reflect", "valid"):
        tensor = SsimTensor.at(x, border)
        multilevel = tensor.preconditioner()
        assert len(multilevel.levels) == 2
        for hats, energies in zip(multilevel.levels, multilevel.energies, strict=True):
            height, width = hats.shape
            one = torch.eye(height * width, dtype=torch.float64).reshape(-1, 1, height, width)
            spread = hats.spread(one.expand(-1, 2, -1, -1))
            products = tensor.select(torch.zeros(len(one), dtype=torch.int64)).matvec(spread)
            found = (spread * products).sum((2, 3)).T.reshape(1, 2, height, width)
            torch.testing.assert_close(energies, found, rtol=1e-10, atol=0)
