"""FSIM, which is piq's: per sample, grey and colour, with a gradient wherever images are flat."""

from __future__ import annotations

import piq
import pytest
import torch
from skimage import data

from limen.errors import UsageError
from limen.metrics import METRICS, fsim


@pytest.fixture(scope="module")
def photograph():
    """A photograph with parts that are flat in 8 bits."""
    pixels = torch.from_numpy(data.astronaut()[100:164, 150:214].copy()).permute(2, 0, 1)[None].double() / 255
    pixels[..., :16, :] = 1
    return pixels


@pytest.mark.parametrize("channels", [1, 3])
def test_each_sample_has_the_value_that_it_has_alone(photograph, channels):
    a = photograph[:, :channels].expand(6, -1, -1, -1).clone()
    b = (a + torch.linspace(0, 0.2, 6).view(6, 1, 1, 1) * torch.rand_like(a)).clamp(0, 1)
    expected = [
        piq.fsim(a[i : i + 1], b[i : i + 1], chromatic=channels == 3, reduction="none") for i in range(6)
    ]
    torch.testing.assert_close(fsim(a, b), torch.cat(expected), rtol=1e-10, atol=0)


def test_colour_counts_where_there_is_colour(photograph):
    turned = photograph.flip(1)
    luma = photograph.new_tensor((0.299, 0.587, 0.114)).view(3, 1, 1)
    greys = ((image * luma).sum(1, keepdim=True) for image in (photograph, turned))
    assert fsim(photograph, turned) < fsim(*greys)


@pytest.mark.parametrize("step", [0, 1 / 255])
def test_the_gradient_is_finite_where_the_formula_has_none(photograph, step):
    signs = torch.randint(-1, 2, photograph.shape, generator=torch.Generator().manual_seed(0))
    signs[..., :16, :] = 0
    other = (photograph + step * signs).clamp(0, 1).requires_grad_()
    (bare,) = torch.autograd.grad(piq.fsim(photograph, other), other)
    (found,) = torch.autograd.grad(METRICS["fsim"].cost(photograph, other).sum(), other)
    assert not torch.isfinite(bare).all()
    assert torch.isfinite(found).all()
    usable = torch.isfinite(bare)
    torch.testing.assert_close(found[usable], -bare[usable])
    assert (found[~usable] == 0).all()
    assert usable.double().mean() > 0.5


def test_channels_that_are_no_colours_are_refused():
    with pytest.raises(UsageError, match="FSIM takes 1 or 3 channels; the images have 2"):
        fsim(*torch.rand(2, 1, 2, 32, 32))
