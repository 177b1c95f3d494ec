from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data
from torch import Tensor

from limen.errors import LimenError
from limen.operators.nested_dissection import OFFSETS, GridFactor

from .grids import SHAPES, dense, drawn, matrices, relative, sums


def sparse(diagonal: np.ndarray, links: np.ndarray) -> scipy.sparse.csc_array:
    """One matrix, from its diagonals."""
    height, width = links.shape[1:]
    entries, offsets = [diagonal.ravel()], [0]
    for link, (down, right) in zip(links, OFFSETS, strict=False):
        inside = np.zeros((height, width))
        own = np.s_[: height - down, max(-right, 0) : width - max(right, 0)]
        inside[own] = link[own]
        step = down * width + right
        entries += [inside.ravel()[: height * width - step]] * 2
        offsets += [step, -step]
    return scipy.sparse.diags_array(entries, offsets=offsets, format="csc")


def photograph(height: int, width: int, edges: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """(I − αS)/(1 − α) of a photograph's channels, α = 0.999: its condition is about 2,000."""
    image = torch.tensor(data.astronaut()[:height, :width].copy()).permute(2, 0, 1)[None].double() / 255
    weights = image.new_zeros(1, 3, edges, height, width)
    degree = torch.zeros_like(image)
    ends = []
    for edge, (down, right) in enumerate(OFFSETS[:edges]):
        here = np.s_[..., : height - down, max(-right, 0) : width - max(right, 0)]
        there = np.s_[..., down:, max(right, 0) : width + min(right, 0)]
        weight = torch.exp(-300 * (image[here] - image[there]) ** 2) + 1e-9
        weights[:, :, edge][here] = weight
        degree[here] += weight
        degree[there] += weight
        ends.append((here, there))
    for edge, (here, there) in enumerate(ends):
        weights[:, :, edge][here] *= -0.999 / 0.001 / (degree[here] * degree[there]).sqrt()
    return torch.full_like(image, 1 / 0.001).to(dtype), weights.to(dtype)


@pytest.mark.parametrize("edges", [2, 4])
@pytest.mark.parametrize(("height", "width"), SHAPES)
def test_the_solution_is_that_of_a_dense_solver(height, width, edges):
    diagonal, links = matrices(2, 3, height, width, edges=edges)
    targets = drawn(2, 3, height, width, seed=2) - 0.5
    expected = torch.linalg.solve(dense(diagonal, links), targets.flatten(2)).view_as(targets)
    assert relative(GridFactor.of(diagonal, links).solve(targets) - expected, expected) <= 1e-11


@pytest.mark.parametrize("edges", [2, 4])
def test_all_channels_may_share_one_matrix(edges):
    diagonal, links = matrices(2, 1, 12, 19, edges=edges)
    targets = drawn(2, 5, 12, 19, seed=2) - 0.5
    expected = torch.linalg.solve(dense(diagonal, links).expand(2, 5, -1, -1), targets.flatten(2))
    assert relative(GridFactor.of(diagonal, links).solve(targets).flatten(2) - expected, expected) <= 1e-11


@pytest.mark.parametrize("edges", [2, 4])
@pytest.mark.parametrize(("dtype", "most"), [(torch.float64, 1e-12), (torch.float32, 5e-6)])
@pytest.mark.parametrize(("height", "width"), [(100, 100), (37, 300)])
def test_the_residual_of_a_photograph_is_that_of_rounding(height, width, edges, dtype, most):
    diagonal, links = photograph(height, width, edges, dtype)
    targets = drawn(1, 3, height, width, seed=2, dtype=dtype) - 0.5
    found = GridFactor.of(diagonal, links).solve(targets)
    for channel in range(3):
        matrix = sparse(diagonal[0, channel].double().numpy(), links[0, channel].double().numpy())
        target = targets[0, channel].double().numpy().ravel()
        residual = matrix @ found[0, channel].double().numpy().ravel() - target
        assert np.linalg.norm(residual) <= most * np.linalg.norm(target)


@pytest.mark.parametrize("edges", [2, 4])
def test_the_solution_of_a_photograph_is_that_of_scipy(edges):
    diagonal, links = photograph(120, 121, edges, torch.float64)
    targets = drawn(1, 3, 120, 121, seed=2) - 0.5
    matrix = sparse(diagonal[0, 0].numpy(), links[0, 0].numpy())
    expected = torch.tensor(scipy.sparse.linalg.splu(matrix).solve(targets[0, 0].numpy().ravel()))
    found = GridFactor.of(diagonal, links).solve(targets)[0, 0].flatten()
    assert relative(found - expected, expected) <= 1e-12


@settings(deadline=None, max_examples=40)
@given(
    height=st.integers(1, 14),
    width=st.integers(1, 14),
    edges=st.sampled_from([2, 4]),
    groups=st.sampled_from([1, 2]),
    seed=st.integers(0, 2**31),
)
def test_solving_undoes_the_product_and_is_symmetric(height, width, edges, groups, seed):
    links = 2 * drawn(2, groups, edges, height, width, seed=seed) - 1
    diagonal = sums(links.abs()) + 0.01 + drawn(2, groups, height, width, seed=seed + 1)
    first, second = drawn(2, 2, 2, height, width, seed=seed + 2) - 0.5
    factor = GridFactor.of(diagonal, links)
    solution = factor.solve(first)
    product = (dense(diagonal, links) @ solution.flatten(2)[..., None])[..., 0].view_as(first)
    assert relative(product - first, first) <= 1e-12
    one, other = (solution * second).sum(), (first * factor.solve(second)).sum()
    assert (one - other).abs() <= 1e-10 * solution.norm() * second.norm()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("groups", "edges"), [(3, 2), (1, 2), (1, 4)])
@pytest.mark.parametrize(("height", "width"), [(28, 28), (3, 3)])
def test_a_sample_agrees_with_itself_alone(height, width, groups, edges, dtype):
    diagonal, links = matrices(16, groups, height, width, edges=edges, dtype=dtype)
    targets = drawn(16, 3, height, width, seed=2, dtype=dtype) - 0.5
    factor = GridFactor.of(diagonal, links)
    whole = factor.solve(targets)
    for rows in (torch.tensor([4]), torch.tensor([11, 2, 4, 7, 3]), torch.arange(15, -1, -1)):
        for solution in (
            GridFactor.of(diagonal[rows], links[rows]).solve(targets[rows]),
            factor.select(rows).solve(targets[rows]),
        ):
            assert relative(solution - whole[rows], whole[rows]) <= 100 * torch.finfo(dtype).eps


def test_a_single_matrix_and_vector_agrees_with_itself_beside_others():
    diagonal, links = matrices(3, 1, 64, 64, dtype=torch.float32)
    targets = drawn(3, 1, 64, 64, seed=2, dtype=torch.float32) - 0.5
    whole = GridFactor.of(diagonal, links).solve(targets)
    alone = GridFactor.of(diagonal[1:2], links[1:2]).solve(targets[1:2])
    assert relative(alone - whole[1:2], alone) <= 1e-5


def test_all_samples_are_kept_without_a_copy():
    factor = GridFactor.of(*matrices(3, 1, 9, 9))
    assert factor.select(torch.arange(3)) is factor
    assert factor.select(torch.tensor([0, 2, 1])) is not factor


def test_a_batch_may_be_empty():
    factor = GridFactor.of(*matrices(2, 3, 20, 20)).select(torch.tensor([], dtype=torch.int64))
    assert factor.solve(torch.zeros(0, 3, 20, 20, dtype=torch.float64)).shape == (0, 3, 20, 20)
    empty = GridFactor.of(torch.zeros(0, 1, 5, 5), torch.zeros(0, 1, 2, 5, 5))
    assert empty.solve(torch.zeros(0, 2, 5, 5)).shape == (0, 2, 5, 5)


@pytest.mark.parametrize("neighbours", [4, 8])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (28, 28), (37, 50)])
def test_bytes_are_those_of_the_tensors_held(height, width, dtype, neighbours):
    factor = GridFactor.of(*matrices(1, 3, height, width, edges=neighbours // 2, dtype=dtype))
    held = [*factor.forward, *factor.backward]
    assert all(each.untyped_storage().nbytes() == each.numel() * dtype.itemsize for each in held)
    expected = sum(each.numel() * dtype.itemsize for each in held)
    assert GridFactor.bytes(3, height, width, neighbours, dtype) == expected


def test_memory_grows_little_faster_than_the_image():
    small, large = (GridFactor.bytes(1, side, side, 4, torch.float32) for side in (112, 448))
    assert large < 32 * small


@pytest.mark.parametrize("place", [(0, 0), (7, 7), (3, 12), (14, 14)])
@pytest.mark.parametrize("value", [-0.5, torch.nan, torch.inf])
def test_matrices_that_cannot_be_factorised_are_named(place, value):
    diagonal, links = matrices(3, 2, 15, 15)
    diagonal[(1, 1, *place)] = value
    with pytest.raises(LimenError, match=r"samples \[1\] .* not positive definite"):
        GridFactor.of(diagonal, links)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -1e3])
def test_links_that_cannot_be_factorised_are_named(value):
    diagonal, links = matrices(2, 1, 15, 15)
    links[0, 0, 1, 6, 7] = value
    with pytest.raises(LimenError, match=r"samples \[0\] .* not finite"):
        GridFactor.of(diagonal, links)
