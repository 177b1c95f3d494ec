"""Squares: each proposal changes one, the best is kept, and no gradient is asked for."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from limen import Classifier
from limen.attacks import apgd_linf, autoattack, fmn, pgd_linf, square
from limen.images import norm
from limen.metrics import ciede2000, ssim

from .networks import photos, task
from .oracles import limen, watched


class Rounded(nn.Module):
    """A network whose gradient is 0, as its input is rounded."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, images):
        return self.module((images * 255).round() / 255)


def values(problem, images):
    logits = problem.classifier(images)
    own = logits.gather(1, problem.labels[:, None])[:, 0]
    return logits.scatter(1, problem.labels[:, None], -torch.inf).amax(1) - own


@pytest.mark.parametrize(("norm_name", "eps"), [("linf", 1e-4), ("l2", 2e-3)])
def test_the_best_so_far_is_what_a_proposal_changes(norm_name, eps):
    problem = watched(count=3)
    _, seen = limen(problem, square(eps=eps, norm=norm_name, steps=40))
    best, value = seen[1], values(problem, seen[1])
    kept = 0
    for images in seen[2:]:
        changed = (images - best).abs().amax(1) > 1e-12
        for rows, columns in ((changed.any(2), changed.any(1)),):
            assert (rows.sum(1) <= problem.images.shape[2]).all()
            assert (columns.sum(1) <= problem.images.shape[3]).all()
        now = values(problem, images)
        better = (now > value)[:, None, None, None]
        kept += int(better.sum())
        best, value = torch.where(better, images, best), torch.maximum(now, value)
    assert kept > 3
    assert (values(problem, seen[-1]) <= value).all()


@pytest.mark.parametrize("make", [square, apgd_linf], ids=["square", "apgd"])
def test_what_is_trained_on_is_the_best_that_was_seen_and_not_the_last(make):
    problem = watched(count=4)
    attack = make(eps=1e-4, steps=12, loss="margin")
    network = problem.classifier.module
    network.seen.clear()
    ended = attack.perturb(problem.classifier, problem.images, problem.labels)
    # Squares begin with stripes, however good the original was.
    looked = [values(problem, images) for images in list(network.seen)]
    reached = values(problem, ended)
    torch.testing.assert_close(reached, torch.stack(looked[make is square :]).amax(0), rtol=0, atol=1e-9)
    assert len(looked) == 12
    assert make is apgd_linf or (reached > looked[-1]).any()


def test_proposals_in_linf_are_squares_of_the_whole_budget():
    problem = watched(count=3)
    _, seen = limen(problem, square(eps=1e-3, steps=300))
    for images in seen[1:]:
        assert torch.allclose((images - problem.images).abs(), torch.tensor(1e-3).double(), atol=1e-9)
    # At the end a square is a single pixel: what is shown differs from the best by no more than one or two.
    last = ((seen[-1] - seen[-2]).abs().amax(1) > 1e-9).flatten(1).sum(1)
    assert (last <= 2).all()


def test_proposals_in_l2_have_the_length_of_the_budget():
    problem = watched(count=3)
    _, seen = limen(problem, square(eps=0.05, norm="l2", steps=60))
    for images in seen[1:]:
        torch.testing.assert_close(norm(images - problem.images), torch.full((len(images),), 0.05).double())


@pytest.mark.filterwarnings("ignore::limen.errors.LimenWarning")
def test_it_fools_a_network_whose_gradient_is_hidden():
    plain = watched(count=6, span=(60, 196))
    hidden = task(Rounded(plain.classifier.module.module), photos(6))
    arguments = (hidden.classifier, hidden.images, hidden.labels)
    by_gradient = pgd_linf(eps=8 / 255, steps=20)(*arguments)
    by_asking = square(eps=8 / 255, steps=200)(*arguments)
    assert by_gradient.success.sum() < by_asking.success.sum()
    assert (by_asking.backwards == 0).all()
    assert not by_asking.stuck.any()


def test_a_model_without_gradients_is_attacked():
    class NoGradient(nn.Module):
        def __init__(self, module):
            super().__init__()
            self.module = module

        @torch.no_grad()
        def forward(self, images):
            return self.module(images)

    plain = watched(count=4)
    classifier = Classifier(NoGradient(plain.classifier.module.module))
    outcome = square(eps=0.05, steps=100)(classifier, plain.images, plain.labels)
    assert outcome.success.any()


@pytest.mark.filterwarnings("ignore::limen.errors.LimenWarning")
def test_an_ensemble_ends_with_squares_where_gradients_are_hidden():
    plain = watched(count=6, span=(60, 196))
    hidden = task(Rounded(plain.classifier.module.module), photos(6))
    arguments = (hidden.classifier, hidden.images, hidden.labels)
    few = {"eps": 8 / 255, "steps": 5, "targets": 1}
    without, whole = (autoattack(**few, squares=count)(*arguments) for count in (0, 200))
    assert without.success.sum() < whole.success.sum()
    more = (whole.forwards - without.forwards)[~without.success]
    assert (more >= 1).all()
    assert (more <= 201).all()
    assert torch.equal(whole.images[without.success], without.images[without.success])


def test_an_ensemble_fools_whatever_one_of_its_members_fools():
    problem = watched(count=12)
    budgets = torch.linspace(1e-4, 1e-2, 12, dtype=torch.float64)
    whole, _ = limen(problem, autoattack(eps=budgets, steps=20, squares=50))
    for member in (apgd_linf(eps=budgets, steps=20, early_stop=True), square(eps=budgets, steps=50)):
        alone, _ = limen(problem, member)
        assert (whole.success >= alone.success).all()
    least, _ = limen(problem, fmn(steps=200))
    reached = norm(least.images - problem.images, torch.inf)
    assert (whole.success == (reached <= budgets)).all()
    assert 0 < whole.success.sum() < 12


@pytest.mark.parametrize(
    ("geometry", "eps", "measure"),
    [
        ("l1", 2.0, lambda a, b: norm(a - b, 1)),
        ("l2", 0.3, lambda a, b: norm(a - b)),
        ("linf", 0.02, lambda a, b: norm(a - b, torch.inf)),
        ("ssim", 0.05, lambda a, b: 1 - ssim(a, b)),
        ("ciede2000", 1.0, lambda a, b: ciede2000(b, a)),
    ],
)
def test_an_ensemble_fools_within_its_budget_in_every_geometry(geometry, eps, measure):
    problem = watched(count=6)
    attack = autoattack(eps=eps, norm=geometry, steps=20, targets=2, squares=20)
    outcome = attack(problem.classifier, problem.images, problem.labels)
    assert outcome.success.all()
    assert problem.fooled(outcome.images).all()
    assert (measure(outcome.images, problem.images) <= eps * (1 + 1e-5)).all()
    tiny = autoattack(eps=eps / 1e4, norm=geometry, steps=5, targets=2, squares=5)
    assert not tiny(problem.classifier, problem.images, problem.labels, lattice=None).success.all()
