from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from limen.attacks.composition import Composition
from limen.attacks.constraint import AdaptiveSphere, L0Ball, L2Ball, LinfBall, Regions, S2Ball, SsimBall
from limen.attacks.direction import Maximize, Normalize, Sign
from limen.attacks.mask import Found
from limen.attacks.objective import CrossEntropy, ForegroundScore, Margin
from limen.attacks.part import Problem
from limen.attacks.protocols import Constraint
from limen.attacks.update import Momentum, PerRegion, Scale, ShareOfRadius
from limen.errors import UsageError
from limen.images import dot, norm
from limen.metrics import ssim

from .networks import generator, photos
from .states import problem_of, state_of

SHAPE = (3, 3, 12, 12)
BUDGETS = torch.tensor([0.3, 0.2, 0.05], dtype=torch.float64)

quick = settings(max_examples=40, deadline=None)
seeds = st.integers(0, 10_000)
shares = st.sampled_from([0.0, 0.02, 0.3, 0.9, 1.0])
norms = st.sampled_from(["l2", "linf"])
lattices = st.sampled_from([None, 255])

BALLS = {"l2": (L2Ball, 2, 8.0), "linf": (LinfBall, torch.inf, 1.0)}


def region_of(seed: int, share: float) -> Tensor:
    drawn = torch.rand((SHAPE[0], 1, *SHAPE[2:]), generator=generator(seed + 2))
    return drawn < share


def problem_with(mask: Tensor, seed: int = 0, lattice: int | None = 255, on_lattice: bool = True) -> Problem:
    drawn = torch.rand(SHAPE, generator=generator(seed), dtype=torch.float64).mul(1.4).sub(0.2).clamp(0, 1)
    images = drawn.mul(255).round().div(255) if on_lattice else drawn
    return problem_of(images, lattice, foreground=mask)


def far(seed: int) -> Tensor:
    return torch.randn(SHAPE, generator=generator(seed + 1), dtype=torch.float64).mul(0.7).add(0.5)


def sizes(images: Tensor, problem: Problem, name: str) -> tuple[Tensor, Tensor]:
    """The change of the foreground and that of the background, each by itself."""
    delta, order, mask = images - problem.originals, BALLS[name][1], problem.foreground
    return norm(delta * mask, order), norm(delta * ~mask, order)


def regions(name: str, problem: Problem, front: Tensor = BUDGETS, factor: float = 4.0) -> Regions:
    kind, _, scale = BALLS[name]
    return Regions(kind(eps=front * scale / 8), kind(eps=factor * front * scale / 8)).bind(problem)


@quick
@given(norms, seeds, shares, lattices)
def test_each_region_keeps_its_own_budget_by_itself(name, seed, share, lattice):
    problem = problem_with(region_of(seed, share), seed, lattice)
    both = regions(name, problem)
    once = both.project(far(seed))
    assert both.contains(once).all()
    assert torch.allclose(both.project(once.clone()), once, atol=1e-12)
    front, back = sizes(once, problem, name)
    scale = BALLS[name][2] / 8
    assert (front <= BUDGETS * scale + 1e-9).all()
    assert (back <= 4 * BUDGETS * scale + 1e-9).all()


@quick
@given(norms, seeds, st.sampled_from([0.3, 0.6]))
def test_no_other_member_is_nearer_than_the_projection(name, seed, share):
    problem = problem_with(region_of(seed, share), seed, None)
    # Far from the bounds of [0, 1], where clipping after the projection changes nothing.
    problem = replace(problem, originals=problem.originals * 0.1 + 0.45)
    both = regions(name, problem, BUDGETS / 4)
    images = problem.originals + (far(seed) - 0.5) * 0.05
    nearest = both.project(images.clone())
    assert (nearest != problem.originals).any()
    for salt in range(4):
        other = both.sample(problem, salt)
        # A projection to a convex set is that point at which all members are on the other side.
        assert (dot(images - nearest, other - nearest) <= 1e-9).all()


@quick
@given(norms, seeds, shares, st.booleans())
def test_both_budgets_hold_on_the_stored_image_and_are_used(name, seed, share, on_lattice):
    problem = problem_with(region_of(seed, share), seed, 255, on_lattice)
    both = regions(name, problem)
    stored = both.store(both.project(far(seed)))
    assert torch.equal(stored, stored.mul(255).round().div(255))
    scale = BALLS[name][2] / 8
    for change, eps in zip(sizes(stored, problem, name), (BUDGETS, 4 * BUDGETS), strict=True):
        if on_lattice:
            assert (change <= eps * scale * (1 + 1e-6) + 1e-9).all()
    # What a region could spend by itself, it spends beside the other, too.
    kind = BALLS[name][0]
    for ball, region in (
        (kind(eps=BUDGETS * scale), problem.foreground),
        (kind(eps=4 * BUDGETS * scale), ~problem.foreground),
    ):
        inside = problem.within(region)
        alone = ball.bind(inside)
        of_region = torch.where(region, far(seed), inside.originals)
        expected = alone.store(alone.project(of_region))
        assert torch.equal(torch.where(region, stored, 0), torch.where(region, expected, 0))


def test_a_dense_change_spends_each_budget_but_for_rounding():
    mask = torch.zeros(3, 1, 12, 12, dtype=torch.bool)
    mask[..., :3] = True
    problem = problem_of(photos(3).double(), 255, foreground=mask)
    eps = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    both = Regions(L2Ball(eps=eps), L2Ball(eps=2 * eps)).bind(problem)
    front, back = sizes(both.store(both.project(far(0))), problem, "l2")
    assert (front > 0.9 * eps).all()
    assert (back > 0.9 * 2 * eps).all()


def test_originals_off_the_lattice_spend_only_their_own_rounding():
    # Rounding all 432 values takes about 0.023 of L2; what is not the foreground's must not count for it.
    mask = torch.zeros(3, 1, 12, 12, dtype=torch.bool)
    mask[..., :2, :2] = True
    problem = problem_with(mask, 5, 255, on_lattice=False)
    both = Regions(L2Ball(eps=0.02), L2Ball(eps=1.0)).bind(problem)
    stored = both.store(both.project(problem.originals.clone()))
    assert both.contains(stored).all()
    front, _ = sizes(stored, problem, "l2")
    assert (front <= 0.02).all()


@pytest.mark.parametrize("name", ["l2", "linf"])
@pytest.mark.parametrize("full", [True, False])
def test_with_one_region_alone_it_is_that_regions_ball(name, full):
    mask = torch.full((3, 1, 12, 12), full)
    problem = problem_with(mask, 3)
    kind = BALLS[name][0]
    given, unused = kind(eps=BUDGETS), kind(eps=0.0)
    ball = given.bind(problem)
    both = (Regions(given, unused) if full else Regions(unused, given)).bind(problem)
    images, gradient = far(3), far(4) - 0.5
    assert torch.equal(both.project(images.clone()), ball.project(images.clone()))
    assert torch.equal(both.store(ball.project(images.clone())), ball.store(ball.project(images.clone())))
    assert torch.equal(both.maximise(gradient), ball.maximise(gradient))
    assert not torch.equal(ball.maximise(gradient), problem.originals)


@quick
@given(norms, seeds, st.sampled_from([0.2, 0.5]))
def test_no_member_reaches_further_along_a_gradient_than_the_maximiser(name, seed, share):
    problem = problem_with(region_of(seed, share), seed, None)
    both, gradient = regions(name, problem), far(seed) - 0.5
    best = dot(gradient, both.maximise(gradient))
    assert both.contains(both.maximise(gradient)).all()
    for salt in range(3):
        assert (dot(gradient, both.sample(problem, salt)) <= best + 1e-9).all()
        assert (dot(gradient, both.project(problem.originals + 10.0**salt * gradient)) <= best + 1e-9).all()


def test_a_start_is_uniform_in_each_ball_and_independent_between_them():
    count = 600
    mask = torch.zeros(count, 1, 4, 4, dtype=torch.bool)
    mask[:, :, 0, :2] = True
    problem = problem_of(torch.full((count, 1, 4, 4), 0.5, dtype=torch.float64), foreground=mask)
    both = Regions(L2Ball(eps=0.1), L2Ball(eps=0.4)).bind(problem)
    start = both.sample(problem, 0) - problem.originals
    # In d dimensions, the share of the ball within radius r is (r / ε)^d, which is uniform over [0, 1].
    front = (norm(start * mask) / 0.1) ** 2
    back = (norm(start * ~mask) / 0.4) ** 14
    for uniform in (front, back):
        assert uniform.max() <= 1 + 1e-9
        assert abs(uniform.mean() - 0.5) < 4 / (12 * count) ** 0.5
    assert abs(torch.corrcoef(torch.stack([front, back]))[0, 1]) < 4 / count**0.5


def test_a_budget_in_ssim_holds_for_the_image_with_that_region_changed():
    mask = region_of(1, 0.4)
    images = photos(3).double()
    problem = problem_of(images, 255, foreground=mask)
    both = Regions(SsimBall(eps=0.01), SsimBall(eps=0.1)).bind(problem)
    stored = both.store(both.project(far(1)))
    for region, eps in ((mask, 0.01), (~mask, 0.1)):
        changed = torch.where(region, stored, images)
        assert (changed != images).any()
        assert (1 - ssim(changed, images) <= eps * (1 + 1e-6)).all()


def test_the_background_can_shrink_while_the_foreground_keeps_its_budget():
    mask = region_of(2, 0.5)
    problem = problem_with(mask, 2, None)
    both = Regions(L2Ball(eps=0.2), AdaptiveSphere(eps=0.5, gamma=0.1)).bind(problem)
    images = both.project(far(2))
    success = torch.tensor([True, False, True])
    after = both.update(state_of(problem, images, constraint=both, success=success))
    front, back = sizes(after.project(far(2)), problem, "l2")
    assert (front <= 0.2 + 1e-9).all()
    expected = 0.5 * torch.tensor([0.9, 1.1, 0.9], dtype=torch.float64)
    assert torch.allclose(after.background.radius.flatten(), expected)
    assert (back <= after.background.radius.flatten() + 1e-9).all()


def test_a_distance_counts_the_background_alone():
    problem = problem_with(region_of(3, 0.5), 3, None)
    both = regions("l2", problem)
    images = both.project(far(3))
    counted = norm(both.counted(images) - problem.originals)
    assert torch.equal(counted, sizes(images, problem, "l2")[1])
    assert (counted > 0).all()


def test_each_regions_rule_sees_its_own_part_of_the_gradient_and_its_own_radius():
    problem = problem_with(region_of(4, 0.5), 4, None)
    both = Regions(LinfBall(eps=0.1), AdaptiveSphere(eps=0.5)).bind(problem)
    rule = PerRegion((Sign(), Scale(0.01)), (Normalize(), Momentum(0.5), ShareOfRadius(0.2, 0.2)))
    gradient = far(4) - 0.5
    state = state_of(problem, constraint=both, gradient=gradient)
    move, after = rule(gradient.clone(), state)
    mask = problem.foreground
    assert torch.equal(move * mask, 0.01 * gradient.sign() * mask)
    unit = gradient * ~mask / norm(gradient * ~mask).reshape(-1, 1, 1, 1)
    assert torch.allclose(move * ~mask, 0.1 * unit)
    again, _ = after(gradient.clone(), state)
    assert torch.allclose(again * ~mask, 1.5 * 0.1 * unit)
    assert torch.equal(again * mask, move * mask)


def dark(images):
    """A density that is high where images are dark."""
    left = 1 - images.mean(1)
    return left / left.flatten(1).sum(1)[:, None, None]


def linf(**parts):
    return Composition(objective=parts.pop("objective", CrossEntropy()), steps=3, **parts)


WRONG = {
    "all of an image": lambda: Regions(L2Ball(eps=1.0), S2Ball(eps=0.1)),
    "say by foreground=": lambda: linf(constraint=Regions(), rule=(Sign(),)),
    "ForegroundScore treats": lambda: linf(objective=ForegroundScore(dark, 1.0), rule=(Sign(),)),
    "L2Ball has no regions": lambda: linf(constraint=L2Ball(eps=1.0), rule=(PerRegion((), ()),)),
    "the foreground is not known; bind to a": lambda: Regions().bind(problem_of(photos(1))),
}  # fmt: skip


@pytest.mark.parametrize("reason", WRONG)
def test_what_cannot_hold_a_region_apart_is_refused_when_built(reason):
    with pytest.raises(UsageError, match=reason):
        WRONG[reason]()


def half(images):
    mask = torch.zeros(len(images), 1, *images.shape[2:], dtype=torch.bool)
    mask[..., : images.shape[3] // 2] = True
    return mask


@pytest.mark.parametrize(
    ("constraint", "rule", "reason"),
    [
        (Regions(Constraint(), L2Ball(eps=1.0)), (Maximize(),), "Regions has no linear maximiser"),
        (
            Regions(LinfBall(eps=1.0), L2Ball(eps=1.0)),
            (PerRegion((ShareOfRadius(0.1, 0.1),), (Sign(),)),),
            "LinfBall has no radius",
        ),
        (
            Regions(L0Ball(eps=3), L2Ball(eps=1.0)),
            (PerRegion((Maximize(),), (Sign(),)),),
            "L0Ball has no linear",
        ),
    ],
)
def test_a_region_whose_rule_does_not_fit_its_set_is_refused_when_built(constraint, rule, reason):
    with pytest.raises(UsageError, match=reason):
        Composition(objective=Margin(), constraint=constraint, rule=rule, steps=2, foreground=Found(half))
