"""Perturbations, and what else they go together with."""

from __future__ import annotations

import functools

import pytest
import torch

from limen import Classifier
from limen.attacks import Attack, qpgd_l2, smooth_carlini_wagner_l2
from limen.attacks.composition import Composition
from limen.attacks.constraint import AdaptiveSphere, L2Ball, LinfBall
from limen.attacks.direction import Normalize, SmoothGradient, SmoothTotal
from limen.attacks.objective import CrossEntropy, DistanceAndHinge, Margin
from limen.attacks.perturbation import Additive, GraphSmooth, Masked, SigmoidBox
from limen.attacks.search import InTurn
from limen.attacks.update import Adam, Scale
from limen.errors import LimenWarning, UsageError
from limen.images import norm
from limen.operators import GraphLaplacian, Smoothing
from limen.operators.smoother import COPIES, GIB, GridFactor

from .networks import SIZE, photos, smooth_mlp, task
from .states import problem_of, state_of
from .table import alike

SMOOTH = GraphSmooth(Smoothing(alpha=0.9))


def left_half(images):
    mask = torch.zeros_like(images[:1, :1])
    mask[..., : SIZE // 2] = 1
    return mask


def roughness(delta, images):
    """δᵀLδ / δᵀδ: how little a perturbation is smooth as the image is."""
    laplacian = GraphLaplacian.at(images, alpha=0.9)
    return laplacian.energy(delta) / norm(delta).square()


PERTURBATIONS = [
    SigmoidBox(),
    Additive((SMOOTH,)),
    Additive((Masked(torch.ones_like), SMOOTH)),
    Additive((SMOOTH, Masked(torch.ones_like))),
]


@pytest.mark.parametrize("perturbation", PERTURBATIONS, ids=lambda p: str(getattr(p, "maps", p))[:40])
def test_variables_make_the_image_they_came_from(perturbation):
    images = photos(3, low=0, high=256).double()
    bound = perturbation.bind(problem_of(images))
    for other in (images, photos(3, seed=1).double()):
        variables = bound.invert(other)
        assert variables.isfinite().all()
        assert torch.allclose(bound.images(variables), other, atol=2e-6)


def test_a_perturbation_starts_at_nothing():
    bound = Additive((SMOOTH,)).bind(problem_of(photos(2)))
    assert not bound.invert(photos(2)).any()


def test_a_smooth_perturbation_is_the_smoothed_variables_and_its_gradient_their_adjoint():
    images = photos(2).double()
    bound = Additive((SMOOTH,)).bind(problem_of(images))
    smoother = SMOOTH.smoothing.at(images)
    variables = (0.1 * torch.randn(images.shape, dtype=torch.float64)).requires_grad_()
    made, weights = bound.images(variables), torch.randn(images.shape, dtype=torch.float64)
    assert torch.allclose(made, images + smoother(variables))
    (gradient,) = torch.autograd.grad((made * weights).sum(), variables)
    assert torch.allclose(gradient, smoother.adjoint(weights))


def test_a_value_at_its_bound_may_come_back_but_not_go_further():
    images = torch.full((1, 1, 1, 4), 0.5)
    bound = Additive(()).bind(problem_of(images))
    variables = torch.tensor([[[[2.0, 2.0, -2.0, -2.0]]]], requires_grad=True)
    made = bound.images(variables)
    assert made.flatten().tolist() == [1, 1, 0, 0]
    (gradient,) = torch.autograd.grad(made, variables, torch.tensor([[[[1.0, -1.0, 1.0, -1.0]]]]))
    assert gradient.flatten().tolist() == [0, -1, 1, 0]


def climb(perturbation, constraint, **changes) -> Attack:
    settings = {
        "objective": Margin(),
        "perturbation": perturbation,
        "constraint": constraint,
        "rule": (Normalize(), Scale(0.4)),
        "steps": 12,
        **changes,
    }
    return Attack("climb", InTurn((Composition(**settings),)))


@pytest.mark.parametrize("lattice", [None, 255])
@pytest.mark.parametrize("perturbation", PERTURBATIONS, ids=lambda p: str(getattr(p, "maps", p))[:40])
@pytest.mark.parametrize("constraint", [L2Ball(eps=1.5), LinfBall(eps=0.12)], ids=lambda f: type(f).__name__)
def test_any_perturbation_climbs_within_any_ball(perturbation, constraint, lattice):
    problem = task(smooth_mlp(), photos(4))
    attack = climb(perturbation, constraint)
    outcome = attack(problem.classifier, problem.images, problem.labels, lattice=lattice)
    assert outcome.success.all()
    assert problem.fooled(outcome.images).all()
    delta = outcome.images - problem.images
    length = norm(delta) if isinstance(constraint, L2Ball) else norm(delta, torch.inf)
    assert (length <= constraint.eps * (1 + 1e-5)).all()
    assert (length > 0).all()


def test_smooth_steps_within_a_ball_are_smoother_than_plain_ones():
    problem = task(smooth_mlp(), photos(4))
    rough, smooth = (
        climb(*parts)(problem.classifier, problem.images, problem.labels, lattice=None).images
        - problem.images
        for parts in ((SigmoidBox(), L2Ball(eps=1.5)), (Additive((SMOOTH,)), L2Ball(eps=1.5)))
    )
    assert (roughness(smooth, problem.images) < 0.3 * roughness(rough, problem.images)).all()


def test_a_smooth_perturbation_on_a_shrinking_sphere_gets_shorter():
    problem = task(smooth_mlp(), photos(4))
    sphere = AdaptiveSphere(eps=2.0, gamma=0.2)
    parts = {"rule": (Normalize(), Scale(0.5, final=0.005)), "distance": lambda a, b: norm(a - b)}
    lengths = []
    for steps in (5, 40):
        attack = climb(Additive((SMOOTH,)), sphere, steps=steps, **parts)
        outcome = attack(problem.classifier, problem.images, problem.labels, lattice=None)
        assert outcome.success.all()
        lengths.append(norm(outcome.images - problem.images))
    assert (lengths[1] < lengths[0]).all()


@pytest.mark.parametrize("order", [1, -1], ids=["mask-of-smooth", "smooth-of-mask"])
def test_a_masked_perturbation_stays_inside_its_mask(order):
    problem = task(smooth_mlp(), photos(4))
    maps = (SMOOTH, Masked(left_half))[::order]
    parts = {"rule": (Adam(0.05),), "objective": DistanceAndHinge(constant=100.0), "steps": 40}
    attack = Attack(
        "masked",
        InTurn((Composition(perturbation=Additive(maps), distance=lambda a, b: norm(a - b), **parts),)),
    )
    outcome = attack(problem.classifier, problem.images, problem.labels)
    assert outcome.success.all()
    delta = (outcome.images - problem.images).abs()
    inside, outside = delta[..., : SIZE // 2].sum((1, 2, 3)), delta[..., SIZE // 2 :].sum((1, 2, 3))
    if order == 1:
        assert not outside.any()
    assert (inside > 2 * outside).all()


def test_a_move_of_the_whole_perturbation_smooths_it_whole():
    images = photos(2).double()
    problem = problem_of(images)
    moved = images + 0.05 * torch.rand(images.shape, dtype=torch.float64)
    move = torch.randn(images.shape, dtype=torch.float64)
    state = state_of(problem, moved, gradient=move)
    smoother = SMOOTH.smoothing.at(images)
    made, _ = SmoothTotal(SMOOTH.smoothing).bind(problem)(move.clone(), state)
    assert torch.allclose(moved + made, images + smoother(moved + move - images))
    made, _ = SmoothGradient(SMOOTH.smoothing).bind(problem)(move.clone(), state)
    assert torch.allclose(made, smoother(move))


def attack_within(memory: float):
    return smooth_carlini_wagner_l2(
        steps=4, search_steps=2, learning_rate=0.1, initial_constant=100.0, memory=memory
    )


def test_a_batch_whose_factors_would_not_fit_is_attacked_in_parts_to_the_same_end(monkeypatch):
    need = COPIES * GridFactor.bytes(3, SIZE, SIZE, 4, torch.float32) / GIB
    problem, held = task(smooth_mlp(), photos(7)), []
    make = GridFactor.of

    def recorded(diagonal, links):
        held.append(len(diagonal))
        return make(diagonal, links)

    monkeypatch.setattr(GridFactor, "of", recorded)
    call = (problem.classifier, problem.images, problem.labels)
    whole = attack_within(100 * need)(*call)
    assert whole.success.any()
    assert held == [7]
    parts = attack_within(3.2 * need)(*call)
    assert held == [7, 3, 3, 1]
    assert alike(parts, whole)


def test_budgets_of_samples_go_with_them_into_their_part():
    need = COPIES * GridFactor.bytes(3, SIZE, SIZE, 4, torch.float32) / GIB
    problem, eps = task(smooth_mlp(), photos(5)), torch.tensor([0.2, 0.4, 0.6, 0.8, 1.0])
    call = (problem.classifier, problem.images, problem.labels)
    whole, parts = (qpgd_l2(eps=eps, steps=3, alpha=0.5, memory=share * need)(*call) for share in (100, 2.1))
    assert alike(parts, whole)
    for wrong in (torch.ones(4), torch.ones(6)):
        with pytest.raises(UsageError, match=r"eps has shape \(\d,\); expected"):
            qpgd_l2(eps=wrong, memory=2.1 * need)(*call)


def test_one_image_beyond_the_memory_is_solved_for_or_refused():
    need = COPIES * GridFactor.bytes(3, SIZE, SIZE, 4, torch.float32) / GIB
    problem = task(smooth_mlp(), photos(2))
    call = (problem.classifier, problem.images, problem.labels)
    assert attack_within(0.5 * need)(*call).success.any()
    with pytest.raises(UsageError, match="memory is"):
        qpgd_l2(memory=0.5 * need, solver="factorised")(*call)


def test_no_images_of_no_pixels_take_no_memory():
    problem = task(smooth_mlp(), photos(1))
    outcome = qpgd_l2()(problem.classifier, torch.zeros(0, 3, 0, 0), torch.zeros(0, dtype=torch.int64))
    assert outcome.images.shape == (0, 3, 0, 0)


def test_the_gradient_of_an_objective_passes_through_a_mask():
    problem = task(smooth_mlp(), photos(2))
    parts = Composition(
        objective=CrossEntropy(),
        perturbation=Additive((Masked(functools.partial(torch.zeros_like)),)),
        rule=(Normalize(), Scale(1.0)),
        steps=3,
    )
    with pytest.warns(LimenWarning, match="could not be moved"):
        outcome = Attack("nothing", InTurn((parts,)))(
            Classifier(problem.classifier.module), problem.images, problem.labels
        )
    assert not outcome.success.any()
    assert torch.equal(outcome.images, problem.images)
