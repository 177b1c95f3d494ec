from __future__ import annotations

import dataclasses

import pytest
import torch

from limen.attacks import Attack, search
from limen.attacks.composition import Composition
from limen.attacks.constraint import LinfBall
from limen.attacks.direction import Maximize, Sign
from limen.attacks.objective import CrossEntropy, DistanceAndHinge
from limen.attacks.outcome import Best
from limen.attacks.perturbation import SigmoidBox
from limen.attacks.search import InTurn, MultiplierSearch
from limen.attacks.update import Adam, Scale
from limen.errors import UsageError
from limen.images import norm

from .networks import photos, smooth_mlp, task
from .states import problem_of

LAGRANGIAN = Composition(
    objective=DistanceAndHinge(constant=1.0),
    rule=(Adam(),),
    steps=3,
    perturbation=SigmoidBox(),
    distance=lambda images, originals: norm(images - originals),
)


def fast_gradient(eps: float) -> Composition:
    return Composition(objective=CrossEntropy(), rule=(Maximize(),), steps=1, constraint=LinfBall(eps=eps))


def test_multipliers_bracket_the_least_that_suffices_for_each_sample(monkeypatch):
    needed = torch.tensor([0.3, 5.0, 700.0, torch.inf])
    tried = []

    def climb(parts, classifier, problem, best, rows, salt=0):
        tried.append(parts.objective.constant.clone())
        return tried[-1] >= needed

    monkeypatch.setattr(search, "climb", climb)
    problem = problem_of(photos(4))
    MultiplierSearch(LAGRANGIAN, 12)(None, problem, Best(problem))
    path = torch.stack(tried).double()
    assert path.shape == (12, 4)
    assert path[:4, 0].tolist() == pytest.approx([1.0, 0.5, 0.25, 0.375])
    assert path[:5, 1].tolist() == pytest.approx([1.0, 10.0, 5.5, 3.25, 4.375])
    assert path[:5, 2].tolist() == pytest.approx([1.0, 10.0, 100.0, 1000.0, 550.0])
    assert path[:, 3].tolist() == pytest.approx([10.0**power for power in range(12)])
    assert path[-1, :3].tolist() == pytest.approx(needed[:3].tolist(), rel=0.02)


def test_a_multiplier_search_leaves_out_what_is_settled(monkeypatch):
    seen = []

    def climb(parts, classifier, problem, best, rows, salt=0):
        seen.append(rows.tolist())
        best.settled[1] = True
        return torch.tensor([True, True, False])

    monkeypatch.setattr(search, "climb", climb)
    problem = problem_of(photos(3))
    MultiplierSearch(LAGRANGIAN, 3)(None, problem, Best(problem))
    assert seen == [[0, 1, 2], [0, 2], [0, 2]]


@pytest.mark.parametrize("rounds", [0, 1.5, True])
def test_a_multiplier_search_needs_rounds(rounds):
    with pytest.raises(UsageError, match="search_steps is"):
        MultiplierSearch(LAGRANGIAN, rounds)


def test_a_multiplier_search_needs_a_multiplier():
    with pytest.raises(UsageError, match="needs an objective with a constant"):
        MultiplierSearch(dataclasses.replace(LAGRANGIAN, objective=CrossEntropy()), 3)


def test_a_row_of_budgets_keeps_the_least_that_succeeds():
    problem = task(smooth_mlp(), photos(8))
    budgets = [level / 255 for level in (1, 2, 4, 8, 16, 32)]
    grid = Attack("a grid", InTurn(tuple(fast_gradient(eps) for eps in budgets)))
    outcome = grid(problem.classifier, problem.images, problem.labels)
    assert outcome.success.all()
    alone = [
        Attack("one", InTurn((fast_gradient(eps),)))(problem.classifier, problem.images, problem.labels)
        for eps in budgets
    ]
    first = torch.stack([one.success for one in alone]).float().argmax(0)
    assert len(first.unique()) > 1
    for row, index in enumerate(first.tolist()):
        assert torch.equal(outcome.images[row], alone[index].images[row])
    assert outcome.steps.tolist() == (first + 1).tolist()


def test_restarts_run_only_what_is_not_yet_fooled_and_start_elsewhere():
    problem = task(smooth_mlp(), photos(12))
    parts = Composition(
        objective=CrossEntropy(),
        rule=(Sign(), Scale(1e-6)),
        steps=1,
        constraint=LinfBall(eps=0.2),
        random_start=True,
    )

    def restarted(times: int):
        attack = Attack("restarts", InTurn((parts,), restarts=times))
        return attack(problem.classifier, problem.images, problem.labels)

    once, often = restarted(1), restarted(20)
    assert once.success.any()
    assert not once.success.all()
    assert often.success.sum() > once.success.sum()
    assert torch.equal(often.images[once.success], once.images[once.success])
    assert (often.steps[once.success] == 1).all()
    assert (often.steps[~once.success] > 1).all()
    assert (often.forwards == 1 + 2 * often.steps).all()


@pytest.mark.parametrize(
    ("compositions", "restarts", "reason"),
    [
        ((), 1, r"\(\) is nothing to try"),
        ((fast_gradient(0.1),), 0, "restarts is 0; expected an integer"),
        ((fast_gradient(0.1),), 2, "restarts is 2, but every try is the same without random_start"),
    ],
)
def test_what_would_try_nothing_or_the_same_again_is_refused(compositions, restarts, reason):
    with pytest.raises(UsageError, match=reason):
        InTurn(compositions, restarts)


def test_restarts_bind_only_the_samples_that_go_on():
    bound = []

    @dataclasses.dataclass(frozen=True)
    class Watched(LinfBall):
        def bind(self, problem):
            bound.append(len(problem.labels))
            return super().bind(problem)

    problem = task(smooth_mlp(), photos(12))
    parts = dataclasses.replace(
        fast_gradient(0.0), constraint=Watched(eps=0.2), random_start=True, rule=(Sign(), Scale(1e-6))
    )
    outcome = Attack("restarts", InTurn((parts,), restarts=5))(
        problem.classifier, problem.images, problem.labels
    )
    assert bound[0] == 12
    assert bound[1] == 12 - int((outcome.steps == 1).sum()) < 12
    assert bound == sorted(bound, reverse=True)
