"""`Attack.perturb`: where an attack ends, which is what a network is trained on."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy

from limen import Classifier
from limen.attacks import FACTORIES, attack, carlini_wagner_l2, ddn, fgsm, ifgsm, pgd_l2, pgd_linf
from limen.attacks.composition import Composition
from limen.attacks.constraint import LinfBall
from limen.attacks.direction import Sign
from limen.attacks.objective import CrossEntropy
from limen.attacks.protocols import Constraint
from limen.attacks.search import InTurn
from limen.attacks.update import Scale
from limen.images import norm

from .networks import photos, smooth_mlp, task
from .table import TABLE


@pytest.fixture
def problem():
    return task(smooth_mlp(), photos(6))


def signed_ascent(classifier: Classifier, images, labels, eps: float, steps: int):
    """The hand-written loop that adversarial training mostly has."""
    adversarial = images.clone()
    for _ in range(steps):
        adversarial.requires_grad_()
        loss = cross_entropy(classifier(adversarial), labels, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, adversarial)
        moved = adversarial.detach() + eps / steps * gradient.sign()
        adversarial = torch.clamp(moved, images - eps, images + eps).clamp(0, 1)
    return adversarial


@pytest.mark.parametrize("eps", [0.0005, 0.3])
def test_all_samples_end_at_the_last_iterate_of_the_ascent_whether_they_are_fooled_or_not(problem, eps):
    call = (problem.classifier, problem.images, problem.labels)
    expected = signed_ascent(*call, eps, 4)
    torch.testing.assert_close(ifgsm(eps=eps, steps=4).perturb(*call), expected, rtol=0, atol=1e-6)
    assert bool((norm(expected - problem.images) > 0).all())


def test_samples_that_are_wrong_before_are_perturbed_too(problem):
    wrong = (problem.labels + 1) % 3
    for make in (fgsm, ifgsm, pgd_linf):
        ended = make(eps=0.02).perturb(problem.classifier, problem.images, wrong)
        assert bool((norm(ended - problem.images, torch.inf) > 0.019).all())


def test_the_passes_are_those_of_the_steps_alone(problem):
    passes = []
    problem.classifier.module.register_forward_hook(lambda *_: passes.append(1))
    for make, steps in ((fgsm(), 1), (ifgsm(steps=5), 5), (pgd_l2(steps=3), 3)):
        passes.clear()
        make.perturb(problem.classifier, problem.images, problem.labels)
        assert len(passes) == steps


def test_a_sample_that_stops_at_its_first_success_stays_there(problem):
    strong = pgd_l2(eps=5.0, steps=20, random_start=False, early_stop=True)
    call = (problem.classifier, problem.images, problem.labels)
    outcome, ended = strong(*call, lattice=None), strong.perturb(*call)
    assert bool(outcome.success.all())
    torch.testing.assert_close(ended, outcome.images, rtol=0, atol=0)


@pytest.mark.parametrize(
    "make", [ddn(steps=20), carlini_wagner_l2(steps=20, search_steps=2, initial_constant=10)]
)
def test_a_search_for_the_least_ends_at_the_least_success(problem, make):
    call = (problem.classifier, problem.images, problem.labels)
    outcome = make(*call, lattice=None)
    assert bool(outcome.success.all())
    torch.testing.assert_close(make.perturb(*call), outcome.images, rtol=0, atol=0)


def test_a_search_for_the_least_that_fails_ends_at_its_last_iterate(problem):
    weak = ddn(steps=1, eps=0.01)
    call = (problem.classifier, problem.images, problem.labels)
    failed = ~weak(*call, lattice=None).success
    assert bool(failed.any())
    assert bool((norm(weak.perturb(*call) - problem.images)[failed] > 0).all())


def test_random_numbers_come_from_ids_and_seed_and_not_from_the_batch(problem):
    ids = [f"image {place}" for place in range(6)]
    call = (problem.classifier, problem.images, problem.labels)
    whole = pgd_linf(steps=2).perturb(*call, ids=ids, seed=7)
    part = pgd_linf(steps=2).perturb(
        problem.classifier, problem.images[3:], problem.labels[3:], ids=ids[3:], seed=7
    )
    torch.testing.assert_close(whole[3:], part, rtol=0, atol=1e-6)
    other = pgd_linf(steps=2).perturb(*call, ids=ids, seed=8)
    assert not torch.allclose(whole, other, atol=1e-4)


def test_an_image_outside_the_budget_is_given_up_for_the_original(problem):
    class Unheld(LinfBall):
        """A ball that does not project, so that the steps leave it."""

        def project(self, images):
            return Constraint.project(self, images)

    @attack()
    def leaves(eps: float = 0.1):
        climb = Composition(
            objective=CrossEntropy(), constraint=Unheld(eps=eps), rule=(Sign(), Scale(0.06)), steps=2
        )
        return InTurn((climb,))

    ended = leaves().perturb(problem.classifier, problem.images, problem.labels)
    assert torch.equal(ended, problem.images)
    inside = leaves(0.2).perturb(problem.classifier, problem.images, problem.labels)
    assert not torch.equal(inside, problem.images)


@pytest.mark.parametrize("entry", TABLE, ids=lambda each: f"{each.name} {each.variant}".strip())
def test_every_attack_says_where_it_ends_for_no_sample_and_for_one(problem, entry):
    made = FACTORIES[entry.name](**entry.arguments)
    for count in (0, 1):
        ended = made.perturb(problem.classifier, problem.images[:count], problem.labels[:count])
        assert ended.shape == problem.images[:count].shape
        assert 0 <= float(ended.min() if count else 0) <= float(ended.max() if count else 1) <= 1
    assert not torch.equal(ended, problem.images[:1])


def test_on_a_lattice_if_one_is_given(problem):
    call = (problem.classifier, problem.images, problem.labels)
    ended = pgd_linf(steps=2).perturb(*call, lattice=255) * 255
    torch.testing.assert_close(ended, ended.round(), rtol=0, atol=1e-4)
