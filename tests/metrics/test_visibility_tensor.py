"""The quadratic form of visibility: symmetric, positive, and what MAD's detection makes of a change."""

from __future__ import annotations

import pytest
import torch

from limen.images import dot
from limen.metrics import mad
from limen.metrics.visibility_tensor import VisibilityTensor

F64 = torch.float64


def random_images(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=F64)


@pytest.mark.parametrize("shape", [(2, 3, 18, 23), (3, 1, 12, 9), (1, 3, 33, 32)])
def test_it_is_symmetric_and_positive_and_its_parts_agree(shape):
    form = VisibilityTensor.at(random_images(*shape))
    u, v = (random_images(*shape, seed=seed) - 0.5 for seed in (1, 2))
    torch.testing.assert_close(dot(u, form.matvec(v)), dot(v, form.matvec(u)))
    torch.testing.assert_close(dot(v, form.matvec(v)), form.energy(v))
    assert (form.energy(v) > 0).all()
    last = form.select(torch.tensor([shape[0] - 1]))
    torch.testing.assert_close(last.energy(v[-1:]), form.energy(v)[-1:])
    torch.testing.assert_close(last.diagonal(), form.diagonal()[-1:])


def test_its_diagonal_is_that_of_the_matrix():
    form = VisibilityTensor.at(random_images(1, 3, 8, 9))
    units = torch.eye(3 * 8 * 9, dtype=F64).reshape(-1, 3, 8, 9)
    matrix = torch.stack([form.matvec(unit[None]).flatten() for unit in units])
    torch.testing.assert_close(matrix.diagonal(), form.diagonal().flatten())


def test_where_no_change_is_near_its_threshold_mad_sees_nothing_and_far_above_it_does():
    images = 0.2 + 0.6 * random_images(6, 3, 48, 48)
    delta = random_images(6, 3, 48, 48, seed=3) - 0.5
    length = VisibilityTensor.at(images, colour=0.05).energy(delta).sqrt().reshape(-1, 1, 1, 1)
    assert mad(images, (images + 0.2 * delta / length).clamp(0, 1)).tolist() == [0] * 6
    assert (mad(images, (images + 3 * delta / length).clamp(0, 1)) > 0).all()


def test_a_change_costs_less_where_the_image_is_busy_and_where_it_is_fine():
    images = torch.full((1, 1, 64, 64), 0.5, dtype=F64)
    images[..., 32:] += 0.3 * (random_images(1, 1, 64, 32) - 0.5)
    form = VisibilityTensor.at(images)
    coarse = torch.zeros_like(images)
    coarse[..., 20:28, 8:16] = 1
    busy = coarse.roll(40, dims=3)
    signs = (torch.arange(64)[:, None] + torch.arange(64)) % 2 * 2 - 1
    assert form.energy(busy) < 0.1 * form.energy(coarse)
    assert form.energy(coarse * signs) < 0.2 * form.energy(coarse)
