from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from limen.metrics import l0, l1, l2, linf

ORDERS = {l0: 0, l1: 1, l2: 2, linf: np.inf}
each = pytest.mark.parametrize("distance", ORDERS, ids=lambda function: function.__name__)


def batch(seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    # On a coarse lattice, so that some values are equal by chance.
    return torch.randint(0, 5, (3, 3, 4, 5), generator=generator).double() / 4


@each
def test_distances_equal_numpy_norms(distance) -> None:
    a, b = batch(0), batch(1)
    expected = [
        np.linalg.norm((x - y).ravel(), ORDERS[distance]) for x, y in zip(a.numpy(), b.numpy(), strict=True)
    ]
    np.testing.assert_allclose(distance(a, b).numpy(), expected, rtol=1e-14)


@each
@settings(max_examples=30, deadline=None)
@given(seeds=st.tuples(*[st.integers(0, 10**6)] * 3))
def test_the_detour_is_never_shorter(distance, seeds: tuple[int, int, int]) -> None:
    a, b, c = (batch(seed) for seed in seeds)
    assert (distance(a, c) <= distance(a, b) + distance(b, c) + 1e-12).all()


def test_l0_counts_channel_values_not_pixels() -> None:
    a = torch.zeros(2, 3, 4, 4)
    b = a.clone()
    b[0, :, 1, 2] = 1e-6
    b[1, 0, 1, 2] = 1
    assert l0(a, b).tolist() == [3.0, 1.0]


def test_norms_are_ordered() -> None:
    a, b = batch(2), batch(3)
    assert (linf(a, b) <= l2(a, b)).all()
    assert (l2(a, b) <= l1(a, b)).all()
    assert (l1(a, b) <= l0(a, b)).all()  # no value differs by more than 1
    assert (l2(a, b) ** 2 <= linf(a, b) * l1(a, b) + 1e-12).all()  # Hölder


def test_l2_has_the_unit_difference_as_gradient() -> None:
    a, b = batch(4), batch(5).requires_grad_()
    l2(a, b).sum().backward()
    difference = (b - a).detach()
    torch.testing.assert_close(b.grad, difference / difference.flatten(1).norm(dim=1).view(3, 1, 1, 1))
