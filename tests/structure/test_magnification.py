"""Magnification, against its formula in NumPy, and what it must show."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from torch import Tensor

from limen.errors import UsageError
from limen.structure import common_scale, magnify


def noise(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def smooth(size: int = 96) -> Tensor:
    y, x = np.mgrid[:size, :size] / size
    waves = [0.5 + 0.2 * np.sin(4 * x + channel) + 0.15 * np.cos(3 * y) for channel in range(3)]
    return torch.from_numpy(np.stack(waves))[None]


def checkerboard(size: int = 96) -> Tensor:
    y, x = np.mgrid[:size, :size]
    return torch.from_numpy((x + y) % 2 - 0.5) * 2


def test_a_row_of_three_pixels_is_what_the_formula_gives():
    # All rows alike, so that those above and below count alike, and a window of one pixel to each side.
    row = np.array([0.2, 0.5, 0.6])
    seen = np.array(
        [[0.5, 0.2, 0.5], [0.2, 0.5, 0.6], [0.5, 0.6, 0.5]]
    )  # from each pixel, reflected at the ends
    weights = np.exp(-((seen - row[:, None]) ** 2) / (2 * 0.4**2)) * np.exp(-np.array([0.5, 0, 0.5]))
    weights /= weights.sum(1, keepdims=True)
    change = row - (weights * seen).sum(1)
    variance = (weights * change[[[1, 0, 1], [0, 1, 2], [1, 2, 1]]] ** 2).sum(1)
    expected = change / (0.8 * np.sqrt(variance) + 0.2 * row.std())
    image = torch.from_numpy(row).expand(1, 1, 3, 3)
    magnified = magnify(image, beta=0.8, domain=1, range=0.4, radius=1)
    np.testing.assert_allclose(magnified[0, 0, 1].numpy(), expected, rtol=1e-12)


def test_at_beta_zero_it_is_the_change_over_the_global_deviation():
    images = noise(2, 3, 12, 10)
    magnified = magnify(images, beta=0, domain=1.5, range=math.inf, radius=2)
    blurred = gaussian_filter(images.numpy(), 1.5, axes=(2, 3), mode="mirror", radius=2)
    expected = (images - torch.from_numpy(blurred)) / images.std((2, 3), correction=0, keepdim=True)
    torch.testing.assert_close(magnified, expected, rtol=1e-10, atol=1e-12)


def test_a_checkerboard_of_one_8_bit_step_comes_out():
    original = smooth()
    perturbed = original + checkerboard() / 255

    def share(images: Tensor) -> float:
        return float(((images * checkerboard()).mean((2, 3)) / images.std((2, 3))).mean())

    assert share(perturbed) < 0.03
    assert share(magnify(perturbed)) > 20 * share(perturbed)
    assert abs(share(magnify(original))) < 0.01


def test_its_own_contrast_and_brightness_do_not_matter_if_the_range_goes_with_them():
    images = noise(1, 3, 14, 14) * 0.5
    kernel = {"domain": 2.0, "radius": 4}
    for beta in (0.0, 0.8, 1.0):
        plain = magnify(images, beta, range=0.2, **kernel)
        torch.testing.assert_close(magnify(images * 0.3 + 0.6, beta, range=0.06, **kernel), plain)
        torch.testing.assert_close(magnify(1 - images, beta, range=0.2, **kernel), -plain)


def test_contrast_matters_where_the_range_stays():
    images = noise(1, 3, 14, 14)
    kernel = {"domain": 2.0, "range": 0.2, "radius": 4}
    assert (magnify(images * 0.3, **kernel) - magnify(images, **kernel)).abs().max() > 0.1


@settings(max_examples=30)
@given(
    value=st.floats(0, 1, width=32),
    beta=st.floats(0, 1),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_a_flat_image_stays_without_anything(value, beta, dtype):
    assert not magnify(torch.full((1, 1, 12, 13), value, dtype=dtype), beta, radius=5).any()


def test_a_flat_channel_stays_flat_beside_others():
    images = noise(1, 3, 20, 20)
    images[:, 1] = 0.4
    magnified = magnify(images)
    assert not magnified[:, 1].any()
    assert magnified[:, 0].std() > 0.1


def test_one_step_in_one_pixel_is_magnified_and_nothing_else():
    images = torch.full((1, 1, 64, 64), 100 / 255)
    images[..., 30, 30] += 1 / 255
    magnified = magnify(images)
    assert magnified.argmax() == 30 * 64 + 30
    assert magnified.max() > 10
    assert magnified[..., :10].abs().max() < 0.1


@pytest.mark.parametrize("shape", [(5, 1, 28, 28), (3, 3, 37, 21)])
def test_an_image_does_not_depend_on_its_batch(shape):
    images = noise(*shape, dtype=torch.float32)
    together = magnify(images)
    alone = torch.cat([magnify(image[None]) for image in images])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    assert together.dtype == torch.float32


def test_one_scale_serves_all_images_and_keeps_their_order():
    magnified = noise(3, 3, 8, 8) * 7 - 3
    magnified[1] *= 0.1
    shown = common_scale(magnified)
    assert (shown.min(), shown.max()) == (0, 1)
    torch.testing.assert_close(
        shown * (magnified.max() - magnified.min()) + magnified.min(), magnified, atol=1e-12, rtol=0
    )
    assert shown[1].std() < 0.2 * shown[0].std()


def test_equal_values_and_no_values_have_a_scale_too():
    assert (common_scale(torch.zeros(2, 3, 4, 4)) == 0.5).all()
    assert common_scale(torch.zeros(0, 3, 4, 4)).shape == (0, 3, 4, 4)


@pytest.mark.parametrize(
    ("images", "options", "complaint"),
    [
        (torch.zeros(1, 3, 20, 20), {"beta": 1.1}, r"beta must be in \[0, 1\], not 1.1"),
        (torch.zeros(1, 3, 20, 20), {"beta": math.nan}, "beta must be in"),
        (torch.zeros(1, 3, 20, 20), {"range": 0.0}, "range must be at least"),
        (torch.zeros(1, 3, 12, 20), {}, "radius must be"),
        (torch.full((1, 3, 20, 20), 2.0), {}, r"scale them to \[0, 1\]"),
    ],
)
def test_what_makes_no_sense_is_refused(images, options, complaint):
    with pytest.raises(UsageError, match=complaint):
        magnify(images, **options)
