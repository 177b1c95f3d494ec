from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage import data
from skimage.metrics import structural_similarity
from torch import Tensor

from limen.errors import UsageError
from limen.images import from_uint8, quantize
from limen.metrics import local_dissimilarity, ssim, ssim_map
from limen.metrics.structural_similarity import C1
from limen.operators.window import gaussian_window, mirror_pad, window_mean

oracle = functools.partial(
    structural_similarity,
    gaussian_weights=True,
    sigma=1.5,
    use_sample_covariance=False,
    data_range=1,
    channel_axis=0,
    full=True,
)


def photographs() -> Tensor:
    views = [
        data.astronaut()[20:95, 180:270],
        data.coffee()[100:175, 200:290],
        data.chelsea()[90:165, 120:210],
    ]
    return from_uint8(np.stack(views)).double()


def noisy(images: Tensor, scale: float, seed: int = 0) -> Tensor:
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(seed), dtype=images.dtype)
    return (images + scale * noise).clamp(0, 1)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("scale", [0.001, 0.02, 0.2, 1.0])
def test_ssim_and_its_map_equal_scikit_image(channels: int, scale: float) -> None:
    a = photographs()[:, :channels]
    b = noisy(a, scale)
    expected = [oracle(x, y) for x, y in zip(a.numpy(), b.numpy(), strict=True)]
    np.testing.assert_allclose(ssim(a, b).numpy(), [mean for mean, _ in expected], rtol=0, atol=1e-12)
    np.testing.assert_allclose(
        ssim_map(a, b).numpy(), np.stack([full for _, full in expected]), rtol=0, atol=1e-11
    )


@pytest.mark.parametrize("size", [(11, 11), (11, 30), (17, 12)])
def test_small_images_equal_scikit_image_too(size: tuple[int, int]) -> None:
    a, b = torch.rand(2, 2, 3, *size, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    for i in range(2):
        mean, full = oracle(a[i].numpy(), b[i].numpy())
        assert ssim(a, b)[i].item() == pytest.approx(mean, abs=1e-12)
        np.testing.assert_allclose(ssim_map(a, b)[i].numpy(), full, rtol=0, atol=1e-11)


def test_ssim_of_flat_images_is_the_luminance_term() -> None:
    a, b = (
        torch.full((1, 3, 20, 20), 0.25, dtype=torch.float64),
        torch.full((1, 3, 20, 20), 0.75, dtype=torch.float64),
    )
    expected = (2 * 0.25 * 0.75 + C1) / (0.25**2 + 0.75**2 + C1)
    assert ssim(a, b).item() == pytest.approx(expected, abs=1e-12)


def test_ssim_of_a_pattern_and_its_negative_is_negative() -> None:
    pattern = (torch.arange(20).view(-1, 1) + torch.arange(20)) % 2
    pattern = pattern.double().expand(1, 3, 20, 20)
    assert ssim(pattern, 1 - pattern).item() < -0.99


def test_the_map_is_that_of_the_windows_inside_and_covers_every_pixel() -> None:
    a = photographs()
    b = noisy(a, 0.1)
    full = ssim_map(a, b)
    assert full.shape == a.shape
    torch.testing.assert_close(full[..., 5:-5, 5:-5], 1 - local_dissimilarity(a, b), rtol=0, atol=1e-13)


def test_the_map_is_lowest_where_the_images_differ() -> None:
    a = photographs()
    b = a.clone()
    b[:, :, 40, 30] = 1 - b[:, :, 40, 30]
    changed = (ssim_map(a, b) < 1 - 1e-9).any(0).any(0)
    rows, columns = changed.nonzero().unbind(1)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (35, 45, 25, 35)


def test_float32_keeps_the_distance_and_gradient_of_nearly_equal_images() -> None:
    a = photographs()
    b = quantize(noisy(a, 0.004))
    for_double, for_single = b.clone().requires_grad_(), b.float().requires_grad_()
    double, single = ssim(a, for_double), ssim(a.float(), for_single)
    torch.testing.assert_close(single.double(), double, rtol=0, atol=3e-7)
    double.sum().backward()
    single.sum().backward()
    error = (for_single.grad.double() - for_double.grad).norm() / for_double.grad.norm()
    assert error < 1e-4


def test_the_gradient_can_be_differentiated_again() -> None:
    a, b = torch.rand(2, 1, 2, 12, 11, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    assert torch.autograd.gradgradcheck(local_dissimilarity, (a, b.requires_grad_()), fast_mode=True)


@pytest.mark.parametrize("size", [(10, 11), (11, 10), (1, 1)])
@pytest.mark.parametrize("metric", [ssim, ssim_map])
def test_images_below_the_window_are_refused(metric, size: tuple[int, int]) -> None:
    images = torch.rand(1, 3, *size)
    with pytest.raises(
        UsageError, match=f"SSIM takes sides of 11 pixels or more, the images only have {size[0]}×{size[1]}"
    ):
        metric(images, images)


def test_the_window_is_that_of_scipy() -> None:
    impulse = np.zeros(31)
    impulse[15] = 1
    expected = ndimage.gaussian_filter1d(impulse, 1.5, truncate=3.5)
    np.testing.assert_allclose(gaussian_window(torch.float64).numpy(), expected[10:21], rtol=0, atol=1e-15)
    assert expected[9] == 0
    assert gaussian_window(torch.float32).dtype == torch.float32


@pytest.mark.parametrize("shape", [(1, 1, 14, 17), (1, 3, 11, 13), (4, 3, 30, 20), (1, 1, 80, 12)])
def test_the_window_mean_of_a_padded_image_is_scipys_filter(shape: tuple[int, ...]) -> None:
    images = torch.rand(shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    expected = ndimage.gaussian_filter(images.numpy(), 1.5, truncate=3.5, axes=(2, 3))
    np.testing.assert_allclose(window_mean(mirror_pad(images)).numpy(), expected, rtol=0, atol=1e-14)
    torch.testing.assert_close(
        window_mean(images), torch.from_numpy(expected[..., 5:-5, 5:-5]), rtol=0, atol=1e-14
    )


def test_padding_is_numpys_symmetric_mode() -> None:
    images = torch.rand(2, 3, 11, 13)
    expected = np.pad(images.numpy(), ((0, 0), (0, 0), (5, 5), (5, 5)), mode="symmetric")
    assert np.array_equal(mirror_pad(images).numpy(), expected)
