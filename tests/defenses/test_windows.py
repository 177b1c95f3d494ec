"""Resizing, pooling and bit depth, against other ways to compute them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from limen import defenses

from .photographs import photographs


@settings(max_examples=40, deadline=None)
@given(
    factor=st.floats(1, 4),
    height=st.integers(5, 40),
    width=st.integers(5, 40),
    seed=st.integers(0, 2**16),
)
def test_resizing_is_opencvs_linear_one_there_and_back(factor, height, width, seed):
    image = np.random.default_rng(seed).random((height, width, 3))
    small = cv2.resize(image, (int(width / factor), int(height / factor)), interpolation=cv2.INTER_LINEAR)
    expected = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    resized = defenses.resize(torch.from_numpy(image).permute(2, 0, 1)[None], factor)
    np.testing.assert_allclose(resized[0].permute(1, 2, 0).numpy(), expected, atol=1e-6)


def test_a_factor_of_one_changes_nothing():
    images = photographs(33, 20)
    assert torch.equal(defenses.resize(images, 1.0), images)


def test_the_gradient_of_resizing_survives_white():
    white = torch.ones(1, 1, 33, 33, requires_grad=True)
    defenses.resize(white, 1.7).sum().backward()
    grey = torch.full_like(white, 0.5, requires_grad=True)
    defenses.resize(grey, 1.7).sum().backward()
    assert torch.equal(white.grad, grey.grad)


@pytest.mark.parametrize("size", [1, 3, 5, 7])
def test_average_pooling_is_scipys_uniform_filter_with_reflection(size):
    images = photographs(21, 30).double()
    expected = ndimage.uniform_filter(images.numpy(), (1, 1, size, size), mode="mirror")
    np.testing.assert_allclose(defenses.average_pool(images, size).numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("size", [1, 3, 5, 7])
def test_max_pooling_is_scipys_maximum_filter_that_ends_at_the_border(size):
    images = photographs(21, 30)
    expected = ndimage.maximum_filter(images.numpy(), (1, 1, size, size), mode="constant", cval=-np.inf)
    np.testing.assert_array_equal(defenses.max_pool(images, size).numpy(), expected)


@pytest.mark.parametrize("name", ["resize", "average_pool", "max_pool"])
def test_the_gradients_are_those_of_finite_differences(name):
    images = torch.rand(1, 2, 6, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.autograd.gradcheck(defenses.DEFENSES[name], images.requires_grad_())


@pytest.mark.parametrize("bits", range(1, 9))
def test_each_value_becomes_the_nearest_of_its_levels(bits):
    values = torch.linspace(0, 1, 1001, dtype=torch.float64)
    reduced = defenses.bit_depth(values[None, None, None], bits)[0, 0, 0].numpy()
    levels = np.linspace(0, 1, 2**bits)
    distances = np.abs(levels[:, None] - values.numpy())
    np.testing.assert_allclose(np.abs(reduced - values.numpy()), distances.min(0), atol=1e-12)
    assert len(np.unique(reduced)) == 2**bits
    np.testing.assert_allclose(np.unique(reduced), levels, atol=1e-15)


@pytest.mark.parametrize("bits", range(1, 9))
def test_levels_by_powers_are_those_of_the_published_program(bits):
    values = torch.linspace(0, 1, 1001, dtype=torch.float64)
    reduced = defenses.bit_depth(values[None, None, None], bits, "power")[0, 0, 0].numpy()
    step = 256 / 2**bits
    expected = np.minimum(np.rint(255 * values.numpy() / step) * step, 255)
    np.testing.assert_allclose(255 * reduced, expected, atol=1e-9)
    assert len(np.unique(reduced)) == min(2**bits + 1, 256)


def test_eight_bits_leave_an_image_of_a_file_as_it_is():
    images = photographs(16)
    for levels in ("even", "power"):
        assert torch.equal(defenses.bit_depth(images, 8, levels), images)
