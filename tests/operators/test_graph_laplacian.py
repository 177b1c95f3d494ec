from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from limen.errors import UnknownNameError, UsageError
from limen.operators import GraphLaplacian, conjugate_gradient

SHAPES = [(2, 3, 5, 7), (1, 1, 1, 6), (1, 2, 6, 1), (1, 1, 1, 1), (1, 3, 2, 2)]


def written_out(image: np.ndarray, kernel: str, rate: float, alpha: float, neighbours: int, joint: bool):
    """L of one image (C, H, W), pixel by pixel: (C, H·W, H·W)."""
    channels, height, width = image.shape
    steps = [(0, 1), (1, 0), (0, -1), (-1, 0)]
    steps += [(1, 1), (1, -1), (-1, 1), (-1, -1)] if neighbours == 8 else []
    matrices = []
    for c in range(channels):
        weights = np.zeros((height * width,) * 2)
        for row, column in np.ndindex(height, width):
            for down, right in steps:
                if 0 <= row + down < height and 0 <= column + right < width:
                    difference = image[:, row, column] - image[:, row + down, column + right]
                    delta = np.linalg.norm(difference) if joint else abs(difference[c])
                    exponent = delta**2 if kernel == "gaussian" else delta
                    there = (row + down) * width + column + right
                    weights[row * width + column, there] = np.exp(-rate * exponent)
        root = np.sqrt(np.where(weights.sum(1) > 0, weights.sum(1), 1))
        matrices.append((np.eye(len(root)) - alpha * weights / np.outer(root, root)) / (1 - alpha))
    return np.stack(matrices)


@pytest.mark.parametrize("joint", [False, True], ids=["per-channel", "joint"])
@pytest.mark.parametrize("neighbours", [4, 8])
@pytest.mark.parametrize("kernel", ["gaussian", "laplacian"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_product_is_that_of_the_matrix_written_out(shape, kernel, neighbours, joint):
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(shape, dtype=torch.float64, generator=generator)
    vectors = torch.randn(shape, dtype=torch.float64, generator=generator)
    settings = (kernel, 10.0, 0.95, neighbours, joint)
    laplacian = GraphLaplacian.at(images, *settings)
    for row, image in enumerate(images):
        matrix = torch.from_numpy(written_out(image.numpy(), *settings))
        expected = torch.einsum("cpq,cq->cp", matrix, vectors[row].flatten(1))
        product = laplacian.matvec(vectors)[row].flatten(1)
        assert torch.allclose(product, expected, rtol=0, atol=1e-11)
        diagonal = torch.diagonal(matrix, dim1=1, dim2=2)
        assert torch.allclose(laplacian.diagonal()[row].flatten(1), diagonal)
        energy = (vectors[row].flatten(1) * expected).sum()
        assert torch.allclose(laplacian.energy(vectors)[row], energy)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_a_pixel_unlike_all_its_neighbours_keeps_its_ties_where_their_weights_underflow(dtype):
    image = torch.zeros(1, 1, 3, 3, dtype=dtype)
    image[..., 1, 1] = 1.0
    laplacian = GraphLaplacian.at(image, rate=2000.0, alpha=0.5)
    ones = laplacian.matvec(torch.ones_like(image))
    assert torch.isfinite(ones).all()
    # exp(−2000) is 0 in floats, but all four ties of the middle are alike and so make up its degree.
    tie = -laplacian.links[0, 0, 0, 1, 1] / 1.0
    weight, strong = np.exp(-1000.0), 2.0
    assert tie.item() == pytest.approx(weight / np.sqrt(4 * strong), abs=1e-30)
    assert ones[0, 0, 0, 0].item() == pytest.approx(2 - 1 / np.sqrt(4) - 1 / np.sqrt(4), abs=1e-6)


def test_two_lonely_pixels_hold_on_to_each_other():
    image = torch.tensor([[[[0.0, 1.0]]]])
    laplacian = GraphLaplacian.at(image, rate=1e6, alpha=0.5)
    # S is 1 between them, however small their weight: S = w/√(w·w).
    assert laplacian.links[0, 0, 0, 0, 0].item() == pytest.approx(-1.0)


def test_a_flat_image_has_the_laplacian_of_the_grid():
    laplacian = GraphLaplacian.at(torch.full((1, 1, 4, 4), 0.3), alpha=0.5)
    assert laplacian.links[0, 0, 0, 1, 1].item() == pytest.approx(-0.25)
    assert laplacian.links[0, 0, 0, 0, 1].item() == pytest.approx(-1 / 3)
    assert laplacian.links[0, 0, 1, 0, 0].item() == pytest.approx(-1 / math.sqrt(6))


@given(st.integers(0, 10_000), st.floats(0, 0.999), st.sampled_from([4, 8]), st.booleans())
def test_its_eigenvalues_lie_between_1_and_the_bound(seed, alpha, neighbours, joint):
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(1, 3, 4, 5, dtype=torch.float64, generator=generator)
    laplacian = GraphLaplacian.at(images, alpha=alpha, neighbours=neighbours, joint=joint)
    unit = torch.eye(60, dtype=torch.float64).reshape(60, 3, 4, 5)
    matrix = torch.cat([laplacian.matvec(vector[None]) for vector in unit]).flatten(1)
    assert torch.allclose(matrix, matrix.T)
    values = torch.linalg.eigvalsh(matrix)
    assert values.min() >= 1 - 1e-9
    assert values.max() <= (1 + alpha) / (1 - alpha) * (1 + 1e-12)


def test_the_kept_samples_are_those_asked_for():
    images = torch.rand(3, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    rows = torch.tensor([2, 0])
    kept, alone = GraphLaplacian.at(images).select(rows), GraphLaplacian.at(images[rows])
    torch.testing.assert_close(kept.links, alone.links)


def test_conjugate_gradients_invert_it():
    images = torch.rand(2, 3, 20, 17, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    laplacian = GraphLaplacian.at(images)
    solution = conjugate_gradient(laplacian, torch.ones_like(images), tolerance=1e-11)
    assert torch.allclose(laplacian.matvec(solution.values), torch.ones_like(images), atol=1e-9)


@pytest.mark.parametrize(
    ("setting", "error"),
    [
        ({"kernel": "gauss"}, UnknownNameError),
        ({"rate": -1.0}, UsageError),
        ({"rate": float("nan")}, UsageError),
        ({"alpha": 1.0}, UsageError),
        ({"alpha": -0.1}, UsageError),
        ({"neighbours": 6}, UsageError),
    ],
    ids=str,
)
def test_settings_that_make_no_graph_are_refused_by_name(setting, error):
    with pytest.raises(error, match=next(iter(setting))):
        GraphLaplacian.at(torch.rand(1, 1, 3, 3), **setting)
