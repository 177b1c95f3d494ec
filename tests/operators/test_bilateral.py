"""The bilateral filter, against kornia, scipy, a restatement in NumPy, and what defines it."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from kornia.filters import bilateral_blur, joint_bilateral_blur
from scipy.ndimage import gaussian_filter
from torch import Tensor
from torch.nn import functional

from limen.errors import UsageError
from limen.operators import bilateral_filter

SIZES = [(9, 9), (11, 16), (24, 7)]


def noise(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def restated(
    image: np.ndarray, guide: np.ndarray, domain: float, deviation: float, radius: int
) -> np.ndarray:
    """The filter as it is written, pixel by pixel, on one image (C, H, W)."""
    height, width = image.shape[1:]
    edges = [(0, 0), (radius, radius), (radius, radius)]
    padded, padded_guide = np.pad(image, edges, mode="reflect"), np.pad(guide, edges, mode="reflect")
    span = np.arange(-radius, radius + 1)
    near = np.exp(-(span[:, None] ** 2 + span[None, :] ** 2) / (2 * domain**2))
    filtered = np.empty_like(image)
    for row, column in itertools.product(range(height), range(width)):
        window = np.s_[:, row : row + 2 * radius + 1, column : column + 2 * radius + 1]
        change = padded_guide[window] - guide[:, row, column][:, None, None]
        weight = near * np.exp(-(change**2).sum(0) / (2 * deviation**2))
        filtered[:, row, column] = (padded[window] * weight).sum((1, 2)) / weight.sum()
    return filtered


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", SIZES)
def test_it_is_what_its_definition_says(size, channels):
    images, guide = noise(2, channels, *size), noise(2, 3, *size, seed=1)
    for looked_at in (images, guide):
        filtered = bilateral_filter(images, looked_at, domain=1.5, range=0.3, radius=4)
        for image, its_guide, result in zip(images, looked_at, filtered, strict=True):
            expected = restated(image.numpy(), its_guide.numpy(), 1.5, 0.3, 4)
            np.testing.assert_allclose(result.numpy(), expected, atol=1e-14)


@pytest.mark.parametrize(("domain", "deviation", "radius"), [(0.5, 0.2, 5), (5, 0.2, 6), (2, 0.05, 1)])
def test_it_is_kornias(domain, deviation, radius):
    images, guide = noise(2, 3, 20, 17), noise(2, 3, 20, 17, seed=1)
    options = (2 * radius + 1, deviation, (domain, domain), "reflect", "l2")
    ours = {"domain": domain, "range": deviation, "radius": radius}
    torch.testing.assert_close(
        bilateral_filter(images, **ours), bilateral_blur(images, *options), atol=1e-12, rtol=0
    )
    torch.testing.assert_close(
        bilateral_filter(images, guide, **ours),
        joint_bilateral_blur(images, guide, *options),
        atol=1e-12,
        rtol=0,
    )


def test_with_an_endless_range_it_is_a_gaussian_blur():
    images = noise(2, 3, 21, 17)
    blurred = gaussian_filter(images.numpy(), 1.5, axes=(2, 3), mode="mirror", radius=5)
    filtered = bilateral_filter(images, domain=1.5, range=math.inf, radius=5)
    np.testing.assert_allclose(filtered.numpy(), blurred, atol=1e-13)


def test_with_the_least_range_it_changes_nothing():
    # 8-bit colours that differ at all differ by thousands of such deviations.
    images = torch.linspace(0, 1, 256, dtype=torch.float64)[torch.randperm(256)].reshape(1, 1, 16, 16)
    torch.testing.assert_close(
        bilateral_filter(images, domain=5, range=1e-6, radius=7), images, atol=1e-15, rtol=0
    )


def test_a_radius_of_zero_changes_nothing():
    images = noise(1, 3, 8, 8)
    assert torch.equal(bilateral_filter(images, domain=2, range=0.5, radius=0), images)


@given(
    value=st.floats(0, 1, width=32),
    domain=st.floats(1e-6, 50),
    deviation=st.floats(1e-6, 50),
    radius=st.integers(0, 5),
)
def test_a_flat_image_stays_as_it_is(value, domain, deviation, radius):
    flat = torch.full((1, 3, 6, 7), value)
    filtered = bilateral_filter(flat, domain=domain, range=deviation, radius=radius)
    torch.testing.assert_close(filtered, flat, atol=1e-5, rtol=0)


@given(
    seed=st.integers(0, 1000),
    height=st.integers(4, 12),
    width=st.integers(4, 12),
    channels=st.sampled_from([1, 2, 3]),
    domain=st.floats(0.1, 20),
    deviation=st.floats(1e-3, 20),
    radius=st.integers(0, 3),
)
def test_a_mean_lies_between_the_extremes_of_its_window(
    seed, height, width, channels, domain, deviation, radius
):
    images = noise(1, channels, height, width, seed=seed, dtype=torch.float32)
    filtered = bilateral_filter(images, domain=domain, range=deviation, radius=radius)
    padded = functional.pad(images, [radius] * 4, mode="reflect")
    greatest = functional.max_pool2d(padded, 2 * radius + 1, stride=1)
    least = -functional.max_pool2d(-padded, 2 * radius + 1, stride=1)
    assert (filtered <= greatest + 5e-6).all()
    assert (filtered >= least - 5e-6).all()
    assert filtered.min() >= 0
    assert filtered.max() <= 1


def test_an_image_is_its_own_guide():
    images = noise(2, 3, 12, 12)
    options = {"domain": 2.0, "range": 0.2, "radius": 4}
    assert torch.equal(bilateral_filter(images, images, **options), bilateral_filter(images, **options))


def test_the_guide_alone_decides_the_weights():
    # Behind a flat guide nothing is an edge; behind an edge in the guide, nothing is mixed across it.
    images = noise(1, 1, 12, 12)
    options = {"domain": 2.0, "range": 0.1, "radius": 3}
    flat = bilateral_filter(images, torch.full_like(images, 0.5), **options)
    blurred = bilateral_filter(images, domain=2.0, range=math.inf, radius=3)
    torch.testing.assert_close(flat, blurred, atol=1e-12, rtol=0)
    edge = (torch.arange(12) >= 6).to(images).expand(1, 1, 12, 12)
    changed = torch.where(edge > 0, 1 - images, images)
    left = bilateral_filter(images, edge, **options)[..., :6]
    torch.testing.assert_close(bilateral_filter(changed, edge, **options)[..., :6], left, atol=1e-12, rtol=0)


def test_noise_goes_and_the_edge_stays():
    clean = (torch.arange(32) >= 16).double().mul(0.8).add(0.1).expand(1, 1, 32, 32)
    noisy = clean + 0.02 * (noise(1, 1, 32, 32) - 0.5)
    filtered = bilateral_filter(noisy, domain=3, range=0.1, radius=8)
    assert (filtered - clean).abs().mean() < 0.3 * (noisy - clean).abs().mean()
    assert (filtered - clean).abs().max() < 0.02


def test_the_distance_of_colours_is_joint_over_the_channels():
    # Red changes from the first pixel of a row to the second, green, by twice as much, to the third.
    row = torch.tensor([[0.0, 0.2, 0.2], [0.1, 0.1, 0.5], [0.3, 0.3, 0.3]], dtype=torch.float64)
    image = row.reshape(1, 3, 1, 3).expand(1, 3, 3, 3)  # rows alike, so that all above and below count alike
    left, right = (math.exp(-0.5) * math.exp(-((d / 0.4) ** 2) / 2) for d in (0.2, 0.4))
    middle = (row[:, 1] + left * row[:, 0] + right * row[:, 2]) / (1 + left + right)
    filtered = bilateral_filter(image, domain=1, range=0.4, radius=1)
    torch.testing.assert_close(filtered[0, :, 1, 1], middle, atol=1e-12, rtol=0)
    alone = torch.cat([bilateral_filter(image[:, [c]], domain=1, range=0.4, radius=1) for c in range(3)], 1)
    assert (filtered - alone).abs().amax((0, 2, 3))[:2].min() > 0.002


@pytest.mark.parametrize("size", [16, 64, 97])
def test_an_image_does_not_depend_on_its_batch(size):
    images = noise(7, 3, size, size, dtype=torch.float32)
    options = {"domain": 0.5, "range": 0.2, "radius": 5}
    together = bilateral_filter(images, **options)
    alone = torch.cat([bilateral_filter(image[None], **options) for image in images])
    torch.testing.assert_close(together, alone)
    torch.testing.assert_close(bilateral_filter(images.flip(0), **options).flip(0), together)


def test_it_turns_with_the_image():
    images = noise(1, 3, 10, 13)
    options = {"domain": 2.0, "range": 0.3, "radius": 4}
    turned = bilateral_filter(images.rot90(1, (2, 3)), **options).rot90(-1, (2, 3))
    torch.testing.assert_close(turned, bilateral_filter(images, **options), atol=1e-14, rtol=0)


def test_the_gradient_is_the_derivative():
    images, guide = noise(1, 2, 4, 5).requires_grad_(), noise(1, 1, 4, 5, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: bilateral_filter(x, domain=1, range=0.3, radius=2), images)
    assert torch.autograd.gradcheck(
        lambda x, g: bilateral_filter(x, g, domain=1, range=0.3, radius=2), (images, guide)
    )


def test_no_images_are_filtered_to_none():
    assert bilateral_filter(torch.zeros(0, 3, 8, 8), domain=1, range=1, radius=3).shape == (0, 3, 8, 8)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"domain": 0.0}, "domain must be at least 1e-06, not 0.0"),
        ({"range": -0.1}, "range must be at least 1e-06, not -0.1"),
        ({"range": math.nan}, "range must be at least 1e-06, not nan"),
        ({"radius": -1}, r"radius .* \(8×9\), not -1"),
        ({"radius": 8}, r"radius .* less than the images' sides \(8×9\), not 8"),
        ({"guide": torch.zeros(1, 1, 8, 8)}, "images and guide are"),
        ({"guide": torch.zeros(8, 9)}, "images and guide are"),
    ],
)
def test_what_makes_no_sense_is_refused(options, complaint):
    with pytest.raises(UsageError, match=complaint):
        bilateral_filter(torch.zeros(1, 3, 8, 9), **{"domain": 1.0, "range": 1.0, "radius": 2, **options})
