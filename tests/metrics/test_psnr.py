from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio

from limen.metrics import l2, psnr


def test_psnr_equals_scikit_image() -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = torch.rand(2, 4, 3, 9, 8, generator=generator, dtype=torch.float64)
    expected = [
        peak_signal_noise_ratio(x, y, data_range=1) for x, y in zip(a.numpy(), b.numpy(), strict=True)
    ]
    np.testing.assert_allclose(psnr(a, b).numpy(), expected, rtol=1e-13)


@pytest.mark.parametrize(("difference", "decibels"), [(1.0, 0.0), (0.1, 20.0), (0.001, 60.0)])
def test_psnr_of_an_even_difference_is_known(difference: float, decibels: float) -> None:
    a = torch.zeros(2, 3, 5, 5, dtype=torch.float64)
    torch.testing.assert_close(psnr(a, a + difference), torch.full((2,), decibels, dtype=torch.float64))


def test_psnr_is_l2_on_a_logarithmic_scale() -> None:
    generator = torch.Generator().manual_seed(1)
    a, b = torch.rand(2, 4, 3, 9, 8, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(psnr(a, b), -20 * (l2(a, b) / np.sqrt(3 * 9 * 8)).log10())


def test_psnr_is_infinite_only_for_the_equal_samples_of_a_batch() -> None:
    a = torch.zeros(2, 3, 5, 5)
    b = a.clone()
    b[1] += 1 / 255
    assert psnr(a, b).isinf().tolist() == [True, False]
