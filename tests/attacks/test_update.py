from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from torch import Tensor

from limen.attacks.constraint import AdaptiveSphere
from limen.attacks.perturbation import SigmoidBox
from limen.attacks.protocols import Perturbation, State
from limen.attacks.update import Adam, Momentum, Scale, ShareOfRadius, ShareToBoundary
from limen.images import norm

from .networks import generator
from .states import problem_of, state_of


def state_at(gradient: Tensor, progress: float = 0.0) -> State:
    return state_of(problem_of(torch.zeros_like(gradient)), gradient=gradient, progress=progress)


def gradients(count: int) -> list[Tensor]:
    random = generator(0)
    scales = torch.tensor([1.0, 1e-6, 1e4], dtype=torch.float64).reshape(3, 1, 1, 1)
    return [torch.randn(3, 1, 2, 2, generator=random, dtype=torch.float64) * scales for _ in range(count)]


def test_adam_takes_the_steps_of_torch():
    ours, theirs = torch.zeros(3, 1, 2, 2, dtype=torch.float64), torch.zeros(3, 1, 2, 2, dtype=torch.float64)
    optimizer, link = torch.optim.Adam([theirs], lr=0.05, maximize=True), Adam(learning_rate=0.05)
    for gradient in gradients(20):
        move, link = link(gradient.clone(), state_at(gradient))
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
            part = whole.select(rows)
        move, successor = whole(gradient.clone(), state_at(gradient))
        if step >= 3:
            ours, part = part(gradient[rows].clone(), state_at(gradient[rows]))
            assert torch.equal(ours, move[rows])
        whole = successor


def test_momentum_sums_moves_that_decay():
    link, total = Momentum(decay=0.5), 0.0
    for gradient in gradients(5):
        before = gradient.clone()
        move, link = link(gradient, state_at(gradient))
        total = 0.5 * total + before
        assert torch.allclose(move, total)


def test_momentum_of_a_sample_has_its_own_decay():
    first, second = gradients(2)
    link = Momentum(decay=torch.tensor([0.0, 1.0, 0.5])).bind(state_at(first).problem)
    _, link = link(first.clone(), state_at(first))
    move, _ = link(second.clone(), state_at(second))
    expected = second + first * torch.tensor([0.0, 1.0, 0.5]).reshape(3, 1, 1, 1)
    assert torch.allclose(move, expected)


@pytest.mark.parametrize("progress", [0.0, 0.25, 0.5, 1.0])
def test_a_scale_falls_along_a_half_cosine(progress):
    gradient = gradients(1)[0]
    move, _ = Scale(1.0, final=0.01)(gradient.clone(), state_at(gradient, progress))
    expected = 0.01 + 0.99 * (1 + math.cos(math.pi * progress)) / 2
    assert torch.allclose(move, gradient * expected)


def test_a_fixed_scale_is_one_number_a_sample():
    gradient = gradients(1)[0]
    link = Scale(torch.tensor([1.0, 2.0, 3.0])).bind(state_at(gradient).problem)
    move, successor = link(gradient.clone(), state_at(gradient, 0.7))
    assert torch.allclose(move, gradient * torch.tensor([1.0, 2.0, 3.0]).reshape(3, 1, 1, 1))
    assert successor is link


def on_a_sphere(values: Tensor, gradient: Tensor, radius: float | None, progress: float = 0.0) -> State:
    state = state_at(gradient, progress)
    return dataclasses.replace(
        state, values=values, constraint=AdaptiveSphere(eps=radius).bind(state.problem)
    )


def test_before_the_sphere_has_a_radius_the_step_lands_on_the_linearised_boundary():
    gradient, values = gradients(1)[0], torch.tensor([-1.0, -2e-6, -3e4], dtype=torch.float64)
    direction = gradient.sign()  # any direction uphill, of any length
    state = on_a_sphere(values, gradient, None)
    move, successor = ShareOfRadius(0.5, final=0.02)(direction.clone(), state)
    risen = values + (gradient * move).flatten(1).sum(1)
    assert (risen.abs() <= 1e-12 * values.abs()).all()
    assert torch.equal(move.sign(), direction)
    assert successor == ShareOfRadius(0.5, final=0.02)


def test_beyond_the_boundary_or_without_a_gradient_the_first_step_is_none():
    gradient, values = gradients(1)[0], torch.tensor([1.0, -1.0, -1.0], dtype=torch.float64)
    gradient[1] = 0
    move, _ = ShareOfRadius(0.5, final=0.02)(gradient.clone(), on_a_sphere(values, gradient, None))
    assert move.flatten(1).abs().amax(1).gt(0).tolist() == [False, False, True]
    assert move.isfinite().all()


@pytest.mark.parametrize("progress", [0.0, 0.25, 0.5, 1.0])
def test_later_steps_are_a_share_of_the_radius_that_falls_along_a_half_cosine(progress):
    gradient, values = gradients(1)[0], torch.tensor([-1.0, 1.0, -3.0], dtype=torch.float64)
    state = on_a_sphere(values, gradient, 0.8, progress)
    move, _ = ShareOfRadius(0.5, final=0.02)(gradient.clone(), state)
    share = 0.02 + 0.48 * (1 + math.cos(math.pi * progress)) / 2
    torch.testing.assert_close(move, gradient * share * 0.8)


def test_each_sample_has_a_radius_or_none_of_its_own():
    gradient, values = gradients(1)[0], torch.tensor([-1.0, -1.0, -1.0], dtype=torch.float64)
    state = on_a_sphere(values, gradient, 0.8)
    radius = torch.tensor([2.0, torch.inf, 0.5], dtype=torch.float64).reshape(3, 1, 1, 1)
    state = dataclasses.replace(state, constraint=dataclasses.replace(state.constraint, radius=radius))
    link = ShareOfRadius(torch.tensor([0.5, 0.5, 0.1]), final=0.02).bind(state.problem)
    move, _ = link(gradient.clone(), state)
    torch.testing.assert_close(move[0], gradient[0])
    assert (gradient[1] * move[1]).sum().item() == pytest.approx(1)
    torch.testing.assert_close(move[2], gradient[2] * 0.05)


@pytest.mark.parametrize("perturbation", [Perturbation(), SigmoidBox()], ids=["image", "sigmoid"])
def test_the_first_move_goes_a_share_of_the_way_to_the_linearised_boundary(perturbation):
    gradient, later = gradients(2)
    gradient = gradient / norm(gradient).reshape(3, 1, 1, 1)
    values = torch.tensor([-1e-4, -1e-5, -1e-4], dtype=torch.float64)
    variables = perturbation.invert(torch.full_like(gradient, 0.3))
    parts = {"variables": variables, "values": values, "perturbation": perturbation}
    state = dataclasses.replace(state_at(gradient), **parts)
    move, link = ShareToBoundary(0.5)(gradient.clone(), state)
    torch.testing.assert_close((gradient * move).flatten(1).sum(1), -0.5 * values)
    changed = norm(perturbation.images(variables + move) - perturbation.images(variables))
    slope = 0.3 * 0.7 if isinstance(perturbation, SigmoidBox) else 1.0
    torch.testing.assert_close(changed, -0.5 * values * slope, rtol=1e-3, atol=0)
    after, _ = link(later.clone(), state)
    torch.testing.assert_close(after / later, move / gradient)


@pytest.mark.parametrize("link", [Adam(), Momentum(0.5), Scale(2.0, final=0.1)], ids=lambda link: str(link))
def test_links_are_values_that_never_change(link):
    first, second = gradients(2)
    _, after = link(first.clone(), state_at(first))
    move, _ = after(second.clone(), state_at(second))
    after(first.clone(), state_at(first))  # what it does to its successor does nothing to itself
    again, _ = after(second.clone(), state_at(second))
    assert torch.equal(move, again)
    assert link == type(link)(**{each.name: getattr(link, each.name) for each in dataclasses.fields(link)})
    with pytest.raises(dataclasses.FrozenInstanceError):
        link.step = 3
