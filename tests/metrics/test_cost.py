"""Every metric as something to bring down."""

from __future__ import annotations

import pytest
import torch

from limen.metrics import METRICS

pytestmark = pytest.mark.usefixtures("random_weights")

TABLE = [name for name in METRICS if name != "pieapp"]  # whose network is large: see test_pieapp.py
LEAST = {"psnr": -torch.inf, "wpsnr": -torch.inf}


def noise(name="ssim"):
    side = max(16, METRICS[name].least_side)
    generator = torch.Generator().manual_seed(0)
    return torch.rand(2, 3, side, side, generator=generator, dtype=torch.float64) - 0.5


@pytest.mark.parametrize("name", TABLE)
def test_the_cost_is_least_for_equal_images_and_rises_with_the_change(name):
    change = noise(name)
    image = 0.3 + 0.4 * (change + 0.5)
    costs = torch.stack([METRICS[name].cost(image, image + scale * change) for scale in (0, 0.05, 0.2, 0.6)])
    assert costs.shape == (4, 2)
    least = METRICS[name](image, image) if name == "noticed" else torch.full((2,), LEAST.get(name, 0.0))
    torch.testing.assert_close(costs[0], least.double(), rtol=0, atol=1e-12)
    assert (costs.diff(dim=0) >= 0).all()
    assert (costs[-1] > costs[0]).all()


def test_what_is_nearer_at_higher_values_costs_its_complement_or_its_negative():
    image, other = noise() + 0.5, (0.9 * noise() + 0.5)
    torch.testing.assert_close(METRICS["ssim"].cost(image, other), 1 - METRICS["ssim"](image, other))
    torch.testing.assert_close(METRICS["psnr"].cost(image, other), -METRICS["psnr"](image, other))
    assert torch.equal(METRICS["l2"].cost(image, other), METRICS["l2"](image, other))


@pytest.mark.parametrize("name", TABLE)
def test_what_is_called_differentiable_has_a_gradient_and_nothing_else_has(name):
    change = noise(name)
    image = 0.3 + 0.4 * (change + 0.5)
    other = (image + 0.2 * change).requires_grad_()
    cost = METRICS[name].cost(image, other)
    assert cost.requires_grad == METRICS[name].differentiable
    if METRICS[name].differentiable:
        (gradient,) = torch.autograd.grad(cost.sum(), other)
        assert torch.isfinite(gradient).all()
        assert (gradient.flatten(1).norm(dim=1) > 0).all()
