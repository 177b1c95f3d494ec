from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from limen.errors import UnknownNameError, UsageError
from limen.operators import GraphLaplacian, Smoothing
from limen.operators.nested_dissection import GridFactor
from limen.operators.smoother import COPIES, GIB, Iterated

from .test_graph_laplacian import written_out

SOLVERS = ["factorised", "conjugate_gradient"]
TIGHT = {"tolerance": 1e-13, "iterations": 5000}


def draw(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.rand(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("joint", [False, True], ids=["per-channel", "joint"])
@pytest.mark.parametrize("shape", [(2, 3, 13, 10), (1, 1, 7, 9), (1, 3, 1, 5), (1, 1, 1, 1)], ids=str)
def test_the_adjoint_is_the_adjoint(shape, joint, solver):
    images, z, g = draw(*shape), draw(*shape, seed=1) - 0.5, draw(*shape, seed=2) - 0.5
    smoother = Smoothing(joint=joint, solver=solver, **TIGHT).at(images)
    there, back = (smoother(z) * g).flatten(1).sum(1), (z * smoother.adjoint(g)).flatten(1).sum(1)
    assert torch.allclose(there, back, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("solver", SOLVERS)
def test_autograd_takes_the_adjoint(solver):
    smoother = Smoothing(alpha=0.95, solver=solver, **TIGHT).at(draw(2, 1, 5, 4))
    latent = draw(2, 1, 5, 4, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(smoother, (latent,))


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("neighbours", [4, 8])
def test_it_is_the_dense_inverse_of_the_matrix_written_out(neighbours, solver):
    """At MNIST's size and the paper's settings for it."""
    image, latent = draw(1, 1, 28, 28).round(decimals=1), draw(1, 1, 28, 28, seed=1) - 0.5
    settings = {"kernel": "laplacian", "rate": 10.0, "alpha": 0.95, "neighbours": neighbours}
    smoother = Smoothing(**settings, solver=solver, **TIGHT).at(image)
    (inverse,) = np.linalg.inv(written_out(image[0].numpy(), **settings, joint=False))
    expected = (inverse @ latent.flatten().numpy()) / inverse.sum(1)
    assert np.abs(smoother(latent).flatten().numpy() - expected).max() < 1e-11


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_factors_and_conjugate_gradients_agree_to_the_tolerance(dtype):
    images, latent = draw(2, 3, 40, 33, dtype=dtype), draw(2, 3, 40, 33, seed=1, dtype=dtype) - 0.5
    factorised = Smoothing(solver="factorised").at(images)
    rounding = 1e-4 if dtype == torch.float32 else 1e-10  # of products with entries up to 666
    for tolerance in (1e-2, 1e-5):
        iterated = Smoothing(solver="conjugate_gradient", tolerance=tolerance).at(images)
        residual = iterated.laplacian.matvec(iterated.inverse.solve(latent)) - latent
        assert residual.norm() / latent.norm() < 1.1 * tolerance + rounding
        apart = (factorised(latent) - iterated(latent)).norm() / factorised(latent).norm()
        assert apart < 50 * (tolerance + rounding)
    far = Smoothing(solver="conjugate_gradient", tolerance=0.0, iterations=3).at(images)
    assert (factorised(latent) - far(latent)).norm() / factorised(latent).norm() > 1e-3


@given(st.integers(0, 10_000), st.floats(0, 0.999), st.booleans())
def test_it_averages(seed, alpha, joint):
    images, latent = draw(1, 3, 6, 5, seed=seed), draw(1, 3, 6, 5, seed=seed + 1)
    smooth = Smoothing(alpha=alpha, joint=joint, solver="factorised").at(images)(latent)
    assert (smooth.amax((2, 3)) <= latent.amax((2, 3)) + 1e-9).all()
    assert (smooth.amin((2, 3)) >= latent.amin((2, 3)) - 1e-9).all()


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_constant_stays_one(solver):
    images = draw(2, 3, 12, 12, dtype=torch.float32)
    constant = torch.full_like(images, 0.3)
    assert torch.allclose(Smoothing(solver=solver).at(images)(constant), constant, atol=1e-4)


def test_nothing_is_smoothed_where_alpha_is_0():
    images, latent = draw(1, 3, 8, 8), draw(1, 3, 8, 8, seed=1)
    assert torch.allclose(Smoothing(alpha=0.0).at(images)(latent), latent)


def test_an_edge_is_not_smoothed_across():
    image = torch.zeros(1, 1, 16, 16, dtype=torch.float64)
    image[..., 8:] = 1.0
    smooth = Smoothing().at(image)(image)
    assert (smooth[..., :8] < 1e-6).all()
    assert (smooth[..., 8:] > 1 - 1e-6).all()


@pytest.mark.parametrize("solver", SOLVERS)
def test_what_it_makes_can_be_taken_back(solver):
    images, latent = draw(2, 3, 9, 8), draw(2, 3, 9, 8, seed=1)
    smoother = Smoothing(solver=solver, **TIGHT).at(images)
    assert torch.allclose(smoother.invert(smoother(latent)), latent, atol=1e-9)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_sample_agrees_to_rounding_in_any_batch(solver):
    images, latent = draw(3, 3, 20, 20, dtype=torch.float32), draw(3, 3, 20, 20, seed=1, dtype=torch.float32)
    smoother = Smoothing(solver=solver).at(images)
    whole, rows = smoother(latent), torch.tensor([2, 0])
    alone = Smoothing(solver=solver).at(images[1:2])(latent[1:2])
    torch.testing.assert_close(smoother.select(rows)(latent[rows]), whole[rows], rtol=0, atol=1e-5)
    torch.testing.assert_close(alone, whole[1:2], rtol=0, atol=1e-5)


def test_factors_are_kept_where_the_memory_allows_it_and_never_take_more():
    images = draw(4, 3, 16, 16, dtype=torch.float32)
    need = COPIES * GridFactor.bytes(3, 16, 16, 4, torch.float32) / GIB
    for share, capacity in ((0.9, math.inf), (1.1, 1), (3.5, 3)):
        assert Smoothing(memory=share * need).capacity(images) == capacity
    assert isinstance(Smoothing(memory=0.9 * need).at(images).inverse, Iterated)
    assert isinstance(Smoothing(memory=4.1 * need).at(images).inverse, GridFactor)
    with pytest.raises(UsageError, match="factors of 3 images"):
        Smoothing(memory=3.5 * need).at(images)
    with pytest.raises(UsageError, match="factors of 0 images"):
        Smoothing(memory=0.5 * need, solver="factorised").at(images)


def test_channels_that_share_a_graph_share_its_factor():
    images = draw(1, 3, 16, 16, dtype=torch.float32)
    memory = COPIES * GridFactor.bytes(1, 16, 16, 4, torch.float32) / GIB
    assert Smoothing(joint=True, memory=1.01 * memory).capacity(images) == 1


def test_settings_without_sense_are_refused_by_name():
    with pytest.raises(UnknownNameError, match="solver"):
        Smoothing(solver="lu")
    for setting in ({"memory": 0.0}, {"tolerance": -1.0}, {"iterations": 0}, {"alpha": 1.0}):
        with pytest.raises(UsageError, match=next(iter(setting))):
            Smoothing(**setting)


def test_the_laplacian_is_that_of_the_settings():
    images = draw(1, 3, 6, 6)
    settings = {"kernel": "laplacian", "rate": 10.0, "alpha": 0.9, "neighbours": 8, "joint": True}
    assert torch.equal(
        Smoothing(**settings).laplacian(images).links, GraphLaplacian.at(images, **settings).links
    )
