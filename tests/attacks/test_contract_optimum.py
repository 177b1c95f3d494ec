"""Contracts: on a linear classifier the optimum is known, and every attack comes up to it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from limen.attacks import FACTORIES, Outcome

from .networks import SIZE, Task, generator, photos, task
from .table import Maker, Row, broken_by, only, solved

pytestmark = pytest.mark.filterwarnings("ignore::limen.errors.LimenWarning")


def linear_task(row: Row, targeted: bool) -> tuple[Task, Tensor]:
    """A linear problem of two classes, and each image's least distance to the boundary."""
    weights = torch.zeros(3, SIZE, SIZE, dtype=torch.float64)
    middle = slice(row.geometry.frame, SIZE - row.geometry.frame)
    side = SIZE - 2 * row.geometry.frame
    weights[:, middle, middle] = torch.randn(
        3, side, side, generator=generator(7), dtype=torch.float64, device="cpu"
    )
    weights = weights.flatten()
    images = photos(4, low=120, high=136).double()
    gain = row.geometry.gain(row.geometry.reach, weights, images)
    shift = (images.flatten(1) @ weights + gain).amax()
    module = nn.Sequential(nn.Flatten(), nn.Linear(len(weights), 2)).double()
    with torch.no_grad():
        module[1].weight.copy_(torch.stack([-weights / 2, weights / 2]))
        module[1].bias.copy_(torch.stack([shift / 2, -shift / 2]).flatten())
    problem = task(module, images, targeted)
    gap = shift - problem.images.flatten(1) @ weights
    return problem, row.geometry.least(gap, weights, problem.images)


def arguments(row: Row, eps: float | Tensor | None = None) -> dict[str, Any]:
    """The row's own, sharpened, with step lengths that fit a budget (twice the reach if not given)."""
    given = {**row.arguments, **row.sharp}
    if row.has_budget:
        given[row.budget] = 2 * row.geometry.reach if eps is None else eps
    return {name: value for name, value in given.items() if name != "step_size"}


def attacked(make: Maker, row: Row, problem: Task, eps: Tensor | None = None) -> Outcome:
    """Floats without a target, on the lattice with one: of two classes, the target is the other."""
    return make(**arguments(row, eps))(
        problem.classifier,
        problem.images,
        problem.labels,
        problem.targeted,
        lattice=255 if problem.targeted else None,
    )


@only(lambda row: row.has_optimum)
def contract_least_distance_is_found(make: Maker, row: Row, targeted: bool) -> None:
    problem, least = linear_task(row, targeted)
    outcome = attacked(make, row, problem)
    assert outcome.success.all()
    assert problem.fooled(outcome.images).all()
    reached = row.geometry.measure(outcome.images, problem.images)
    assert (reached >= least * (1 - row.geometry.accuracy)).all()
    if row.minimal:
        assert (reached <= 1.05 * least).all(), f"{(reached / least).tolist()}"


@only(lambda row: row.has_budget and row.has_optimum)
def contract_a_budget_just_above_the_distance_is_enough(make: Maker, row: Row, targeted: bool) -> None:
    problem, least = linear_task(row, targeted)
    eps, _ = row.geometry.beside(least)
    outcome = attacked(make, row, problem, eps)
    assert outcome.success.all()
    assert problem.fooled(outcome.images).all()
    reached = row.geometry.measure(outcome.images, problem.images)
    assert (reached <= eps * (1 + 1e-9) + 1e-12).all()
    rounding, used = 1 / 255 if targeted else 0, 1 - 1e-6 - row.geometry.accuracy
    assert row.stops or (reached >= eps * used - rounding).all(), f"{(reached / eps).tolist()}"


@only(lambda row: row.has_budget and row.has_optimum)
def contract_a_budget_just_below_the_distance_is_not(make: Maker, row: Row, targeted: bool) -> None:
    problem, least = linear_task(row, targeted)
    _, eps = row.geometry.beside(least)
    solved(make, replace(row, arguments=arguments(row)), problem)
    outcome = attacked(make, row, problem, eps)
    assert not outcome.success.any()
    assert torch.equal(outcome.images, problem.images)


def test_contract(contract, row, targeted):
    contract(FACTORIES[row.name], row, targeted)


def test_frauds_break(contract, fraud):
    assert broken_by(contract, fraud)
