"""HILL, against conseal and numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.signal import convolve2d
from skimage import data

from limen.errors import UsageError
from limen.images import from_uint8, grey
from limen.structure import hill

KERNEL = np.array([[-1, 2, -1], [2, -4, 2], [-1, 2, -1]])


def by_convolution(luma: np.ndarray, guard: float) -> np.ndarray:
    def filtered(plane: np.ndarray, kernel: np.ndarray) -> np.ndarray:
        return convolve2d(plane, kernel, mode="same", boundary="symm")

    texture = filtered(np.abs(filtered(255 * luma, KERNEL / 4)), np.full((3, 3), 1 / 9))
    return filtered(1 / np.maximum(texture, guard), np.full((15, 15), 1 / 225))


@pytest.mark.parametrize("name", ["camera", "moon", "coins"])
def test_costs_are_those_of_conseal(name):
    conseal = pytest.importorskip("conseal")
    pixels = np.ascontiguousarray(getattr(data, name)()[100:228, 50:200])
    costs = hill(from_uint8(pixels[None, :, :, None]))[0].numpy()
    np.testing.assert_allclose(costs, conseal.hill._costmap.compute_cost(pixels), rtol=2e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("guard", [1e-10, 2**-23, 1e-4])
def test_costs_of_colour_are_those_of_the_luma_by_plain_convolution(dtype, guard):
    images = from_uint8(data.astronaut()[None, :60, :40]).to(dtype)
    images[..., 30:, :20] = 0.5  # a flat part, whose costs the guard decides
    costs = hill(images, guard)
    assert costs.dtype == dtype
    expected = by_convolution(grey(images)[0].double().numpy(), guard)
    np.testing.assert_allclose(costs[0].numpy(), expected, rtol=1e-5 if dtype == torch.float32 else 1e-9)


def test_what_is_smooth_costs_most_and_as_much_as_the_guard_lets_it():
    images = torch.full((1, 3, 40, 60), 0.7)
    images[..., 30:] = torch.rand(1, 3, 40, 30, generator=torch.Generator().manual_seed(0))
    costs = hill(images, guard=1e-3)
    torch.testing.assert_close(costs[..., :20], torch.full((1, 40, 20), 1000.0))
    assert costs[..., 40:].max() < 1


def test_a_cost_depends_on_no_other_image():
    images = torch.rand(3, 3, 20, 20, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(torch.cat([hill(each[None]) for each in images]), hill(images))
    assert hill(images[:0]).shape == (0, 20, 20)
    assert hill(images[..., :7, :7]).shape == (3, 7, 7)


@pytest.mark.parametrize(
    ("shape", "guard", "message"),
    [
        ((1, 3, 6, 20), 1e-6, "sides of 7 pixels or more, not \\(6, 20\\)"),
        ((1, 2, 20, 20), 1e-6, "1 or 3 channels"),
        ((1, 1, 20, 20), 0.0, "guard must be above 0"),
        ((1, 1, 20, 20), float("nan"), "guard must be above 0"),
    ],
)
def test_what_has_no_cost_is_refused(shape, guard, message):
    with pytest.raises(UsageError, match=message):
        hill(torch.zeros(shape), guard)
