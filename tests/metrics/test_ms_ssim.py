"""MS-SSIM against piq, and where piq's loses digits or has no gradient."""

from __future__ import annotations

import piq
import pytest
import torch

from limen.metrics import ms_ssim, ssim


def noisy(shape, scale=0.1, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    a = torch.rand(shape, generator=generator, dtype=torch.float64)
    b = (a + scale * torch.randn(shape, generator=generator, dtype=torch.float64)).clamp(0, 1)
    return a.to(dtype), b.to(dtype)


@pytest.mark.parametrize("shape", [(2, 1, 161, 176), (1, 3, 177, 190)])
def test_values_are_those_of_piq(shape):
    a, b = noisy(shape)
    expected = piq.multi_scale_ssim(a, b, reduction="none")
    torch.testing.assert_close(ms_ssim(a, b), expected, rtol=1e-12, atol=0)


def test_the_gradient_of_a_faint_change_keeps_its_digits_in_float32():
    a, b = noisy((1, 3, 161, 161), scale=1e-3)

    def gradient(metric, dtype):
        image = b.to(dtype).requires_grad_()
        (found,) = torch.autograd.grad(metric(a.to(dtype), image).sum(), image)
        return found.double()

    exact = gradient(ms_ssim, torch.float64)
    error = (gradient(ms_ssim, torch.float32) - exact).norm() / exact.norm()
    theirs = gradient(lambda x, y: piq.multi_scale_ssim(x, y, reduction="none"), torch.float32)
    assert error < 1e-3
    assert (theirs - exact).norm() / exact.norm() > 10 * error


def test_a_negative_is_0_and_has_a_gradient_of_0():
    a, _ = noisy((1, 1, 161, 161))
    inverse = (1 - a).requires_grad_()
    value = ms_ssim(a, inverse)
    (gradient,) = torch.autograd.grad(value.sum(), inverse)
    assert ssim(a, inverse) < 0
    assert value.item() == 0
    assert (gradient == 0).all()
