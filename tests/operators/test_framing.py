from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms

from limen.errors import UsageError
from limen.images import Crop, Interpolation
from limen.operators.framing import Framing

SIZES = [
    (60, 80, 16, 18),
    (61, 37, 24, 25),
    (20, 16, 24, 24),
    (32, 32, 32, 32),
    (128, 9, 4, 6),
    (50, 30, 16, None),
]


@pytest.mark.parametrize("interpolation", get_args(Interpolation))
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_what_is_seen_is_what_torchvision_resizes_and_cuts_out(sizes, interpolation):
    height, width, side, resize = sizes
    pixels = np.random.default_rng(0).random((height, width), np.float32)
    how = transforms.InterpolationMode(interpolation)
    steps = [transforms.Resize(resize or (side, side), how), transforms.CenterCrop(side)]
    expected = np.asarray(transforms.Compose(steps)(Image.fromarray(pixels)))
    crop = Crop(side, resize, interpolation)
    seen = Framing(height, width, crop)(torch.from_numpy(pixels)[None, None])[0, 0]
    np.testing.assert_allclose(seen, expected, atol=1e-5)
    np.testing.assert_allclose(np.asarray(crop(Image.fromarray(pixels))), expected, atol=1e-6)


@pytest.mark.parametrize(
    "sizes", [sizes for sizes in SIZES if (sizes[3] or sizes[2]) <= min(sizes[:2])], ids=str
)
def test_a_lifted_change_is_seen_as_it_was_asked_for_and_no_other_is_less(sizes):
    framing = Framing(*sizes[:2], Crop(*sizes[2:]))
    change = torch.randn(2, 3, sizes[2], sizes[2], dtype=torch.float64)
    lifted = framing.lift(change)
    torch.testing.assert_close(framing(lifted), change)
    other = torch.randn_like(lifted)
    unseen = other - framing.lift(framing(other))
    assert float(framing(unseen).abs().max()) < 1e-9
    assert abs(float((unseen * lifted).sum())) < 1e-9 * float(unseen.norm() * lifted.norm() + 1)


def test_a_gradient_flows_through_what_is_seen():
    photo = torch.rand(1, 1, 9, 11, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(Framing(9, 11, Crop(4, 5)), photo)


@pytest.mark.parametrize(
    "sizes", [(9, 9, 5, 4), (9, 9, 0, 4), (9, 9, None, 4), (0, 9, 4, 4), (9, 9, None, None)]
)
def test_a_square_that_cannot_be_cut_out_is_refused(sizes):
    with pytest.raises(UsageError, match=r"size is 0|give the side|no square"):
        Framing(*sizes[:2], Crop(*sizes[2:]))
