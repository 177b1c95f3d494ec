from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from limen.attacks.constraint import ray as rays
from limen.attacks.constraint.ray import ClippedRay, total
from limen.images import norm

from .networks import generator

quick = settings(max_examples=20, deadline=None)


def drawn_ray(seed: int, radius: float, balanced: bool, most: float = 1e6) -> ClippedRay:
    """Rows of few values, in a box around 0 that is narrow for some."""
    random = generator(seed)
    direction = torch.randn(6, 1, 2, 5, generator=random, dtype=torch.float64)
    if balanced:
        direction -= direction.mean((1, 2, 3), keepdim=True)
    low = -torch.rand(direction.shape, generator=random, dtype=torch.float64)
    number = torch.ones(6, 1, 1, 1, dtype=torch.float64)
    return ClippedRay(
        direction=direction,
        low=low,
        high=low + 1,
        square=radius**2 * number,
        most=most * number,
        balanced=balanced,
    )


@quick
@given(st.integers(0, 10_000), st.floats(0.01, 3.0), st.booleans(), st.sampled_from([0.3, 1e6]))
def test_newton_ends_where_bisection_does(seed, radius, balanced, most):
    ray = drawn_ray(seed, radius, balanced, most)
    gained, expected = (
        (ray.direction * r).sum((1, 2, 3)) for r in (ray.furthest(), ray._centred(ray._bisected()))
    )
    assert torch.allclose(gained, expected, rtol=1e-6, atol=1e-9)


@quick
@given(st.integers(0, 10_000), st.floats(0.01, 3.0), st.booleans())
def test_the_furthest_point_is_in_the_ball_the_box_and_balance(seed, radius, balanced):
    ray = drawn_ray(seed, radius, balanced)
    r = ray.furthest()
    assert (norm(r) <= radius * (1 + 1e-9)).all()
    assert ((r >= ray.low) & (r <= ray.high)).all()
    assert not balanced or total(r).abs().max() < 1e-12


def test_rows_that_newton_does_not_settle_are_bisected(monkeypatch):
    ray = drawn_ray(3, 1.0, balanced=True)
    settled = ray.furthest()
    monkeypatch.setattr(rays, "NEWTON_STEPS", 1)
    bisected = []
    original = ClippedRay._bisected
    monkeypatch.setattr(ClippedRay, "_bisected", lambda ray: bisected.append(len(ray.most)) or original(ray))
    assert torch.allclose(ray.furthest(), settled, atol=1e-9)
    assert bisected
    assert 1 <= bisected[0] <= 6


@pytest.mark.parametrize("shape", [(1, 1, 299, 299), (1, 3, 5, 7), (4, 1, 300, 300)])
def test_a_sum_is_the_same_in_every_batch_and_exact_in_float32(shape):
    images = torch.rand(shape, generator=generator(1))
    whole = total(images)
    assert torch.equal(total(torch.cat([images, images]))[: len(images)], whole)
    assert torch.allclose(whole.flatten().double(), images.double().sum((1, 2, 3)), rtol=2e-7)
