from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from torch import Tensor

from limen.attacks.feasible import Box
from limen.attacks.protocols import Point, Problem, Slope, sample_seeds
from limen.attacks.update import Adam, Momentum, Scale

from .networks import generator


def slope_of(gradient: Tensor, progress: float = 0.0) -> Slope:
    labels = torch.zeros(len(gradient), dtype=torch.int64)
    problem = Problem(torch.zeros_like(gradient), labels, False, None, sample_seeds(0, range(len(gradient))))
    point = Point(
        problem.originals,
        problem.originals,
        torch.zeros(len(gradient), 2),
        labels,
        labels > 0,
        progress,
        problem,
    )
    return Slope(torch.zeros(len(gradient)), gradient, point, Box())


def gradients(count: int) -> list[Tensor]:
    random = generator(0)
    scales = torch.tensor([1.0, 1e-6, 1e4], dtype=torch.float64).reshape(3, 1, 1, 1)
    return [torch.randn(3, 1, 2, 2, generator=random, dtype=torch.float64) * scales for _ in range(count)]


def test_adam_takes_the_steps_of_torch():
    ours, theirs = torch.zeros(3, 1, 2, 2, dtype=torch.float64), torch.zeros(3, 1, 2, 2, dtype=torch.float64)
    optimizer, link = torch.optim.Adam([theirs], lr=0.05, maximize=True), Adam(learning_rate=0.05)
    for gradient in gradients(20):
        move, link = link(gradient.clone(), slope_of(gradient))
        ours += move
        theirs.grad = gradient
        optimizer.step()
        assert torch.allclose(ours, theirs, rtol=1e-9, atol=1e-12)
    assert ours.abs().min() > 0


def test_adam_keeps_the_moments_of_the_samples_that_stay():
    whole, part = Adam(), Adam()
    rows = torch.tensor([0, 2])
    for step, gradient in enumerate(gradients(6)):
        if step == 3:
            part = whole.keep(rows)
        move, successor = whole(gradient.clone(), slope_of(gradient))
        if step >= 3:
            ours, part = part(gradient[rows].clone(), slope_of(gradient[rows]))
            assert torch.equal(ours, move[rows])
        whole = successor


def test_momentum_sums_moves_that_decay():
    link, total = Momentum(decay=0.5), 0.0
    for gradient in gradients(5):
        before = gradient.clone()
        move, link = link(gradient, slope_of(gradient))
        total = 0.5 * total + before
        assert torch.allclose(move, total)


def test_momentum_of_a_sample_has_its_own_decay():
    first, second = gradients(2)
    link = Momentum(decay=torch.tensor([0.0, 1.0, 0.5])).prepare(slope_of(first).point.problem)
    _, link = link(first.clone(), slope_of(first))
    move, _ = link(second.clone(), slope_of(second))
    expected = second + first * torch.tensor([0.0, 1.0, 0.5]).reshape(3, 1, 1, 1)
    assert torch.allclose(move, expected)


@pytest.mark.parametrize("progress", [0.0, 0.25, 0.5, 1.0])
def test_a_scale_falls_along_a_half_cosine(progress):
    gradient = gradients(1)[0]
    move, _ = Scale(1.0, final=0.01)(gradient.clone(), slope_of(gradient, progress))
    expected = 0.01 + 0.99 * (1 + math.cos(math.pi * progress)) / 2
    assert torch.allclose(move, gradient * expected)


def test_a_fixed_scale_is_one_number_a_sample():
    gradient = gradients(1)[0]
    link = Scale(torch.tensor([1.0, 2.0, 3.0])).prepare(slope_of(gradient).point.problem)
    move, successor = link(gradient.clone(), slope_of(gradient, 0.7))
    assert torch.allclose(move, gradient * torch.tensor([1.0, 2.0, 3.0]).reshape(3, 1, 1, 1))
    assert successor is link


def test_links_are_values_that_never_change():
    link = Adam()
    link(torch.ones(1, 1, 2, 2), slope_of(torch.ones(1, 1, 2, 2)))
    assert link == Adam()
    with pytest.raises(dataclasses.FrozenInstanceError):
        link.step = 3
