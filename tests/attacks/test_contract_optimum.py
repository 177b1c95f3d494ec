"""Contracts: on a linear classifier the optimum is known, and every attack comes up to it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from limen.attacks import FACTORIES
from limen.images import norm

from .networks import SIZE, Task, generator, photos, task
from .table import TABLE, Maker, Row, solved

DISTANCE = {0: 15.0, 2: 0.6, math.inf: 0.1}
"""Roughly how far the boundary is, in each norm: far from [0, 1]'s bounds, and many lattice steps."""

DUAL = {0: 1, 2: 2, math.inf: 1}


def linear_task(row: Row, targeted: bool) -> tuple[Task, Tensor, Tensor]:
    """A linear problem of two classes, the weights w of its lead, and each image's gap."""
    weights = torch.randn(3 * SIZE * SIZE, generator=generator(7), dtype=torch.float64)
    images = photos(4, low=120, high=136).double()
    length = norm(weights[None], DUAL[row.order])
    shift = (images.flatten(1) @ weights).amax() + DISTANCE[row.order] * (length if row.order else 1)
    module = nn.Sequential(nn.Flatten(), nn.Linear(len(weights), 2)).double()
    with torch.no_grad():
        module[1].weight.copy_(torch.stack([-weights / 2, weights / 2]))
        module[1].bias.copy_(torch.stack([shift / 2, -shift / 2]).flatten())
    problem = task(module, images, targeted)
    return problem, weights, shift - problem.images.flatten(1) @ weights


def arguments(row: Row, eps: float | Tensor | None = None) -> dict[str, Any]:
    """The row's own, sharpened, with step lengths that fit a budget (twice the distance if not given)."""
    given = {**row.arguments, **row.sharp}
    if row.has_budget:
        given["eps"] = 2 * DISTANCE[row.order] if eps is None else eps
    return {name: value for name, value in given.items() if name != "step_size"}


def attacked(make: Maker, row: Row, problem: Task, lattice: int | None, eps: Tensor):
    return make(**arguments(row, eps))(
        problem.classifier, problem.images, problem.labels, problem.targeted, lattice=lattice
    )


def contract_least_distance_is_found(make: Maker, row: Row, targeted: bool) -> None:
    problem, weights, gap = linear_task(row, targeted)
    least = gap / norm(weights[None], DUAL[row.order])
    for lattice in (None, 255):
        outcome = make(**arguments(row))(
            problem.classifier, problem.images, problem.labels, targeted, lattice=lattice
        )
        assert outcome.success.all()
        assert problem.fooled(outcome.images).all()
        reached = norm(outcome.images - problem.images, row.order)
        assert (reached >= least * (1 - 1e-9)).all()
        if row.minimal:
            assert (reached <= 1.05 * least).all(), f"{(reached / least).tolist()}"


def contract_a_budget_just_above_the_distance_is_enough(make: Maker, row: Row, targeted: bool) -> None:
    problem, weights, gap = linear_task(row, targeted)
    eps = 1.05 * gap / norm(weights[None], DUAL[row.order])
    solved(make, replace(row, arguments=arguments(row)), problem)
    if not (row.has_budget and row.order):
        return
    for lattice in (None, 255):
        outcome = attacked(make, row, problem, lattice, eps)
        assert outcome.success.all()
        assert problem.fooled(outcome.images).all()
        reached = norm(outcome.images - problem.images, row.order)
        assert (reached <= eps * (1 + 1e-9) + 1e-12).all()
        rounding = 0 if lattice is None else 1 / lattice
        assert row.stops or (reached >= eps * (1 - 1e-6) - rounding).all(), f"{(reached / eps).tolist()}"


def contract_a_budget_just_below_the_distance_is_not(make: Maker, row: Row, targeted: bool) -> None:
    problem, weights, gap = linear_task(row, targeted)
    solved(make, replace(row, arguments=arguments(row)), problem)
    if not (row.has_budget and row.order):
        return
    for lattice in (None, 255):
        outcome = attacked(make, row, problem, lattice, 0.95 * gap / norm(weights[None], DUAL[row.order]))
        assert not outcome.success.any()
        assert torch.equal(outcome.images, problem.images)


def contract_sparse_attacks_change_as_few_values_as_the_greedy_optimum(
    make: Maker, row: Row, targeted: bool
) -> None:
    problem, weights, gap = linear_task(row, targeted)
    solved(make, replace(row, arguments=arguments(row)), problem)
    if row.order:
        return
    order = weights.abs().argsort(descending=True)
    room = torch.where(weights > 0, 1 - problem.images.flatten(1), problem.images.flatten(1))
    gained = (room * weights.abs())[:, order].cumsum(1)
    least = (gained <= gap[:, None]).sum(1) + 1
    assert (least > 5).all()
    for lattice in (None, 255):
        outcome = attacked(make, row, problem, lattice, least)
        assert outcome.success.all()
        assert torch.equal(norm(outcome.images - problem.images, 0).long(), least)
        assert not attacked(make, row, problem, lattice, least - 1).success.any()


def test_contract(contract, row, targeted):
    contract(FACTORIES[row.name], row, targeted)


def test_frauds_break(contract, fraud):
    for row in TABLE:
        with pytest.raises(AssertionError):
            contract(lambda **_: fraud, row, False)
