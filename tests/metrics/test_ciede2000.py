from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import color, data

from limen.errors import UsageError
from limen.images import from_uint8
from limen.metrics import ciede2000, ciede2000_map, delta_e, rgb_to_lab

# Sharma, Wu & Dalal 2005, Table 1: L*, a*, b* of two colours and their difference.
PUBLISHED = """
    50.0000   2.6772 -79.7751  50.0000   0.0000 -82.7485   2.0425
    50.0000   3.1571 -77.2803  50.0000   0.0000 -82.7485   2.8615
    50.0000   2.8361 -74.0200  50.0000   0.0000 -82.7485   3.4412
    50.0000  -1.3802 -84.2814  50.0000   0.0000 -82.7485   1.0000
    50.0000  -1.1848 -84.8006  50.0000   0.0000 -82.7485   1.0000
    50.0000  -0.9009 -85.5211  50.0000   0.0000 -82.7485   1.0000
    50.0000   0.0000   0.0000  50.0000  -1.0000   2.0000   2.3669
    50.0000  -1.0000   2.0000  50.0000   0.0000   0.0000   2.3669
    50.0000   2.4900  -0.0010  50.0000  -2.4900   0.0009   7.1792
    50.0000   2.4900  -0.0010  50.0000  -2.4900   0.0010   7.1792
    50.0000   2.4900  -0.0010  50.0000  -2.4900   0.0011   7.2195
    50.0000   2.4900  -0.0010  50.0000  -2.4900   0.0012   7.2195
    50.0000  -0.0010   2.4900  50.0000   0.0009  -2.4900   4.8045
    50.0000  -0.0010   2.4900  50.0000   0.0010  -2.4900   4.8045
    50.0000  -0.0010   2.4900  50.0000   0.0011  -2.4900   4.7461
    50.0000   2.5000   0.0000  50.0000   0.0000  -2.5000   4.3065
    50.0000   2.5000   0.0000  73.0000  25.0000 -18.0000  27.1492
    50.0000   2.5000   0.0000  61.0000  -5.0000  29.0000  22.8977
    50.0000   2.5000   0.0000  56.0000 -27.0000  -3.0000  31.9030
    50.0000   2.5000   0.0000  58.0000  24.0000  15.0000  19.4535
    50.0000   2.5000   0.0000  50.0000   3.1736   0.5854   1.0000
    50.0000   2.5000   0.0000  50.0000   3.2972   0.0000   1.0000
    50.0000   2.5000   0.0000  50.0000   1.8634   0.5757   1.0000
    50.0000   2.5000   0.0000  50.0000   3.2592   0.3350   1.0000
    60.2574 -34.0099  36.2677  60.4626 -34.1751  39.4387   1.2644
    63.0109 -31.0961  -5.8663  62.8187 -29.7946  -4.0864   1.2630
    61.2901   3.7196  -5.3901  61.4292   2.2480  -4.9620   1.8731
    35.0831 -44.1164   3.7933  35.0232 -40.0716   1.5901   1.8645
    22.7233  20.0904 -46.6940  23.0331  14.9730 -42.5619   2.0373
    36.4612  47.8580  18.3852  36.2715  50.5065  21.2231   1.4146
    90.8027  -2.0831   1.4410  91.1528  -1.6435   0.0447   1.4441
    90.9257  -0.5406  -0.9208  88.6381  -0.8985  -0.7239   1.5381
     6.7747  -0.2908  -2.4247   5.8714  -0.0985  -2.2286   0.6377
     2.0776   0.0795  -1.1350   0.9033  -0.0636  -0.5514   0.9082
"""
TABLE = torch.tensor(
    [[float(value) for value in line.split()] for line in PUBLISHED.strip().splitlines()]
).double()


def colours(seed: int, shape: tuple[int, ...] = (2, 3, 40, 40)) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_delta_e_equals_the_published_table_to_its_last_digit() -> None:
    assert len(TABLE) == 34
    first, second, expected = TABLE[:, :3], TABLE[:, 3:6], TABLE[:, 6]
    torch.testing.assert_close(delta_e(first, second), expected, rtol=0, atol=5.1e-5)


def test_delta_e_of_the_table_is_symmetric() -> None:
    first, second = TABLE[:, :3], TABLE[:, 3:6]
    torch.testing.assert_close(delta_e(first, second), delta_e(second, first), rtol=0, atol=1e-12)


def test_lab_equals_scikit_image() -> None:
    images = colours(0)
    images[0, :, :8] = 0
    images[0, :, 8:16] = 1
    images[1, :, :20] = images[1, :1, :20]
    images[1, :, 20:] /= 30
    np.testing.assert_allclose(
        rgb_to_lab(images).numpy(), color.rgb2lab(images.numpy(), channel_axis=1), atol=1e-11
    )


def test_ciede2000_equals_scikit_image_on_random_colours() -> None:
    a, b = colours(1), colours(2)
    labs = [color.rgb2lab(images.numpy(), channel_axis=1) for images in (a, b)]
    expected = color.deltaE_ciede2000(*labs, channel_axis=1)
    np.testing.assert_allclose(ciede2000_map(a, b).numpy(), expected, rtol=0, atol=1e-9)
    np.testing.assert_allclose(ciede2000(a, b).numpy(), expected.mean((1, 2)), rtol=0, atol=1e-10)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-8), (torch.float32, 2e-3)])
def test_ciede2000_equals_scikit_image_on_a_photograph(dtype: torch.dtype, tolerance: float) -> None:
    pixels = data.coffee()[::5, ::5]
    changed = np.clip(pixels.astype(int) + np.random.default_rng(0).integers(-4, 5, pixels.shape), 0, 255)
    expected = color.deltaE_ciede2000(color.rgb2lab(pixels), color.rgb2lab(changed.astype(np.uint8)))
    a, b = (from_uint8(x[None].astype(np.uint8)).to(dtype) for x in (pixels, changed))
    a, b = (x.mul(255).round().div(255) for x in (a, b))
    np.testing.assert_allclose(ciede2000_map(a, b)[0].numpy(), expected, rtol=0, atol=tolerance)


def test_grey_images_compare_as_equal_red_green_and_blue() -> None:
    a, b = colours(3, (2, 1, 9, 9)), colours(4, (2, 1, 9, 9))
    rgb = [images.expand(-1, 3, -1, -1) for images in (a, b)]
    assert torch.equal(ciede2000(a, b), ciede2000(*rgb))


def test_black_and_white_are_a_hundred_apart() -> None:
    black, white = torch.zeros(1, 3, 2, 2, dtype=torch.float64), torch.ones(1, 3, 2, 2, dtype=torch.float64)
    assert ciede2000(black, white).item() == pytest.approx(100, abs=1e-4)


def test_the_value_is_the_mean_of_the_map() -> None:
    a = colours(5)
    b = a.clone()
    b[0, :, :20] = 0
    assert ciede2000_map(a, b)[0, 20:].abs().max() == 0
    torch.testing.assert_close(ciede2000(a, b), ciede2000_map(a, b).mean((1, 2)))


def test_other_channel_counts_are_refused() -> None:
    images = torch.rand(1, 4, 8, 8)
    with pytest.raises(UsageError, match="CIEDE2000 takes 1 or 3 channels; the images have 4"):
        ciede2000(images, images)


@settings(max_examples=40, deadline=None)
@given(
    levels=st.lists(st.sampled_from((0.0, 1 / 255, 0.04045, 0.2, 0.5, 1.0)), min_size=6, max_size=6),
    step=st.sampled_from((0.0, 1e-7, 1 / 255)),
    dtype=st.sampled_from((torch.float32, torch.float64)),
)
def test_gradients_are_finite_at_greys_primaries_and_equal_colours(levels, step: float, dtype) -> None:
    a = torch.tensor(levels[:3], dtype=dtype).view(1, 3, 1, 1)
    for other in (
        a,
        a.flip(1),
        a[:, :1].expand(1, 3, 1, 1),
        torch.tensor(levels[3:], dtype=dtype).view(1, 3, 1, 1),
    ):
        first = a.clone().requires_grad_()
        second = (other + step).clamp(0, 1).requires_grad_()
        value = ciede2000(first, second)
        value.sum().backward()
        assert torch.isfinite(value).all()
        assert torch.isfinite(first.grad).all()
        assert torch.isfinite(second.grad).all()


@pytest.mark.parametrize("lab", [(50.0, 0.0, 0.0), (0.0, 0.0, 0.0), (30.0, 20.0, -60.0)])
def test_gradients_at_achromatic_lab_values_are_finite(lab: tuple[float, float, float]) -> None:
    grey, other = (
        torch.tensor([[50.0, 0.0, 0.0]], requires_grad=True),
        torch.tensor([lab], requires_grad=True),
    )
    delta_e(grey, other).sum().backward()
    assert torch.isfinite(grey.grad).all()
    assert torch.isfinite(other.grad).all()


def test_the_gradient_equals_finite_differences_in_every_part_of_the_colour_space() -> None:
    a, b = colours(6, (40, 3, 1, 1)), colours(7, (40, 3, 1, 1))
    assert torch.autograd.gradcheck(ciede2000, (a.clamp(0.02, 0.98).requires_grad_(), b.requires_grad_()))
    near = (a + 1e-3).clamp(0.02, 0.98)
    assert torch.autograd.gradcheck(
        ciede2000, (a.clamp(0.02, 0.97), near.requires_grad_()), eps=1e-7, atol=1e-3
    )


def test_a_descent_on_the_gradient_reaches_the_image() -> None:
    target = colours(8, (1, 3, 6, 6)).float()
    image = torch.full_like(target, 0.5)
    start = ciede2000(target, image).item()
    for _ in range(300):
        image = image.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(ciede2000_map(target, image).sum(), image)
        image = (image - 0.003 * gradient.sign()).clamp(0, 1)
    assert ciede2000(target, image).item() < 0.05 * start
