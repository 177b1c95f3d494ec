from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from limen.errors import UsageError
from limen.operators.framing import Framing

SIZES = [(60, 80, 16, 18), (61, 37, 24, 25), (20, 16, 24, 24), (32, 32, 32, 32), (128, 9, 4, 6)]


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_what_is_seen_is_what_pillow_resizes_and_cuts_out(sizes):
    framing, pixels = Framing(*sizes), np.random.default_rng(0).random(sizes[:2], np.float32)
    whole = Image.fromarray(pixels).resize(framing.resized[::-1], Image.Resampling.BICUBIC)
    (top, left), side = framing.corner, framing.side
    expected = np.asarray(whole)[top : top + side, left : left + side]
    np.testing.assert_allclose(framing(torch.from_numpy(pixels)[None, None])[0, 0], expected, atol=1e-5)


@pytest.mark.parametrize("sizes", [sizes for sizes in SIZES if sizes[3] <= min(sizes[:2])], ids=str)
def test_a_lifted_change_is_seen_as_it_was_asked_for_and_no_other_is_less(sizes):
    framing = Framing(*sizes)
    change = torch.randn(2, 3, framing.side, framing.side, dtype=torch.float64)
    lifted = framing.lift(change)
    torch.testing.assert_close(framing(lifted), change)
    other = torch.randn_like(lifted)
    unseen = other - framing.lift(framing(other))
    assert float(framing(unseen).abs().max()) < 1e-9
    assert abs(float((unseen * lifted).sum())) < 1e-9 * float(unseen.norm() * lifted.norm() + 1)


def test_a_gradient_flows_through_what_is_seen():
    photo = torch.rand(1, 1, 9, 11, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(Framing(9, 11, side=4, resize=5), photo)


@pytest.mark.parametrize("sizes", [(9, 9, 5, 4), (0, 9, 4, 4), (9, 9, 0, 4)], ids=str)
def test_a_square_that_cannot_be_cut_out_is_refused(sizes):
    with pytest.raises(UsageError, match="resize must be at least the side"):
        Framing(*sizes)
