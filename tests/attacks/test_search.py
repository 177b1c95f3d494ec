from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import cast

import pytest
import torch
from torch import nn

from limen.attacks import Attack, minimal_apgd, pgap, pgd_l2, search, ssim_pgd
from limen.attacks.best import Best
from limen.attacks.composition import Composition
from limen.attacks.constraint import LinfBall
from limen.attacks.direction import Maximize, Sign
from limen.attacks.objective import CrossEntropy, DistanceAndHinge
from limen.attacks.perturbation import SigmoidBox
from limen.attacks.search import InTurn, LeastBudget, MultiplierSearch
from limen.attacks.update import Adam, Scale
from limen.classifier import Classifier
from limen.errors import UsageError
from limen.images import norm
from limen.metrics import dissimilarity

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


SINGLE = cast(Classifier, SimpleNamespace(draws=1))
"""Whose passes are counted, where nothing is passed."""


def test_multipliers_bracket_the_least_that_suffices_for_each_sample(monkeypatch):
    needed = torch.tensor([0.3, 5.0, 700.0, torch.inf])
    tried = []

    def climb(parts, classifier, problem, best, rows, salt=0):
        tried.append(parts.objective.constant.clone())
        return tried[-1] >= needed

    monkeypatch.setattr(search, "climb", climb)
    problem = problem_of(photos(4))
    MultiplierSearch(LAGRANGIAN, 12)(SINGLE, problem, Best(problem))
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
    MultiplierSearch(LAGRANGIAN, 3)(SINGLE, problem, Best(problem))
    assert seen == [[0, 1, 2], [0, 2], [0, 2]]


def test_a_multiplier_search_ends_when_all_are_settled(monkeypatch):
    def climb(parts, classifier, problem, best, rows, salt=0):
        seen.append(rows.tolist())
        best.settled[:] = True
        return torch.ones(2, dtype=torch.bool)

    seen, problem = [], problem_of(photos(2))
    monkeypatch.setattr(search, "climb", climb)
    MultiplierSearch(LAGRANGIAN, 3)(SINGLE, problem, Best(problem))
    assert seen == [[0, 1]]


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


def l2(images, originals):
    return norm(images - originals)


def bisected(monkeypatch, needed, rounds, distance=lambda budget: budget):
    """The budgets that a bisection tries for samples that need so much."""
    tried = []

    def climb(parts, classifier, problem, best, rows, salt=0):
        budget = parts.constraint.eps.flatten()
        succeeded = torch.zeros_like(best.success)
        succeeded[rows] = budget >= needed[rows]
        best.distance = torch.where(
            succeeded, distance(best.distance.index_copy(0, rows, budget)), best.distance
        )
        tried.append(dict(zip(rows.tolist(), budget.tolist(), strict=True)))
        return succeeded

    monkeypatch.setattr(search, "climb", climb)
    monkeypatch.setattr(search, "settle_originals", lambda *_: None)
    problem = problem_of(photos(len(needed)))
    LeastBudget(lambda eps: (fast_gradient(eps),), l2, 1.0, rounds)(SINGLE, problem, Best(problem))
    return tried


def test_budgets_bracket_the_least_that_suffices_for_each_sample(monkeypatch):
    needed = torch.tensor([0.3, 5.0, 60.0, torch.inf])
    tried = bisected(monkeypatch, needed, 9)
    paths = [[each[row] for each in tried] for row in range(4)]
    assert paths[0][:4] == pytest.approx([1.0, 0.25, 0.5, 0.125**0.5])
    assert paths[1][:4] == pytest.approx([1.0, 4.0, 16.0, 8.0])
    assert paths[2][:5] == pytest.approx([1.0, 4.0, 16.0, 64.0, 32.0])
    assert paths[3] == pytest.approx([4.0**power for power in range(9)])
    for path, least in zip(paths[:3], needed.tolist(), strict=False):
        assert min(eps for eps in path if eps >= least) <= 1.05 * least


def test_a_sample_leaves_once_its_bracket_is_closed(monkeypatch):
    needed = torch.tensor([1.0, 1.5])
    tried = bisected(monkeypatch, needed, 40)
    last = [max(place for place, each in enumerate(tried) if row in each) for row in (0, 1)]
    assert len(tried) == max(last) + 1 < 20
    for row in (0, 1):
        path = [each[row] for each in tried if row in each]
        high, low = min(e for e in path if e >= needed[row]), max(e for e in path if e < needed[row])
        assert high <= 1.001 * low


def test_the_next_budget_is_less_than_the_success_was_far(monkeypatch):
    tried = bisected(monkeypatch, torch.tensor([0.01]), 3, distance=lambda budget: budget / 2)
    assert [each[0] for each in tried] == pytest.approx([1.0, 0.125, 0.125 / 8])


@pytest.mark.parametrize("rounds", [0, 1.5, True])
def test_a_bisection_needs_rounds(rounds):
    with pytest.raises(UsageError, match="search_steps is"):
        LeastBudget(lambda eps: (fast_gradient(eps),), l2, 1.0, rounds)


def s2_distance(images, originals):
    return pgap().search.compositions[0].constraint.bind(problem_of(originals))._distance(images)


@pytest.mark.parametrize(
    ("make", "distance", "first", "slack"),
    [
        (lambda eps: pgd_l2(eps, steps=10, early_stop=True), l2, 0.3, 1.05),
        # Its ball is only nearly that of SSIM, so that a climb comes up to less than its budget.
        (lambda eps: ssim_pgd(eps, steps=10, early_stop=True), lambda a, x: dissimilarity(a, x), 0.01, 2),
        (lambda eps: pgap(eps, steps=5, recenter=False), s2_distance, 0.05, 1.05),
    ],
    ids=["pgd_l2", "ssim_pgd", "pgap"],
)
def test_the_least_budget_of_any_attack_is_found(make, distance, first, slack):
    """It succeeds there, and within a little less it does not; gone on from there, no more is needed."""
    problem = task(smooth_mlp(dtype=torch.float64), photos(4))
    given = problem.classifier, problem.images, problem.labels
    reached = {}
    for onward in (False, True):
        search = LeastBudget(lambda eps: make(eps).search.compositions, distance, first, 14, onward)
        found = Attack("least", search)(*given, lattice=None)
        assert found.success.all()
        assert problem.fooled(found.images).all()
        assert (found.forwards <= 1 + 14 * 11).all()
        reached[onward] = distance(found.images, problem.images)
    assert make(reached[False] * slack)(*given, lattice=None).success.all()
    assert not make(reached[False] * 0.9)(*given, lattice=None).success.any()
    assert (reached[True] <= 1.02 * reached[False]).all()


class Valley(nn.Module):
    """Fooled by a value above 0.9 or below 0.3; at 0.5 its gradient points to the farther of the two."""

    def forward(self, images):
        value = images.flatten(1)[:, 0]
        return torch.stack([torch.zeros_like(value), (value - 0.9).maximum(10 * (0.3 - value))], 1)


def test_a_random_start_finds_a_boundary_that_is_nearer():
    given = Classifier(Valley()), torch.full((2, 1, 1, 1), 0.5), torch.zeros(2, dtype=torch.long)
    for restarts, least in ((1, 0.4), (9, 0.2)):
        attack = minimal_apgd("linf", steps=8, search_steps=8, eps=0.39, loss="margin", restarts=restarts)
        far = (attack(*given, lattice=None).images - 0.5).abs().flatten()
        torch.testing.assert_close(far, torch.full_like(far, least), rtol=0.05, atol=0)


def test_no_start_is_drawn_from_the_ball_of_a_metric():
    with pytest.raises(UsageError, match="restarts is 2; expected 1, as no start can be drawn from the ball"):
        minimal_apgd("ssim", restarts=2)
