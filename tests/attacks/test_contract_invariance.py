"""Contracts: what an attack's result may depend on, and what not."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from limen import Classifier
from limen.attacks import FACTORIES
from limen.errors import UsageError

from .networks import conv_net, photos, smooth_mlp, task
from .table import FIELDS, TABLE, Maker, Row, alike, broken_by, budgeted, either, only, rows_of, same, solved

pytestmark = pytest.mark.filterwarnings("ignore::limen.errors.LimenWarning")


class Raised(nn.Module):
    """A network whose logits are all raised by a constant."""

    def __init__(self, module: nn.Module, constant: float) -> None:
        super().__init__()
        self.module, self.constant = module, constant

    def forward(self, images):
        return self.module(images) + self.constant


@either
def contract_batch_does_not_matter(make: Maker, row: Row, targeted: bool) -> None:
    problem = task(conv_net(), photos(4), targeted)
    ids, attack = problem.ids, make(**row.arguments)
    whole = solved(make, row, problem, ids=ids)
    # Where there is a budget, another contract tries each image alone.
    for rows in (torch.tensor([3, 0, 2]), *([] if budgeted(row) else [torch.tensor([1])])):
        part = attack(
            problem.classifier,
            problem.images[rows],
            problem.labels[rows],
            targeted,
            ids=[ids[index] for index in rows],
        )
        assert alike(part, rows_of(whole, rows)), f"batch {rows.tolist()}"
    nothing = attack(problem.classifier, problem.images[:0], problem.labels[:0], targeted, ids=[])
    for name in FIELDS[:6]:
        empty, full = getattr(nothing, name), getattr(whole, name)
        assert empty.shape == (0, *full.shape[1:])
        assert empty.dtype == full.dtype


@either
def contract_a_constant_on_all_logits_does_not_matter(make: Maker, row: Row, targeted: bool) -> None:
    problem = task(smooth_mlp(dtype=torch.float64), photos(4), targeted)
    plain = solved(make, row, problem)
    raised = make(**row.arguments)(
        Classifier(Raised(problem.classifier.module, 8.0)), problem.images, problem.labels, targeted
    )
    assert alike(plain, raised)


def random_states() -> list[torch.Tensor]:
    """Of all generators that torch draws from by itself."""
    return [torch.get_rng_state(), *torch.cuda.get_rng_state_all()]


@either
def contract_the_seed_decides_random_attacks_and_global_random_state_none(
    make: Maker, row: Row, targeted: bool
) -> None:
    problem = task(smooth_mlp(), photos(3), targeted)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        first = solved(make, row, problem, seed=5, lattice=None)
        torch.manual_seed(2)
        before = random_states()
        second = solved(make, row, problem, seed=5 if row.random else 6, lattice=None)
        assert all(map(torch.equal, random_states(), before))
    # A GPU adds in any order.
    assert (same if first.images.device.type == "cpu" else alike)(first, second)
    if row.random:
        other = solved(make, row, problem, seed=6, lattice=None)
        assert not torch.equal(other.images, first.images)


@either
@only(budgeted)
def contract_a_budget_per_sample_is_each_budget_alone(make: Maker, row: Row, targeted: bool) -> None:
    problem = task(smooth_mlp(), photos(3), targeted)
    eps = row.arguments.get(row.budget, 1.0)
    budgets = row.geometry.fractions(eps)
    rows = [slice(index, index + 1) for index in range(3)]
    together = make(**{**row.arguments, row.budget: torch.tensor(budgets)})(
        problem.classifier, problem.images, problem.labels, targeted, ids=problem.ids
    )
    assert problem.fooled(together.images).any()
    for one, mine in zip(budgets, rows, strict=True):
        alone = make(**{**row.arguments, row.budget: one})(
            problem.classifier, problem.images[mine], problem.labels[mine], targeted, ids=problem.ids[mine]
        )
        assert alike(alone, rows_of(together, mine)), f"budget {one}"


def test_contract(contract, row, targeted):
    contract(FACTORIES[row.name], row, targeted)


def test_frauds_break(contract, fraud):
    assert broken_by(contract, fraud)


@pytest.mark.parametrize("shape", [(1,), (4,), (3, 1)])
@pytest.mark.parametrize("budget", [*filter(budgeted, TABLE)], ids=lambda row: row.id)
def test_budgets_of_another_shape_are_refused_by_name(budget, shape):
    problem = task(smooth_mlp(), photos(3))
    whole = torch.full(shape, float(budget.arguments.get(budget.budget, 1)))
    arguments = {**budget.arguments, budget.budget: whole}
    with pytest.raises(UsageError, match=rf"{budget.budget} has shape"):
        FACTORIES[budget.name](**arguments)(problem.classifier, problem.images, problem.labels)
