from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage import data

from limen.errors import UsageError
from limen.images import from_uint8, grey
from limen.metrics import noise_visibility, psnr, wpsnr


def photograph() -> torch.Tensor:
    return from_uint8(data.astronaut()[None, 40:120, 180:270]).double()


def test_the_luma_is_that_of_bt_601() -> None:
    primaries = torch.eye(3, dtype=torch.float64).view(3, 3, 1, 1)
    assert grey(primaries).flatten().tolist() == [0.299, 0.587, 0.114]
    assert torch.equal(grey(torch.full((1, 1, 2, 2), 0.3)), torch.full((1, 2, 2), 0.3))


@pytest.mark.parametrize("metric", [wpsnr, noise_visibility, grey])
def test_channels_without_a_luma_are_refused(metric) -> None:
    images = torch.rand(1, 2, 16, 16)
    with pytest.raises(UsageError, match="the images have 2"):
        metric(*[images] * (2 if metric is wpsnr else 1))


def test_noise_visibility_is_the_papers_formula_with_scipys_local_variance() -> None:
    image = photograph()
    x = np.tensordot(image[0].numpy(), [0.299, 0.587, 0.114], axes=(0, 0))
    variance = ndimage.generic_filter(x, np.var, size=3, mode="nearest")
    expected = 1 / (1 + 75 / variance.max() * variance)
    np.testing.assert_allclose(noise_visibility(image)[0].numpy(), expected, rtol=1e-10)
    assert expected.min() == pytest.approx(1 / 76)


def test_noise_is_seen_in_full_in_flat_images_and_least_at_the_only_edge() -> None:
    flat = torch.full((1, 3, 6, 7), 0.3)
    assert torch.equal(noise_visibility(flat), torch.ones(1, 6, 7))
    edge = flat.clone()
    edge[..., 4:] = 0.7
    seen = noise_visibility(edge)[0, 0]
    assert seen[[0, 1, 2, 5, 6]].tolist() == [1] * 5
    torch.testing.assert_close(seen[3:5], torch.full((2,), 1 / 76))


def test_an_error_at_the_busiest_pixel_counts_76_times_less() -> None:
    image = torch.full((1, 1, 9, 9), 0.5, dtype=torch.float64)
    image[0, 0, 4, 4] = 0.9  # the variance is the same in all nine windows that hold this pixel
    busy, calm = image.clone(), image.clone()
    busy[0, 0, 4, 4] -= 0.1
    calm[0, 0, 0, 0] -= 0.1
    assert (wpsnr(image, busy) - wpsnr(image, calm)).item() == pytest.approx(20 * np.log10(76))


def test_wpsnr_of_a_flat_original_is_psnr_and_otherwise_it_is_higher() -> None:
    image = photograph()
    noise = 0.05 * torch.randn(image.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    flat = torch.full_like(image, 0.5)
    torch.testing.assert_close(wpsnr(flat, flat + noise), psnr(flat, flat + noise))
    assert wpsnr(image, (image + noise).clamp(0, 1)) > psnr(image, (image + noise).clamp(0, 1)) + 1


def test_the_original_masks_and_the_other_image_does_not() -> None:
    image = photograph()
    flat = torch.full_like(image, 0.5)
    torch.testing.assert_close(wpsnr(flat, image), psnr(flat, image))
    assert wpsnr(image, flat) > wpsnr(flat, image) + 1


def test_wpsnr_is_infinite_only_for_the_equal_samples_of_a_batch() -> None:
    a = torch.rand(2, 3, 5, 5)
    b = a.clone()
    b[1] = 1 - b[1]
    assert wpsnr(a, b).isinf().tolist() == [True, False]
